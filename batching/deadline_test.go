package batching

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// within returns a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, d)
	t.Cleanup(cancel)
	return ctx
}

func TestDeadlineExpiresInQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(5 * time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxQueue: 1})
		goDo(background, b, 0)
		late := goDo(within(t, time.Second), b, 1)
		goDo(background, b, 2).wantError(t, ErrQueueFull, 0)
		pass(time.Second)
		late.wantError(t, context.DeadlineExceeded, time.Second)
		wantReleased(t, f, 1, 2)
		next := goDo(background, b, 3) // Its place is free.
		pass(time.Minute)
		next.wantValue(t, 1, 9*time.Second)
		wantSizes(t, f, 1, 1)
		if got := b.Stats().Rejected[RejectedDeadline]; got != 1 {
			t.Fatalf("got %d past their deadline; want 1", got)
		}
	})
}

// What cannot be finished in time, alone or behind what runs, is refused at the door, long before its deadline.
func TestHopelessItemIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(2 * time.Second)}
		b := mustOpen(t, f, Config[int, int]{Cost: perBatch(2 * time.Second)})
		goDo(within(t, time.Second), b, 1).wantError(t, ErrDeadline, 0)
		goDo(within(t, time.Second), b, 2).wantError(t, context.DeadlineExceeded, 0)
		just := goDo(within(t, 2*time.Second+1), b, 3)
		hopeless := goDo(within(t, 3*time.Second), b, 4)
		hopeless.wantError(t, ErrBacklog, 0)
		patient := goDo(within(t, time.Minute), b, 5)
		pass(time.Minute)
		just.wantValue(t, 1, 2*time.Second)
		var retry *RetryError
		if !errors.As(hopeless.err, &retry) || retry.RetryAfter != time.Second { // With a second more it would be in time.
			t.Fatalf("got %v; want it to be retried after a second", hopeless.err)
		}
		patient.wantValue(t, 1, 4*time.Second)
	})
}

// One urgent item goes first, and makes the batch smaller for everybody in it; the others come next.
func TestCostLimitsTheBatch(t *testing.T) {
	f := func(deadlines []time.Duration, want ...int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			f := &fake{cost: perItem(time.Second)}
			b := mustOpen(t, f, Config[int, int]{MaxBatch: 8, Cost: perItem(time.Second)})
			goDo(background, b, 0)
			for i, d := range deadlines {
				ctx := background
				if d > 0 {
					ctx = within(t, time.Second+d*time.Second+1) // The item before them runs for a second.
				}
				goDo(ctx, b, i+1)
			}
			pass(time.Minute)
			wantSizes(t, f, append([]int{1}, want...)...)
		})
	}
	f([]time.Duration{0, 0, 0, 0, 0, 0}, 6)
	f([]time.Duration{6, 6, 6, 6, 6, 6}, 6)
	f([]time.Duration{5, 0, 0, 0, 0, 0}, 5, 1)
	f([]time.Duration{2, 9, 9, 9, 9, 9}, 2, 4)
	f([]time.Duration{1, 0, 0, 0, 0, 0}, 1, 5)
	f([]time.Duration{0, 0, 0, 0, 0, 6}, 6)
	f([]time.Duration{0, 0, 0, 3, 0, 0}, 3, 3) // The urgent item goes first.
	f([]time.Duration{0, 0, 0, 1, 0, 2}, 1, 1, 4)
}

// Learned costs limit a batch as given ones do.
func TestLearnedCostLimitsTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perItem(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 8})
		for i := range 5 {
			ctx := background
			if i == 1 {
				ctx = within(t, time.Second+2*time.Second+1) // Enough for two, by what the first run showed.
			}
			goDo(ctx, b, i)
		}
		pass(time.Minute)
		wantSizes(t, f, 1, 2, 2)
	})
}

// A cost that was learned from one slow run must not refuse everybody for ever.
func TestLearnedCostIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := time.Minute
		f := &fake{cost: func(int) time.Duration { return cost }}
		b := mustOpen(t, f, Config[int, int]{})
		goDo(background, b, 0)
		pass(time.Minute)
		cost = time.Millisecond
		goDo(within(t, time.Second), b, 1).wantError(t, ErrDeadline, 0)
		pass(costTrust)
		c := goDo(within(t, time.Second), b, 2)
		pass(time.Second)
		c.wantValue(t, 1, time.Millisecond)
	})
}

func TestShare(t *testing.T) {
	open := func(cost func(int) time.Duration) *Batcher[int, int] {
		b, err := Open(Config[int, int]{NewRunner: idleRunner, MaxBatch: 8, Cost: cost})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return b
	}
	f := func(b *Batcher[int, int], waiting, idle, want int) {
		t.Helper()
		if got := b.shareLocked(waiting, idle, 0); got != want {
			t.Fatalf("got a share of %d for %d items and %d idle runners; want %d", got, waiting, idle, want)
		}
	}
	for _, b := range []*Batcher[int, int]{open(nil), open(perItem(time.Second))} {
		f(b, 1, 1, 1)
		f(b, 6, 1, 6)
		f(b, 20, 1, 8) // never more than MaxBatch
		f(b, 1, 4, 1)
		f(b, 6, 2, 3)
		f(b, 7, 2, 4)
		f(b, 7, 4, 2)
		f(b, 40, 4, 8)
	}
	flat := open(perBatch(time.Second)) // A smaller batch is no quicker: one runner takes all.
	f(flat, 6, 2, 6)
	f(flat, 20, 2, 8)
	slanted := open(func(n int) time.Duration { return 100*time.Millisecond + perItem(time.Millisecond)(n) })
	f(slanted, 6, 2, 6)
	quick := open(perItem(time.Microsecond)) // The other thread would be awake too late.
	f(quick, 6, 2, 6)
}
