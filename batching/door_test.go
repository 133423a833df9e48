package batching

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var errDeadlineExceeded = context.DeadlineExceeded

// The queue is as deep as the target allows, and follows the run times.
func TestLatencyTargetBoundsTheQueue(t *testing.T) {
	f := func(cost func(int) time.Duration, cfg Config[int, int], limit, most int) {
		t.Helper()
		cfg.NewRunner, cfg.Cost = idleRunner, cost
		b, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if got := b.Stats().Limit; got != limit || b.mu.costs.most != most {
			t.Fatalf("got %d to wait and batches of %d; want %d and %d", got, b.mu.costs.most, limit, most)
		}
	}
	ms := time.Millisecond
	f(perBatch(100*ms), Config[int, int]{MaxBatch: 8, LatencyTarget: time.Second}, 72, 8) // nine batches, and what runs
	f(perBatch(100*ms), Config[int, int]{MaxBatch: 8, LatencyTarget: time.Second, Runners: 3}, 216, 8)
	f(perBatch(100*ms), Config[int, int]{MaxBatch: 8, LatencyTarget: time.Second, MaxQueue: 50}, 50, 8)
	f(perBatch(100*ms), Config[int, int]{MaxBatch: 8}, 32, 8)
	f(perItem(100*ms), Config[int, int]{MaxBatch: 8, LatencyTarget: time.Second}, 5, 5) // half the target a batch
	f(perItem(100*ms), Config[int, int]{MaxBatch: 8, LatencyTarget: 150 * ms}, 1, 1)
}

// Nobody who is let in waits longer than the target, nor is anybody refused who could have been in time.
func TestLatencyTargetHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perItem(100 * time.Millisecond)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 3, LatencyTarget: time.Second, Cost: perItem(100 * time.Millisecond)})
		var calls []*call
		for i := range 30 {
			calls = append(calls, goDo(background, b, i))
		}
		pass(time.Minute)
		served := 0
		for _, c := range calls {
			if c.err == nil {
				served++
			} else {
				c.wantError(t, ErrQueueFull, 0)
			}
			if c.took > time.Second {
				t.Fatalf("item %d took %s", c.item, c.took)
			}
		}
		if served != 7 { // one that runs, and two batches; for a third there might have been no time
			t.Fatalf("got %d served; want 7", served)
		}
	})
}

// When runs get slower than they were when the batcher was opened, fewer may wait.
func TestLimitFollowsTheCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := 100 * time.Millisecond
		f := &fake{cost: func(int) time.Duration { return cost }}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 4, LatencyTarget: time.Second, Cost: perBatch(cost)})
		if got := b.Stats().Limit; got != 36 {
			t.Fatalf("got %d to wait; want 36", got)
		}
		f2 := func(c time.Duration, least, most int) {
			t.Helper()
			cost = c
			for i := range 200 {
				goDo(background, b, i)
				pass(time.Second)
			}
			if got := b.Stats().Limit; got < least || got > most {
				t.Fatalf("got %d to wait; want %d to %d", got, least, most)
			}
		}
		f2(190*time.Millisecond, 16, 16)
		f2(60*time.Millisecond, 60, 60)
	})
}

// An urgent item goes before patient ones, and does not take the time that others need.
func TestUrgentIsPulledAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perItem(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 4, Cost: perItem(time.Second)})
		goDo(background, b, 0)
		var patient []*call
		for i := range 4 {
			patient = append(patient, goDo(background, b, 1+i))
		}
		urgent := goDo(within(t, 2*time.Second+1), b, 5)
		// Another such would be late, or make the first one late.
		goDo(within(t, 2*time.Second+1), b, 6).wantError(t, ErrBacklog, 0)
		goDo(within(t, 2*time.Second), b, 7).wantError(t, ErrBacklog, 0)
		pass(time.Minute)
		urgent.wantValue(t, 1, 2*time.Second)
		for _, c := range patient {
			c.wantValue(t, 4, 6*time.Second)
		}
	})
}

// An urgent item is refused when it could be in time only if others were late.
func TestUrgentDoesNotHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perItem(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 2, Cost: perItem(time.Second)})
		goDo(background, b, 0)
		var calls []*call
		for i := range 4 {
			calls = append(calls, goDo(within(t, 5*time.Second+time.Duration(i)), b, 1+i))
		}
		goDo(within(t, 4*time.Second), b, 5).wantError(t, ErrBacklog, 0)
		pass(time.Minute)
		for i, c := range calls {
			c.wantValue(t, 2, time.Duration(3+i/2*2)*time.Second)
		}
	})
}

// A batch is made small for one item when the others have time, and not when that costs them theirs.
func TestOneItemIsWeighedAgainstTheOthers(t *testing.T) {
	f := func(deadlines []time.Duration, want ...int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			b := mustOpen(t, &fake{}, Config[int, int]{MaxBatch: 4, Cost: affine(1000, 1)})
			items := map[*item[int, int]]bool{}
			b.mu.Lock()
			for i, d := range deadlines {
				it := b.acquire(background, i, Normal)
				it.deadline, it.due = d, d
				b.mu.normal.insert(i, it)
				items[it] = true
			}
			batch, _ := b.pickLocked(nil, 0, 0)
			var got []int
			for _, it := range batch {
				got = append(got, it.in)
				delete(items, it)
			}
			b.mu.until[0] = never
			b.mu.Unlock()
			if !slices.Equal(got, want) {
				t.Fatalf("got items %v; want %v", got, want)
			}
		})
	}
	f([]time.Duration{1001, 9000, 9000, 9000, 9000}, 0)
	f([]time.Duration{1001, 2003, 2003, 2003}, 1, 2, 3) // After one alone there is no time for three.
	f([]time.Duration{1001, 2004, 2004, 2004}, 0)       // Now there is.
	f([]time.Duration{1001, 1002, 9000, 9000}, 1, 2)    // One of the first two is lost, so the batch may be larger.
	f([]time.Duration{1001, 1002, 1002, 1002}, 1, 2)    // Two in time are more than one.
	f([]time.Duration{900, 1100, 1100, 1100}, 1, 2, 3)  // The first one has no time at all.
	f([]time.Duration{1004, 1004, 1004, 1004, 1004}, 0, 1, 2, 3)
}

// A deadline holds while the device is busy: Do returns at that moment, and the run goes on without it.
func TestDeadlineHoldsWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(10 * time.Second)}
		b := mustOpen(t, f, Config[int, int]{})
		running := goDo(within(t, time.Second), b, 1)
		queued := goDo(within(t, 2*time.Second), b, 2)
		pass(time.Second)
		running.wantError(t, context.DeadlineExceeded, time.Second)
		wantReleased(t, f)
		pass(time.Second)
		queued.wantError(t, context.DeadlineExceeded, 2*time.Second)
		pass(time.Minute)
		wantSizes(t, f, 1) // What waited was dropped before it cost anything.
		st := b.Stats()
		if st.Rejected[RejectedAbandoned] != 1 || st.Rejected[RejectedDeadline] != 1 || st.Items != 1 {
			t.Fatalf("unexpected stats: %+v", st)
		}
		wantReleased(t, f, 1, 2)
	})
}

// A run that is late is expected to be late for as long again, so a device that hangs does not fill the queue with the hopeful.
func TestHangIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Hour)}
		b := mustOpen(t, f, Config[int, int]{Cost: perBatch(time.Millisecond)})
		goDo(background, b, 0)
		accepted := goDo(within(t, time.Second), b, 1)
		pass(30 * time.Second)
		accepted.wantError(t, context.DeadlineExceeded, time.Second)
		goDo(within(t, 10*time.Second), b, 2).wantError(t, ErrBacklog, 0)
		goDo(background, b, 3).wantWaiting(t)
	})
}

// Retry-After comes from what the queue really does: here each run is followed by something that no run time shows.
func TestRetryAfterIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(100 * time.Millisecond)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 4, MaxQueue: 40, Observer: Observer{
			BatchDone: func(Batch) { time.Sleep(100 * time.Millisecond) },
		}})
		for i := range 41 {
			goDo(background, b, i)
		}
		pass(time.Second)
		st := b.Stats()
		if math.Abs(st.DrainRate-20) > 2 { // 4 items in 200 ms
			t.Fatalf("got a drain rate of %.1f; want 20", st.DrainRate)
		}
		for i := range 40 - st.Queued {
			goDo(background, b, 50+i)
		}
		c := goDo(background, b, 100)
		c.wantError(t, ErrQueueFull, 0)
		var retry *RetryError
		if !errors.As(c.err, &retry) || retry.RetryAfter < 1900*time.Millisecond || retry.RetryAfter > 2250*time.Millisecond {
			t.Fatalf("got %v; want it retried after about two seconds", c.err)
		}
		pass(time.Minute)
	})
}
