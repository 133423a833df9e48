package server

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDecodePlacesFollowTheModels: as many images are decoded at once as twice the models' rate takes, and at least one.
func TestDecodePlacesFollowTheModels(t *testing.T) {
	var rate float64
	p := newDecodePool(8, 100, func() float64 { return rate })
	f := func(images float64, takes time.Duration, want int) {
		t.Helper()
		rate = images
		p.takes.Store(int64(takes))
		for range 2 * cap(p.places) { // a place at a time is held back, or given
			require.NoError(t, p.enter(t.Context()))
			p.leave()
		}
		free := 0
		for ; len(p.places) < cap(p.places); free++ {
			require.NoError(t, p.enter(t.Context()))
		}
		require.Equal(t, want, free, "%v images/s, %v each", images, takes)
		for range free {
			<-p.places
		}
	}
	f(0, time.Millisecond, 8) // not known
	f(60, 0, 8)
	f(60, 2*time.Millisecond, 1)
	f(600, 2*time.Millisecond, 3)
	f(40_000, 2*time.Millisecond, 8)
	f(1, time.Microsecond, 1)
	f(0, 0, 8) // another model
}

// TestDecodePlacesAreNotLost: many at once, while what the models take changes.
func TestDecodePlacesAreNotLost(t *testing.T) {
	var mu sync.Mutex
	rate := 0.0
	p := newDecodePool(4, 1000, func() float64 {
		mu.Lock()
		defer mu.Unlock()
		rate += 300
		if rate > 3000 {
			rate = 0
		}
		return rate
	})
	p.takes.Store(int64(time.Millisecond))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 500 {
				if err := p.enter(t.Context()); err != nil {
					t.Error(err)
					return
				}
				p.leave()
			}
		})
	}
	all.Wait()
	require.EqualValues(t, p.held.Load(), len(p.places))
	require.Less(t, len(p.places), cap(p.places))
}
