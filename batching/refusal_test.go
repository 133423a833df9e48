package batching

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What Refusal says is what Do says in the same moment, and asking changes nothing.
func TestRefusalAgreesWithDo(t *testing.T) {
	f := func(what string, want error, p Priority, deadline time.Duration, cfg Config[int, int], before func(b *Batcher[int, int])) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			if cfg.Cost == nil {
				cfg.Cost = perItem(time.Second)
			}
			b := mustOpen(t, &fake{cost: cfg.Cost}, cfg)
			if before != nil {
				before(b)
			}
			stats := b.Stats()
			ctx := within(t, deadline)
			for range 3 {
				if err := b.Refusal(ctx, p, 0, 0); !errors.Is(err, want) {
					t.Errorf("%s: got %v; want %v", what, err, want)
				}
			}
			after := b.Stats()
			if n := after.Rejected[RejectedQueueFull] + after.Rejected[RejectedBacklog] + after.Rejected[RejectedDeadline] + after.Rejected[RejectedDraining]; want != nil && n != 3 || want == nil && n != 0 {
				t.Errorf("%s: %d refusals were counted", what, n)
			}
			after.Rejected = stats.Rejected
			if after != stats {
				t.Errorf("%s: asking changed %+v to %+v", what, stats, after)
			}
			asked := b.Refusal(ctx, p, 0, 0)
			c := goDoPriority(ctx, b, 99, p)
			if asked == nil {
				pass(time.Hour)
				if c.err != nil {
					t.Errorf("%s: Do got %v", what, c.err)
				}
				return
			}
			c.wantError(t, want, 0)
			if asked.Error() != c.err.Error() {
				t.Errorf("%s: Refusal said %v, Do %v", what, asked, c.err)
			}
		})
	}
	fill := func(p Priority, n int) func(*Batcher[int, int]) {
		return func(b *Batcher[int, int]) {
			for i := range n {
				goDoPriority(background, b, i, p)
			}
		}
	}
	f("an idle runner", nil, Normal, time.Minute, Config[int, int]{}, nil)
	f("no time for a run", ErrDeadline, Normal, time.Second-1, Config[int, int]{}, fill(Normal, 0))
	f("a full queue", ErrQueueFull, Normal, time.Hour, Config[int, int]{MaxBatch: 1, MaxQueue: 4}, fill(Normal, 5))
	f("one place", nil, Normal, time.Hour, Config[int, int]{MaxBatch: 1, MaxQueue: 4}, fill(Normal, 4))
	f("the place of one of Low", nil, Normal, time.Hour, Config[int, int]{MaxBatch: 1, MaxQueue: 8}, fill(Low, 5))
	f("Low is refused first", ErrQueueFull, Low, time.Hour, Config[int, int]{MaxBatch: 1, MaxQueue: 8}, fill(Normal, 9))
	f("a backlog", ErrBacklog, Normal, 5*time.Second-1, Config[int, int]{MaxBatch: 1, MaxQueue: 9}, fill(Normal, 4))
	f("just time", nil, Normal, 5*time.Second+1, Config[int, int]{MaxBatch: 1, MaxQueue: 9}, fill(Normal, 4))
	f("a drain", ErrDraining, Normal, time.Hour, Config[int, int]{}, func(b *Batcher[int, int]) {
		goDo(background, b, 1)
		go b.Drain(background)
		synctest.Wait()
	})
}

// Those that are on their way count, as if they waited already.
func TestRefusalCountsThoseAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustOpen(t, &fake{cost: perItem(time.Second)}, Config[int, int]{MaxBatch: 2, MaxQueue: 6, Cost: perItem(time.Second)})
		f := func(deadline time.Duration, ahead int, want error) {
			t.Helper()
			if err := b.Refusal(within(t, deadline), Normal, ahead, 0); !errors.Is(err, want) {
				t.Errorf("within %s and behind %d: got %v; want %v", deadline, ahead, err, want)
			}
		}
		f(2*time.Second, 1, nil) // a batch of two
		f(2*time.Second-1, 1, ErrBacklog)
		f(3*time.Second-1, 2, ErrBacklog)
		f(4*time.Second, 2, nil)
		goDo(background, b, 1) // runs until 1 s
		goDo(within(t, 3*time.Second), b, 2)
		f(2*time.Second, 0, nil) // before the one that waits
		f(2*time.Second-1, 0, ErrBacklog)
		f(5*time.Second, 1, nil) // in a batch that others will join
		f(5*time.Second-1, 1, ErrBacklog)
		f(time.Hour, 4, nil)
		f(time.Hour, 5, ErrQueueFull)
	})
}

func TestRefusalWithoutTime(t *testing.T) {
	b, err := Open(Config[int, int]{NewRunner: idleRunner})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if err := b.Refusal(ctx, Normal, 0, 0); err != context.Canceled || b.Stats().Rejected[RejectedCancelled] != 1 {
		t.Errorf("got %v", err)
	}
	b.Close()
	if err := b.Refusal(background, Normal, 0, 0); !errors.Is(err, ErrDraining) {
		t.Errorf("got %v", err)
	}
}

// endings counts how items that were made ended: answered, refused in spite of that, or too late.
type endings struct{ good, vain, late atomic.Int64 }

func (e *endings) count(err error) {
	switch {
	case err == nil:
		e.good.Add(1)
	case errors.As(err, new(*RetryError)):
		e.vain.Add(1)
	default:
		e.late.Add(1)
	}
}

// Under twice the load that can be served, whoever asks before he makes an item makes hardly any in vain, and the runners have as
// much to do as if nobody asked.
func TestRefusalSparesWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := affine(3*time.Millisecond, 8*time.Millisecond)
		b, err := Open(Config[int, int]{NewRunner: noisyRunner(cost), Cost: cost})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		const lasts, patience = 30 * time.Second, time.Second
		capacity := bestRate(cost, b.cfg.MaxBatch)
		rnd := rand.New(rand.NewPCG(3, 4))
		var ahead, spared atomic.Int64
		var ends endings
		var wg sync.WaitGroup
		for begin := time.Now(); time.Since(begin) < lasts; {
			time.Sleep(time.Duration(rnd.ExpFloat64() / (2 * capacity) * float64(time.Second)))
			makes := time.Duration(rnd.Int64N(int64(20 * time.Millisecond)))
			ctx, cancel := context.WithTimeout(background, patience)
			wg.Go(func() {
				defer cancel()
				if b.Refusal(ctx, Normal, int(ahead.Load()), 0) != nil {
					spared.Add(1)
					return
				}
				ahead.Add(1)
				time.Sleep(makes)
				ahead.Add(-1)
				_, err := b.Do(ctx, 1)
				ends.count(err)
			})
		}
		wg.Wait()
		t.Logf("%d answered, %d refused before, %d after, %d late", ends.good.Load(), spared.Load(), ends.vain.Load(), ends.late.Load())
		if served := float64(ends.good.Load()) / lasts.Seconds() / capacity; served < 0.95 {
			t.Errorf("%.3f of what can be served was", served)
		}
		if refused := spared.Load() + ends.vain.Load(); ends.vain.Load()*50 > refused || ends.late.Load()*100 > ends.good.Load() {
			t.Errorf("%d of %d refusals came after the work, %d of %d answers too late", ends.vain.Load(), refused, ends.late.Load(), ends.good.Load())
		}
	})
}

// Where items are made more slowly than they are run, those who wait for that hear no before they wait, and nobody after: what
// remains of their time then is known before.
func TestRefusalWhereMakingIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := affine(3*time.Millisecond, 8*time.Millisecond)
		b, err := Open(Config[int, int]{NewRunner: noisyRunner(cost), Cost: cost})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		const lasts, patience = 30 * time.Second, time.Second
		capacity := 0.5 * bestRate(cost, b.cfg.MaxBatch)
		makes := time.Duration(float64(time.Second) / capacity)
		maker := make(chan struct{}, 1)
		rnd := rand.New(rand.NewPCG(5, 6))
		var ahead, queue atomic.Int64
		var ends endings
		var wg sync.WaitGroup
		for begin := time.Now(); time.Since(begin) < lasts; {
			time.Sleep(time.Duration(rnd.ExpFloat64() / (2 * capacity) * float64(time.Second)))
			ctx, cancel := context.WithTimeout(background, patience)
			wg.Go(func() {
				defer cancel()
				if b.Refusal(ctx, Normal, int(ahead.Load()), time.Duration(queue.Load())*makes) != nil {
					return
				}
				ahead.Add(1)
				queue.Add(1)
				maker <- struct{}{}
				time.Sleep(makes)
				<-maker
				queue.Add(-1)
				ahead.Add(-1)
				_, err := b.DoAsked(ctx, 1, Normal)
				ends.count(err)
			})
		}
		wg.Wait()
		t.Logf("%d answered, %d refused after they were made, %d late", ends.good.Load(), ends.vain.Load(), ends.late.Load())
		if served := float64(ends.good.Load()) / lasts.Seconds() / capacity; served < 0.95 {
			t.Errorf("%.3f of what can be made was answered", served)
		}
		if lost := ends.vain.Load() + ends.late.Load(); lost*100 > ends.good.Load() {
			t.Errorf("%d were made in vain, beside %d", lost, ends.good.Load())
		}
	})
}
