package bench

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, ended, opened atomic.Int64
		r, err := Repeat(context.Background(), 2, time.Second, 2*time.Second, func() (func() error, func(), error) {
			time.Sleep(time.Duration(opened.Add(1)) * time.Second) // they begin together nevertheless
			return func() error {
				calls.Add(1)
				time.Sleep(8 * time.Millisecond)
				return nil
			}, func() { ended.Add(1) }, nil
		})
		require.NoError(t, err)
		assert.EqualValues(t, 500, r.Calls)
		assert.InDelta(t, 250, r.Rate, 1e-6)
		assert.EqualValues(t, 750, calls.Load())
		assert.EqualValues(t, 2, ended.Load())
		assert.InDelta(t, 8, r.Latency.P50, 0.001)
		assert.InDelta(t, 8, r.Latency.Max, 0.001)
	})
}

func TestRepeatFails(t *testing.T) {
	broken := errors.New("broken")
	_, err := Repeat(context.Background(), 2, 0, time.Second, func() (func() error, func(), error) { return nil, nil, broken })
	assert.ErrorIs(t, err, broken)
	_, err = Repeat(context.Background(), 2, 0, time.Second, func() (func() error, func(), error) {
		return func() error { return broken }, func() {}, nil
	})
	assert.ErrorIs(t, err, broken)
}

func TestRepeatInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r, err := Repeat(ctx, 1, 0, time.Hour, func() (func() error, func(), error) {
			return func() error { time.Sleep(10 * time.Millisecond); return nil }, func() {}, nil
		})
		require.NoError(t, err)
		assert.InDelta(t, 100, r.Calls, 1)
		assert.InDelta(t, 100, r.Rate, 1)
	})
}
