package batching

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a runner whose runs take fake time and are recorded. Items are their own answers, times ten.
type fake struct {
	cost func(n int) time.Duration // nil: no time at all
	fail func(in []int) error      // nil: never; may panic

	mu      sync.Mutex
	runs    [][]int
	closed  int
	made    int
	release []int
}

func (f *fake) newRunner(int) (Runner[int, int], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	return f, nil
}

func (f *fake) Run(in, out []int) error {
	if slices.ContainsFunc(out, func(v int) bool { return v != 0 }) {
		panic("answers of an earlier run are left in out")
	}
	f.mu.Lock()
	f.runs = append(f.runs, slices.Clone(in))
	f.mu.Unlock()
	if f.cost != nil {
		time.Sleep(f.cost(len(in)))
	}
	if f.fail != nil {
		if err := f.fail(in); err != nil {
			return err
		}
	}
	for i, v := range in {
		out[i] = 10 * v
	}
	return nil
}

func (f *fake) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
}

func (f *fake) released(v int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.release = append(f.release, v)
}

// sizes returns the sizes of the runs so far.
func (f *fake) sizes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var s []int
	for _, r := range f.runs {
		s = append(s, len(r))
	}
	return s
}

// perBatch is a cost that does not depend on the size; perItem one that is proportional to it.
func perBatch(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }
func perItem(d time.Duration) func(int) time.Duration {
	return func(n int) time.Duration { return time.Duration(n) * d }
}

func mustOpen(t *testing.T, f *fake, cfg Config[int, int]) *Batcher[int, int] {
	t.Helper()
	if cfg.NewRunner == nil {
		cfg.NewRunner = f.newRunner
	}
	cfg.Release = f.released
	b, err := Open(cfg)
	if err != nil {
		t.Fatalf("cannot open: %s", err)
	}
	t.Cleanup(b.Close)
	return b
}

// pass lets fake time go by and what falls due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// call is a Do in a goroutine of its own.
type call struct {
	item int
	res  Result[int]
	err  error
	over atomic.Bool
	took time.Duration
}

// goDo starts Do and returns when it is blocked or over.
func goDo(ctx context.Context, b *Batcher[int, int], item int) *call {
	return goDoPriority(ctx, b, item, Normal)
}

func goDoPriority(ctx context.Context, b *Batcher[int, int], item int, p Priority) *call {
	c := &call{item: item}
	start := time.Now()
	go func() {
		c.res, c.err = b.DoPriority(ctx, item, p)
		c.took = time.Since(start)
		c.over.Store(true)
	}()
	synctest.Wait()
	return c
}

func (c *call) wantValue(t *testing.T, batch int, took time.Duration) {
	t.Helper()
	synctest.Wait()
	if !c.over.Load() || c.err != nil {
		t.Fatalf("item %d: over %v, error %v; want a result", c.item, c.over.Load(), c.err)
	}
	if c.res.Value != 10*c.item || c.res.BatchSize != batch || c.took != took {
		t.Fatalf("item %d: got value %d in a batch of %d after %s; want %d, %d, %s",
			c.item, c.res.Value, c.res.BatchSize, c.took, 10*c.item, batch, took)
	}
	if c.res.Queue+c.res.Run != c.took {
		t.Fatalf("item %d: queue %s and run %s do not add up to %s", c.item, c.res.Queue, c.res.Run, c.took)
	}
}

func (c *call) wantError(t *testing.T, want error, took time.Duration) {
	t.Helper()
	synctest.Wait()
	if !c.over.Load() || !errors.Is(c.err, want) {
		t.Fatalf("item %d: over %v, got error %v; want %v", c.item, c.over.Load(), c.err, want)
	}
	if c.took != took {
		t.Fatalf("item %d: refused after %s; want %s", c.item, c.took, took)
	}
}

func (c *call) wantWaiting(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if c.over.Load() {
		t.Fatalf("item %d: over with %+v, error %v; want it waiting", c.item, c.res, c.err)
	}
}

func wantSizes(t *testing.T, f *fake, want ...int) {
	t.Helper()
	if got := f.sizes(); !slices.Equal(got, want) {
		t.Fatalf("got batches of %v; want %v", got, want)
	}
}

// wantReleased checks that every item came back once, in any order.
func wantReleased(t *testing.T, f *fake, want ...int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := slices.Sorted(slices.Values(f.release))
	if !slices.Equal(got, want) {
		t.Fatalf("got items %v released; want %v", got, want)
	}
}
