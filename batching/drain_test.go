package batching

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrainLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 4, MaxQueue: 100, Runners: 2})
		var calls []*call
		for i := range 49 {
			calls = append(calls, goDo(background, b, i))
		}
		drained := make(chan error, 3)
		for range cap(drained) {
			go func() { drained <- b.Drain(background) }()
		}
		synctest.Wait()
		goDo(background, b, 49).wantError(t, ErrDraining, 0)
		for range cap(drained) {
			if err := <-drained; err != nil {
				t.Fatalf("cannot drain: %s", err)
			}
		}
		synctest.Wait()
		for _, c := range calls {
			if !c.over.Load() || c.err != nil || c.res.Value != 10*c.item {
				t.Fatalf("item %d: got over %v, value %d, error %v", c.item, c.over.Load(), c.res.Value, c.err)
			}
		}
		if f.closed != 2 {
			t.Fatalf("got %d runners closed; want 2", f.closed)
		}
		b.Close()
		if err := b.Drain(background); err != nil {
			t.Fatalf("cannot drain again: %s", err)
		}
		if b.Stats().Batches[ReasonDrain] == 0 {
			t.Fatalf("no batch was said to be run for the drain: %+v", b.Stats())
		}
	})
}

func TestDrainIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		b := mustOpen(t, f, Config[int, int]{Runners: 3})
		if err := b.Drain(background); err != nil {
			t.Fatalf("cannot drain: %s", err)
		}
		if f.closed != 3 {
			t.Fatalf("got %d runners closed; want 3", f.closed)
		}
	})
}

// A drain out of time refuses what is queued, not what runs.
func TestDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(10 * time.Second)}
		b := mustOpen(t, f, Config[int, int]{})
		running := goDo(background, b, 0)
		queued := []*call{goDo(background, b, 1), goDo(background, b, 2)}
		start := time.Now()
		err := b.Drain(within(t, time.Second))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatalf("got %v after %s; want the context's error after a second", err, time.Since(start))
		}
		for _, c := range queued {
			c.wantError(t, ErrDraining, time.Second)
			var retry *RetryError
			if !errors.As(c.err, &retry) {
				t.Fatalf("got error %v; want advice when to retry in it", c.err)
			}
		}
		running.wantWaiting(t)
		b.Close()
		running.wantValue(t, 1, 10*time.Second)
		if f.closed != 1 {
			t.Fatalf("got %d runners closed; want 1", f.closed)
		}
		wantReleased(t, f, 0, 1, 2)
	})
}

func TestCloseDuringDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(10 * time.Second)}
		b := mustOpen(t, f, Config[int, int]{})
		running, queued := goDo(background, b, 0), goDo(background, b, 1)
		drained := make(chan error, 1)
		go func() { drained <- b.Drain(background) }()
		pass(time.Second)
		b.Close()
		if err := <-drained; err != nil {
			t.Fatalf("cannot drain: %s", err)
		}
		queued.wantError(t, ErrDraining, time.Second)
		running.wantValue(t, 1, 10*time.Second)
	})
}

// Items that would wait behind a drain for longer than they can are refused by their own deadlines, as ever.
func TestDeadlineHoldsDuringDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(10 * time.Second)}
		b := mustOpen(t, f, Config[int, int]{})
		running, late := goDo(background, b, 0), goDo(within(t, time.Second), b, 1)
		if err := b.Drain(background); err != nil {
			t.Fatalf("cannot drain: %s", err)
		}
		late.wantError(t, context.DeadlineExceeded, time.Second)
		running.wantValue(t, 1, 10*time.Second)
		wantSizes(t, f, 1)
	})
}
