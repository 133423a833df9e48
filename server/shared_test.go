package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/torchlit/torchlit/batching"
)

// asker asks a server without HTTP in between, under fake time.
type asker struct {
	*Server
	t *testing.T
}

func newAsker(t *testing.T, infer func(context.Context, []byte, batching.Priority) (batching.Result[[]float32], error)) asker {
	t.Helper()
	m := colourModel("colours", "1")
	m.Infer = infer
	s, err := Open(Config{Models: []Model{m}, Dedup: true, DecodeWorkers: 1})
	if err != nil {
		t.Fatal(err)
	}
	return asker{s, t}
}

// asked is a question under way.
type asked struct {
	cancel context.CancelCauseFunc
	done   bool
	a      inference
}

var redPNG = pngOf(picture(8, 8, red))

// ask asks with a deadline, 0 for none, and returns when the question waits or is answered.
func (k asker) ask(data []byte, timeout time.Duration, p batching.Priority) *asked {
	ctx, cancel := context.WithCancelCause(context.Background())
	q := &asked{cancel: cancel}
	stop := context.CancelFunc(func() {})
	if timeout > 0 {
		ctx, stop = context.WithTimeout(ctx, timeout)
	}
	go func() {
		defer stop()
		defer cancel(nil)
		l, err := k.acquire("", "", caller{})
		if err != nil {
			panic(err)
		}
		defer l.release()
		q.a = k.infer(ctx, "id", l, encoded, data, p)
		q.done = true
	}()
	synctest.Wait()
	return q
}

func (q *asked) want(t *testing.T, err error) {
	t.Helper()
	synctest.Wait()
	if !q.done || !errors.Is(q.a.err, err) || (err == nil) != (len(q.a.probabilities) == 3) {
		t.Fatalf("done %v, %d probabilities, error %v; want an answer and error %v", q.done, len(q.a.probabilities), q.a.err, err)
	}
}

func TestSameImageIsRunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		k := newAsker(t, g.classify)
		defer k.Close()
		var all []*asked
		for range 5 {
			all = append(all, k.ask(redPNG, 0, batching.Normal))
		}
		other := k.ask(pngOf(picture(8, 8, blue)), 0, batching.Normal)
		low := k.ask(redPNG, 0, batching.Low)
		time.Sleep(time.Second)
		close(g.pass)
		for i, q := range all {
			q.want(t, nil)
			use, queue := cacheShared, time.Second-q.a.timing.inference
			if i == 0 {
				use, queue = cacheOff, 0
			}
			if q.a.timing.cacheUse != use || q.a.timing.queue != queue {
				t.Fatalf("question %d: %+v", i, q.a.timing)
			}
		}
		other.want(t, nil)
		low.want(t, nil)
		if n := g.calls.Load(); n != 3 {
			t.Fatalf("the model was asked %d times; want 3: for each image, and for the other priority", n)
		}
	})
}

// The one that came first leaves, or runs into its deadline during the run: the others get the answer of that run.
func TestLeaderLeaves(t *testing.T) {
	f := func(timeout time.Duration, want error) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			k := newAsker(t, g.classify)
			defer k.Close()
			leader := k.ask(redPNG, timeout, batching.Normal)
			follower := k.ask(redPNG, time.Minute, batching.Normal)
			if timeout == 0 {
				leader.cancel(errClientGone)
			} else {
				time.Sleep(timeout)
			}
			leader.want(t, want)
			close(g.pass)
			follower.want(t, nil)
			if n := g.calls.Load(); n != 1 {
				t.Fatalf("the model was asked %d times; want once", n)
			}
		})
	}
	f(0, errClientGone)
	f(time.Second, context.DeadlineExceeded)
}

// The one that came first leaves before its image is decoded: another takes over.
func TestLeaderLeavesBeforeDecoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newAsker(t, byColour)
		defer k.Close()
		k.decode.places <- struct{}{}
		leader := k.ask(redPNG, 0, batching.Normal)
		followers := []*asked{k.ask(redPNG, 0, batching.Normal), k.ask(redPNG, time.Second, batching.Normal), k.ask(redPNG, 0, batching.Normal)}
		leader.cancel(errClientGone)
		leader.want(t, errClientGone)
		time.Sleep(2 * time.Second)
		followers[1].want(t, context.DeadlineExceeded)
		k.decode.leave()
		followers[0].want(t, nil)
		followers[2].want(t, nil)
	})
}

// The batcher finds in its queue that the leader's deadline cannot be met. That says nothing about the others.
func TestLeadersDeadlineIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		k := newAsker(t, func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
			calls.Add(1)
			if d, ok := ctx.Deadline(); ok && time.Until(d) < 10*time.Second {
				time.Sleep(500 * time.Millisecond)
				return batching.Result[[]float32]{}, batching.ErrDeadline
			}
			time.Sleep(time.Second)
			return byColour(ctx, pixels, p)
		})
		defer k.Close()
		leader := k.ask(redPNG, time.Second, batching.Normal)
		a, b := k.ask(redPNG, time.Minute, batching.Normal), k.ask(redPNG, 0, batching.Normal)
		time.Sleep(500 * time.Millisecond)
		leader.want(t, context.DeadlineExceeded)
		time.Sleep(time.Second)
		a.want(t, nil)
		b.want(t, nil)
		if n := calls.Load(); n != 2 {
			t.Fatalf("the model was asked %d times; want twice", n)
		}
	})
}

func TestFollowerHasItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		k := newAsker(t, g.classify)
		defer k.Close()
		leader := k.ask(redPNG, 0, batching.Normal)
		follower := k.ask(redPNG, time.Second, batching.Normal)
		time.Sleep(time.Second)
		follower.want(t, context.DeadlineExceeded)
		close(g.pass)
		leader.want(t, nil)
	})
}

func TestNobodyWaitsAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		k := newAsker(t, g.classify)
		defer k.Close()
		all := []*asked{k.ask(redPNG, 0, batching.Normal), k.ask(redPNG, 0, batching.Normal)}
		for _, q := range all {
			q.cancel(errClientGone)
			q.want(t, errClientGone)
		}
		if n := len(k.shared.flights); n != 0 {
			t.Fatalf("%d flights are left", n)
		}
		later := k.ask(redPNG, 0, batching.Normal) // has nothing to do with the run that was given up
		close(g.pass)
		later.want(t, nil)
	})
}

// Errors are shared, and forgotten.
func TestErrorsAreShared(t *testing.T) {
	f := func(data []byte, infer func(context.Context, []byte, batching.Priority) (batching.Result[[]float32], error), want error) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			k := newAsker(t, func(ctx context.Context, in []byte, p batching.Priority) (batching.Result[[]float32], error) {
				time.Sleep(time.Second)
				return infer(ctx, in, p)
			})
			defer k.Close()
			a, b := k.ask(data, 0, batching.Normal), k.ask(data, 0, batching.Normal)
			time.Sleep(time.Second)
			a.want(t, want)
			b.want(t, want)
		})
	}
	broken := errors.New("broken")
	f(redPNG, func(context.Context, []byte, batching.Priority) (batching.Result[[]float32], error) {
		return batching.Result[[]float32]{}, broken
	}, broken)
	f(redPNG, func(context.Context, []byte, batching.Priority) (batching.Result[[]float32], error) { panic("no") }, errPanic)
}

// Many clients, few images, and half of the clients have no patience: whoever waits gets the right answer.
func TestSharingUnderLoad(t *testing.T) {
	b, err := batching.Open(batching.Config[[]byte, []float32]{MaxBatch: 4, MaxQueue: 1000, NewRunner: func(int) (batching.Runner[[]byte, []float32], error) {
		return slowColours{}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	m := colourModel("colours", "1")
	m.Infer = b.DoPriority
	s, err := Open(Config{Models: []Model{m}, Dedup: true, CacheBytes: 2 * (entryOverhead + 12)})
	if err != nil {
		t.Fatal(err)
	}
	var images [][]byte
	for i := range 6 {
		images = append(images, []byte(strings.Repeat(string(rune('a'+i)), 8*8*3)))
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				data := images[rand.IntN(len(images))]
				patience := time.Minute
				if rand.IntN(2) == 0 {
					patience = time.Duration(rand.IntN(2_000_000))
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				l, err := s.acquire("", "", caller{})
				if err != nil {
					panic(err)
				}
				a := s.infer(ctx, "", l, pixels, data, batching.Normal)
				l.release()
				switch want := colourShares(data); {
				case a.err != nil && (patience == time.Minute || !errors.Is(a.err, context.DeadlineExceeded) && !errors.Is(a.err, batching.ErrBacklog)):
					t.Errorf("error %v", a.err)
				case a.err == nil && fmt.Sprint(a.probabilities) != fmt.Sprint(want):
					t.Errorf("got %v; want %v", a.probabilities, want)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if n := len(s.shared.flights); n != 0 {
		t.Errorf("%d flights are left", n)
	}
	s.Close()
	b.Close()
}

type slowColours struct{}

func (slowColours) Run(in [][]byte, out [][]float32) error {
	time.Sleep(300 * time.Microsecond)
	for i, px := range in {
		out[i] = colourShares(px)
	}
	return nil
}

func (slowColours) Close() {}
