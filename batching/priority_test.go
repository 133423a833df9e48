package batching

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestLowRunsAfterNormal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perItem(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 2, Cost: perItem(time.Second)})
		goDo(background, b, 0)
		for i := range 4 {
			goDoPriority(background, b, 10+i, Low)
		}
		for i := range 3 {
			goDo(background, b, 1+i)
		}
		pass(time.Minute)
		var order []int
		for _, r := range f.runs {
			order = append(order, r...)
		}
		if want := []int{0, 1, 2, 3, 10, 11, 12, 13}; !slices.Equal(order, want) {
			t.Fatalf("got items run in the order %v; want %v", order, want)
		}
		wantSizes(t, f, 1, 2, 1, 1, 1, 1, 1) // Two of Low would keep the next of Normal waiting twice as long.
	})
}

// Where a larger batch costs next to nothing, Low rides along.
func TestLowFillsSparePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 4, Cost: perBatch(time.Second)})
		goDo(background, b, 0)
		for i := range 4 {
			goDoPriority(background, b, 10+i, Low)
		}
		goDo(background, b, 1)
		hurried := goDo(within(t, 2*time.Second+1), b, 2)
		pass(time.Minute)
		hurried.wantValue(t, 4, 2*time.Second)
		wantSizes(t, f, 1, 4, 2)
	})
}

// When nobody of Normal priority has come for long, Low may use large batches.
func TestLowAloneUsesTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := affine(100*time.Millisecond, 20*time.Millisecond)
		f := &fake{cost: cost}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 8, Cost: cost, MaxQueue: 100})
		pass(time.Hour)
		for i := range 17 {
			goDoPriority(background, b, i, Low)
		}
		pass(time.Minute)
		wantSizes(t, f, 1, 8, 8)
	})
}

// Low is served under a load of Normal that alone would be too much, and costs it next to nothing.
func TestLowIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := affine(3*time.Millisecond, 8*time.Millisecond)
		b, err := Open(Config[int, int]{NewRunner: noisyRunner(cost), Cost: cost, LatencyTarget: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		capacity := bestRate(cost, 16)
		got := load{
			rate: 2 * capacity, lasts: 2 * time.Minute,
			deadline: func(rnd *rand.Rand) time.Duration { return 0 },
			priority: func(rnd *rand.Rand) Priority {
				if rnd.IntN(10) == 0 {
					return Low
				}
				return Normal
			},
		}.run(b)
		t.Logf("normal %+v, low %+v", *got[Normal], *got[Low])
		if got[Normal].slowest > 1100*time.Millisecond {
			t.Errorf("an item of Normal waited for %s", got[Normal].slowest)
		}
		if got[Low].good < 40 || got[Low].late > 0 {
			t.Errorf("of Low %d were served and %d accepted in vain; want one in two seconds", got[Low].good, got[Low].late)
		}
		if float64(got[Normal].good) < 0.9*capacity*108 {
			t.Errorf("%d of Normal were served; want nine tenths of what could be", got[Normal].good)
		}
	})
}

// Items of Low priority that wait already are run in the end, whatever comes after them.
func TestLowAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perItem(10 * time.Millisecond)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 4, Cost: perItem(10 * time.Millisecond), MaxQueue: 20})
		stop := make(chan struct{})
		go func() { // as much of Normal as can be run, at least
			for {
				select {
				case <-stop:
					return
				case <-time.After(8 * time.Millisecond):
					go b.Do(background, 0)
				}
			}
		}()
		pass(time.Second)
		defer func() {
			close(stop)
			pass(time.Minute)
		}()
		low := goDoPriority(background, b, 1, Low)
		for low.over.Load() { // The queue is full most of the time.
			pass(time.Millisecond)
			low = goDoPriority(background, b, 1, Low)
		}
		pass(lowPatience*patience - time.Second)
		low.wantWaiting(t)
		pass(2 * time.Second)
		if !low.over.Load() || low.err != nil {
			t.Fatalf("over %v, error %v; want it served after %s", low.over.Load(), low.err, lowPatience*patience)
		}
	})
}

// A full queue refuses Low first: at the door, and to make room for Normal.
func TestLowIsRefusedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Second)}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 1, MaxQueue: 4})
		goDo(background, b, 0)
		first, last := goDoPriority(background, b, 1, Low), goDoPriority(background, b, 2, Low)
		goDoPriority(background, b, 3, Low).wantError(t, ErrQueueFull, 0)
		if st := b.Stats(); st.Queued != 2 || st.QueuedLow != 2 || st.Limit != 4 {
			t.Fatalf("unexpected stats: %+v", st)
		}
		normal := []*call{goDo(background, b, 4), goDo(background, b, 5)}
		first.wantWaiting(t)
		last.wantWaiting(t)
		normal = append(normal, goDo(background, b, 6))
		last.wantError(t, ErrQueueFull, 0)
		if retry := new(RetryError); !errors.As(last.err, &retry) {
			t.Fatalf("got %v; want advice when to retry in it", last.err)
		}
		goDo(background, b, 7).wantError(t, ErrQueueFull, 0) // The last place of Low is its own.
		first.wantWaiting(t)
		pass(time.Minute)
		for i, c := range normal {
			c.wantValue(t, 1, time.Duration(i+2)*time.Second)
		}
		first.wantValue(t, 1, 5*time.Second)
		wantReleased(t, f, 0, 1, 2, 3, 4, 5, 6, 7)
	})
}
