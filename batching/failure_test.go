package batching

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var errPoison = errors.New("poison")

// poison fails every run that has item v in it.
func poison(v int, fail func() error) func([]int) error {
	return func(in []int) error {
		if slices.Contains(in, v) {
			return fail()
		}
		return nil
	}
}

// Only the guilty item of a batch fails, whether by an error or a panic.
func TestPoisonedItemFailsAlone(t *testing.T) {
	f := func(fail func() error, want error) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			f := &fake{cost: perBatch(time.Second), fail: poison(2, fail)}
			b := mustOpen(t, f, Config[int, int]{})
			var calls []*call
			for i := range 4 {
				calls = append(calls, goDo(background, b, i))
			}
			pass(time.Minute)
			wantSizes(t, f, 1, 3, 1, 1, 1)
			calls[0].wantValue(t, 1, time.Second)
			calls[1].wantValue(t, 1, 3*time.Second)
			calls[2].wantError(t, want, 4*time.Second)
			calls[3].wantValue(t, 1, 5*time.Second)
			st := b.Stats()
			if st.Items != 3 || st.Failed != 1 || st.Batches[ReasonIsolate] != 3 || st.InFlight != 0 {
				t.Fatalf("unexpected stats: %+v", st)
			}
			wantReleased(t, f, 0, 1, 2, 3)
		})
	}
	f(func() error { return errPoison }, errPoison)
	f(func() error { panic(errPoison) }, errPoison)
}

func TestPanicIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures []error
		f := &fake{fail: poison(1, func() error {
			var none []int
			return map[bool]error{}[none[3] == 0]
		})}
		b := mustOpen(t, f, Config[int, int]{Observer: Observer{Failed: func(_ int, err error) { failures = append(failures, err) }}})
		c := goDo(background, b, 1)
		var p *PanicError
		if !errors.As(c.err, &p) || !strings.Contains(string(p.Stack), "TestPanicIsContained") {
			t.Fatalf("got error %v; want a panic with its stack", c.err)
		}
		var bounds runtime.Error
		if !errors.As(c.err, &bounds) {
			t.Fatalf("got error %v; want a runtime error in it", c.err)
		}
		if len(failures) != 1 || failures[0] != c.err {
			t.Fatalf("got failures %v; want the panic", failures)
		}
		goDo(background, b, 2).wantValue(t, 1, 0)
		if f.made != 1 {
			t.Fatalf("got %d runners made; want the first to go on", f.made)
		}
	})
}

// An item whose caller left while its batch failed is not run again.
func TestAbandonedItemIsNotIsolated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second), fail: poison(3, func() error { return errPoison })}
		b := mustOpen(t, f, Config[int, int]{})
		goDo(background, b, 0)
		ctx, cancel := context.WithCancel(background)
		gone := goDo(ctx, b, 1)
		goDo(background, b, 2)
		goDo(background, b, 3)
		pass(1500 * time.Millisecond)
		cancel()
		gone.wantError(t, context.Canceled, 1500*time.Millisecond)
		pass(time.Minute)
		wantSizes(t, f, 1, 3, 1, 1)
		wantReleased(t, f, 0, 1, 2, 3)
	})
}

// breakable is a fake that is broken once it has met item 13.
type breakable struct {
	*fake
	broken bool
}

func (r *breakable) Run(in, out []int) error {
	r.broken = r.broken || slices.Contains(in, 13)
	if r.broken {
		return errPoison
	}
	return r.fake.Run(in, out)
}

func (r *breakable) Broken() bool { return r.broken }

func TestBrokenRunnerIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		b, err := Open(Config[int, int]{NewRunner: func(i int) (Runner[int, int], error) {
			f.newRunner(i)
			return &breakable{fake: f}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		goDo(background, b, 1)
		same, guilty := goDo(background, b, 2), goDo(background, b, 13)
		pass(time.Minute)
		guilty.wantError(t, errPoison, 2*time.Second)
		same.wantValue(t, 1, 2*time.Second)
		b.Close()
		if f.made != 3 || f.closed != 3 {
			t.Fatalf("got %d made and %d closed; want 3 of both", f.made, f.closed)
		}
	})
}

// When the last runner is gone everybody hears it at once: those in its batch, those in the queue, those to come.
func TestNoRunnerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errLost := errors.New("device lost")
		f := &fake{cost: perBatch(time.Second)}
		b, err := Open(Config[int, int]{MaxBatch: 2, NewRunner: func(i int) (Runner[int, int], error) {
			if f.newRunner(i); f.made > 1 {
				return nil, errLost
			}
			return &breakable{fake: f}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		goDo(background, b, 1)
		guilty, same, queued := goDo(background, b, 13), goDo(background, b, 2), goDo(background, b, 3)
		pass(time.Second)
		guilty.wantError(t, errLost, time.Second)
		same.wantError(t, ErrNoRunner, time.Second)
		same.wantError(t, errLost, time.Second)
		queued.wantError(t, ErrNoRunner, time.Second)
		goDo(background, b, 4).wantError(t, ErrNoRunner, 0)
		goDo(background, b, 5).wantError(t, errLost, 0)
		if st := b.Stats(); st.Runners != 0 || st.InFlight != 0 || st.Queued != 0 || st.Rejected[RejectedNoRunner] != 5 {
			t.Fatalf("unexpected stats: %+v", st)
		}
		if err := b.Drain(background); err != nil {
			t.Fatalf("cannot drain: %s", err)
		}
	})
}
