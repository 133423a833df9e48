package batching

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// numbered records which runner ran what.
type numbered struct {
	*fake
	i    int
	runs *[]int
}

func (n numbered) Run(in, out []int) error {
	*n.runs = append(*n.runs, n.i)
	return n.fake.Run(in, out)
}

func TestFirstIdleRunnerIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		var runs []int
		b := mustOpen(t, f, Config[int, int]{Runners: 3, NewRunner: func(i int) (Runner[int, int], error) {
			return numbered{f, i, &runs}, nil
		}})
		for range 3 {
			goDo(background, b, 1)
			pass(2 * time.Second)
		}
		goDo(background, b, 1)
		pass(time.Second / 4)
		goDo(background, b, 2)
		pass(time.Second)
		goDo(background, b, 3) // 0 is free, 1 is not
		pass(2 * time.Second)
		if want := []int{0, 0, 0, 0, 1, 0}; !slices.Equal(runs, want) {
			t.Fatalf("got runs by the runners %v; want %v", runs, want)
		}
	})
}

// gated is a runner that waits before each run.
type gated struct {
	*fake
	wait time.Duration
	err  error
}

func (g gated) Enter() error {
	time.Sleep(g.wait)
	return g.err
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		g := gated{fake: f, wait: 3 * time.Second}
		b := mustOpen(t, f, Config[int, int]{NewRunner: func(int) (Runner[int, int], error) { return g, nil }})
		res, err := b.Do(background, 1)
		if err != nil || res.Queue != 3*time.Second || res.Run != time.Second {
			t.Fatalf("got %v in the queue and a run of %v, error %v; want 3s and 1s", res.Queue, res.Run, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		shut := errors.New("shut")
		f := new(fake)
		b := mustOpen(t, f, Config[int, int]{NewRunner: func(int) (Runner[int, int], error) { return gated{fake: f, err: shut}, nil }})
		if _, err := b.Do(background, 1); !errors.Is(err, shut) {
			t.Fatalf("got error %v; want the gate's", err)
		}
		wantSizes(t, f)
	})
}
