package batching

import (
	"bytes"
	"errors"
	"log"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// panicky panics in whatever of a runner a test wants.
type panicky struct {
	*fake
	inBroken, inClose, inEnter bool
}

func (r *panicky) Run(in, out []int) error {
	if r.inBroken {
		return errPoison
	}
	return r.fake.Run(in, out)
}

func (r *panicky) Broken() bool {
	if r.inBroken {
		r.inBroken = false
		panic("Broken")
	}
	return false
}

func (r *panicky) Enter() error {
	if r.inEnter {
		r.inEnter = false
		panic("Enter")
	}
	return nil
}

func (r *panicky) Close() {
	r.fake.Close()
	if r.inClose {
		panic("Close")
	}
}

// A panic of a function that only looks on takes no answer from anybody, and is logged once.
func TestPanicOfAnObserver(t *testing.T) {
	f := func(name string, set func(c *Config[int, int], boom func())) {
		t.Run(name, func(t *testing.T) {
			var logged bytes.Buffer
			log.SetOutput(&logged)
			defer log.SetOutput(os.Stderr)
			synctest.Test(t, func(t *testing.T) {
				var met atomic.Int64
				boom := func() {
					met.Add(1)
					panic("the observer's own fault")
				}
				f := &fake{cost: perBatch(time.Second), fail: poison(2, func() error { return errPoison })}
				cfg := Config[int, int]{MaxQueue: 3, NewRunner: func(i int) (Runner[int, int], error) { return f.newRunner(i) }}
				set(&cfg, boom)
				b, err := Open(cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				var calls []*call
				for i := range 5 { // one runs, three wait, one is refused
					calls = append(calls, goDo(background, b, i))
				}
				pass(time.Minute)
				if met.Load() == 0 {
					t.Fatal("the observer was never told")
				}
				calls[0].wantValue(t, 1, time.Second)
				calls[1].wantValue(t, 1, 3*time.Second)
				calls[2].wantError(t, errPoison, 4*time.Second)
				calls[3].wantValue(t, 1, 5*time.Second)
				calls[4].wantError(t, ErrQueueFull, 0)
				if st := b.Stats(); st.InFlight != 0 || st.Queued != 0 || st.Items != 3 || st.Failed != 1 || st.Runners != 1 {
					t.Errorf("unexpected stats: %+v", st)
				}
			})
			if n := strings.Count(logged.String(), "the observer's own fault"); n != 1 {
				t.Errorf("the panic was logged %d times; want once:\n%s", n, &logged)
			}
		})
	}
	f("Enqueued", func(c *Config[int, int], boom func()) { c.Observer.Enqueued = func(int) { boom() } })
	f("Dequeued", func(c *Config[int, int], boom func()) { c.Observer.Dequeued = func(int, int) { boom() } })
	f("BatchDone", func(c *Config[int, int], boom func()) { c.Observer.BatchDone = func(Batch) { boom() } })
	f("Rejected", func(c *Config[int, int], boom func()) { c.Observer.Rejected = func(Rejection) { boom() } })
	f("Failed", func(c *Config[int, int], boom func()) { c.Observer.Failed = func(int, error) { boom() } })
	f("Release", func(c *Config[int, int], boom func()) { c.Release = func(int) { boom() } })
}

// A runner that panics outside Run costs its batch at most: the batcher goes on, and closes.
func TestPanicOfARunner(t *testing.T) {
	f := func(name string, want *panicky, first error) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var failures []error
				made := 0
				b, err := Open(Config[int, int]{
					NewRunner: func(int) (Runner[int, int], error) {
						if made++; made == 1 {
							want.fake = &fake{}
							return want, nil
						}
						return &panicky{fake: &fake{}}, nil
					},
					Observer: Observer{Failed: func(_ int, err error) { failures = append(failures, err) }},
				})
				if err != nil {
					t.Fatal(err)
				}
				c := goDo(background, b, 1)
				var p *PanicError
				switch {
				case first == nil:
					c.wantValue(t, 1, 0)
				case errors.As(first, &p) && !errors.As(c.err, &p), p == nil && !errors.Is(c.err, first):
					t.Errorf("got error %v; want %v", c.err, first)
				}
				goDo(background, b, 2).wantValue(t, 1, 0)
				b.Close()
				told := false
				for _, err := range failures {
					told = told || errors.As(err, &p) && p.Value == name
				}
				if !told {
					t.Errorf("got failures %v; want the panic among them", failures)
				}
				if want.closed != 1 {
					t.Errorf("the runner was closed %d times; want once", want.closed)
				}
			})
		})
	}
	f("Broken", &panicky{inBroken: true}, errPoison)
	f("Close", &panicky{inClose: true}, nil)
	f("Enter", &panicky{inEnter: true}, &PanicError{})
}

// Costs that cannot be had are an error of Open, after which nothing runs on.
func TestPanicOfCost(t *testing.T) {
	f := &fake{}
	_, err := Open(Config[int, int]{NewRunner: f.newRunner, Cost: func(int) time.Duration { panic("no clock") }})
	var p *PanicError
	if !errors.As(err, &p) || !strings.Contains(err.Error(), "cannot ask for the costs") {
		t.Errorf("got %v; want an error with the panic", err)
	}
	if f.made != 1 || f.closed != 1 {
		t.Errorf("%d runners made, %d closed; want 1 of both", f.made, f.closed)
	}
}
