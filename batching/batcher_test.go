package batching

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var background = context.Background()

func TestLoneItemIsRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		b := mustOpen(t, f, Config[int, int]{})
		goDo(background, b, 1).wantValue(t, 1, 0)
		goDo(background, b, 2).wantValue(t, 1, 0)
		wantReleased(t, f, 1, 2)
	})
}

func TestBatchGrowsWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reasons []Reason
		f := &fake{cost: perBatch(time.Second)}
		b := mustOpen(t, f, Config[int, int]{
			MaxBatch: 4,
			MaxQueue: 10,
			Observer: Observer{BatchDone: func(b Batch) { reasons = append(reasons, b.Reason) }},
		})
		var calls []*call
		for i := range 8 {
			calls = append(calls, goDo(background, b, i))
		}
		pass(time.Minute)
		calls[0].wantValue(t, 1, time.Second)
		for _, c := range calls[1:5] {
			c.wantValue(t, 4, 2*time.Second)
		}
		for _, c := range calls[5:] {
			c.wantValue(t, 3, 3*time.Second)
		}
		if want := [3]Reason{ReasonIdle, ReasonFull, ReasonBusy}; [3]Reason(reasons) != want {
			t.Fatalf("got reasons %v; want %v", reasons, want)
		}
	})
}

func TestOrderIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 3, MaxQueue: 100})
		for i := range 50 {
			goDo(background, b, i)
		}
		pass(time.Minute)
		next := 0
		for _, run := range f.runs {
			for _, v := range run {
				if v != next {
					t.Fatalf("got item %d; want %d", v, next)
				}
				next++
			}
		}
		if next != 50 {
			t.Fatalf("got %d items run; want 50", next)
		}
	})
}

func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 1, MaxQueue: 3})
		wantRetryAfter := func(want time.Duration) {
			t.Helper()
			c := goDo(background, b, 9)
			c.wantError(t, ErrQueueFull, 0)
			var retry *RetryError
			if !errors.As(c.err, &retry) || retry.RetryAfter != want {
				t.Fatalf("got %v; want it to be retried after %s", c.err, want)
			}
		}
		for i := range 4 {
			goDo(background, b, i)
		}
		wantRetryAfter(retryUnknown) // Nothing has been measured yet.
		pass(time.Second)
		goDo(background, b, 4)
		wantRetryAfter(4 * time.Second) // Three wait, the refused one would be the fourth; one a second.

		st := b.Stats()
		if st.Queued != 3 || st.InFlight != 1 || st.Rejected[RejectedQueueFull] != 2 || st.Items != 1 {
			t.Fatalf("unexpected stats: %+v", st)
		}
		pass(time.Minute)
		wantReleased(t, f, 0, 1, 2, 3, 4, 9, 9)
	})
}

func TestRunnersShareTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 1, MaxQueue: 8, Runners: 2})
		var calls []*call
		for i := range 6 {
			calls = append(calls, goDo(background, b, i))
		}
		pass(1500 * time.Millisecond)
		if got, want := b.Stats().RetryAfter, 1500*time.Millisecond; got != want { // (2 + 1) × 1 s / 2
			t.Fatalf("got %s to retry after; want %s", got, want)
		}
		pass(time.Minute)
		for i, c := range calls {
			c.wantValue(t, 1, time.Duration(1+i/2)*time.Second)
		}
	})
}

func TestCancelInQueueFreesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 4, MaxQueue: 2})
		ctx, cancel := context.WithCancel(background)
		first := goDo(background, b, 0)
		dead := []*call{goDo(ctx, b, 1), goDo(ctx, b, 2)}
		goDo(background, b, 3).wantError(t, ErrQueueFull, 0)

		cancel()
		for _, c := range dead {
			c.wantError(t, context.Canceled, 0)
		}
		wantReleased(t, f, 1, 2, 3)
		alive := []*call{goDo(background, b, 4), goDo(background, b, 5)}
		pass(time.Minute)
		first.wantValue(t, 1, time.Second)
		for _, c := range alive {
			c.wantValue(t, 2, 2*time.Second)
		}
		wantSizes(t, f, 1, 2)
		if got := b.Stats().Rejected[RejectedCancelled]; got != 2 {
			t.Fatalf("got %d cancelled; want 2", got)
		}
	})
}

func TestCancelledBeforeDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		b := mustOpen(t, f, Config[int, int]{})
		ctx, cancel := context.WithCancel(background)
		cancel()
		goDo(ctx, b, 1).wantError(t, context.Canceled, 0)
		wantSizes(t, f)
		wantReleased(t, f, 1)
	})
}

// A runner may meet a cancelled item before its caller has woken up to withdraw it.
func TestCancelledItemIsNotPicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustOpen(t, &fake{}, Config[int, int]{})
		ctx, cancel := context.WithCancel(background)
		it := b.acquire(ctx, 1, Normal)
		cancel()
		b.mu.Lock()
		b.mu.normal.insert(0, it)
		batch, _ := b.pickLocked(nil, 0, b.now())
		b.mu.Unlock()
		if <-it.done; len(batch) != 0 || it.err != context.Canceled || it.why != RejectedCancelled {
			t.Fatalf("got a batch of %d, error %v, rejected as %s", len(batch), it.err, it.why)
		}
	})
}

// A caller that leaves during a run is let go at once, but its item is not released before the run is over.
func TestCancelWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(2 * time.Second)}
		b := mustOpen(t, f, Config[int, int]{})
		ctx, cancel := context.WithCancel(background)
		c := goDo(ctx, b, 1)
		pass(time.Second)
		cancel()
		c.wantError(t, context.Canceled, time.Second)
		wantReleased(t, f)
		pass(time.Second)
		wantReleased(t, f, 1)
		if st := b.Stats(); st.Rejected[RejectedAbandoned] != 1 || st.InFlight != 0 {
			t.Fatalf("unexpected stats: %+v", st)
		}
		goDo(background, b, 2) // The runner is as good as before.
		pass(2 * time.Second)
		wantSizes(t, f, 1, 1)
	})
}

func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var enqueued, dequeued int
		var batch Batch
		var rejected []Rejection
		f := &fake{cost: perBatch(time.Second)}
		b := mustOpen(t, f, Config[int, int]{Observer: Observer{
			Enqueued:  func(int) { enqueued++ },
			Dequeued:  func(n, depth int) { dequeued += n },
			BatchDone: func(b Batch) { batch = b },
			Rejected:  func(r Rejection) { rejected = append(rejected, r) },
		}})
		for i := range 4 {
			goDo(background, b, i)
		}
		pass(time.Minute)
		if enqueued != 4 || dequeued != 4 || len(rejected) != 0 {
			t.Fatalf("got %d in, %d out, rejected %v; want 4, 4, none", enqueued, dequeued, rejected)
		}
		if want := (Batch{Size: 3, Padded: 3, Reason: ReasonBusy, Queue: time.Second, Run: time.Second}); batch != want {
			t.Fatalf("got %+v; want %+v", batch, want)
		}
		b.Close()
		goDo(background, b, 5).wantError(t, ErrDraining, 0)
		if len(rejected) != 1 || rejected[0].String() != "draining" {
			t.Fatalf("got rejected %v; want one for draining", rejected)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	f := func(cfg Config[int, int]) {
		t.Helper()
		if _, err := Open(cfg); err == nil {
			t.Fatalf("no error for %+v", cfg)
		}
	}
	f(Config[int, int]{})
	f(Config[int, int]{NewRunner: idleRunner, Runners: -1})
	f(Config[int, int]{NewRunner: idleRunner, MaxBatch: -1})
	f(Config[int, int]{NewRunner: idleRunner, MaxQueue: -1})
	f(Config[int, int]{NewRunner: idleRunner, LatencyTarget: -1})
	f(Config[int, int]{NewRunner: idleRunner, Buckets: []int{1, 4, 2}})
	f(Config[int, int]{NewRunner: idleRunner, Buckets: []int{0, 4}})
}

// When a runner cannot be made, those before it are closed, those after it are not made, and no goroutine stays behind.
func TestNewRunnerFails(t *testing.T) {
	f := func(bad int, newRunner func() (Runner[int, int], error)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			r := &fake{}
			_, err := Open(Config[int, int]{Runners: 4, NewRunner: func(i int) (Runner[int, int], error) {
				if i == bad {
					return newRunner()
				}
				return r.newRunner(i)
			}})
			if err == nil {
				t.Fatal("no error")
			}
			if r.made != bad || r.closed != bad {
				t.Fatalf("got %d made, %d closed; want %d of both", r.made, r.closed, bad)
			}
		})
	}
	fails := func() (Runner[int, int], error) { return nil, errors.New("no device") }
	panics := func() (Runner[int, int], error) { panic("no device") }
	f(0, fails)
	f(2, fails)
	f(0, panics)
	f(3, panics)
}
