package batching

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestCostsLearned(t *testing.T) {
	now := moment(1)
	c := newCosts(8, nil, 0)
	f := func(n int, want time.Duration) {
		t.Helper()
		if got := c.typical(n, now); got != want {
			t.Fatalf("got %d for the cost of %d; want %d", got, n, want)
		}
	}
	f(1, 0)
	c.learn(4, 400, now)
	f(4, 400)
	f(8, 800) // in proportion to a smaller one
	f(1, 100) // in proportion to a larger one
	c.learn(1, 160, now)
	f(1, 160) // nothing but a guess stood against it
	c.learn(1, 300, now)
	f(1, 160) // one against one: the quicker
	c.learn(2, 300, now)
	c.learn(2, 300, now)
	f(2, 240) // on the way from 1 to 4: two against two
	f(8, 720) // and further
	now += costMemory
	f(4, 0)
	c.learn(4, 700, now)
	f(4, 700)
	f(1, 175)
}

// A given table is corrected by what is seen, up and down, also for sizes that never ran.
func TestCostsCorrected(t *testing.T) {
	table := affine(100, 20)
	f := func(factor float64, sizes ...int) {
		t.Helper()
		c := newCosts(32, nil, 0)
		c.give(table)
		for i := range 2 * sightingsKept * len(sizes) {
			n := sizes[i%len(sizes)]
			c.learn(n, time.Duration(factor*float64(table(n))), moment(i))
		}
		for n := 1; n <= 32; n++ {
			want := factor * float64(table(n))
			if got := float64(c.typical(n, 0)); got < want*0.99-1 || got > want*1.01+1 {
				t.Fatalf("got %.0f for the cost of %d after runs of %v; want %.0f", got, n, sizes, want)
			}
		}
	}
	f(1, 1)
	f(3, 8)
	f(0.2, 8)
	f(50, 1)
	f(0.05, 32)
	f(3, 1, 32, 5)
}

// One outlier changes nothing, and a larger batch never takes less time.
func TestCostsAreRobustAndRise(t *testing.T) {
	c := newCosts(16, nil, 0)
	c.give(affine(100, 20))
	before := slices.Clone(c.at)
	for i := range moment(50) {
		n := 1 + int(i*7%16)
		c.learn(n, before[n], i)
		if i%10 == 5 {
			c.learn(n, 40*before[n], i)
		}
		if !slices.Equal(c.at, before) {
			t.Fatalf("got %v after run %d; want %v", c.at, i, before)
		}
	}
	for i := range moment(200) { // Now the larger ones are quicker.
		c.learn(1+int(i*7%16), 1000-50*(i*7%16), 100+i)
		if !slices.IsSorted(c.at) {
			t.Fatalf("got costs that fall: %v", c.at)
		}
	}
}

// A table that would refuse everybody is put to the test by one item, and no more, in so much time.
func TestWrongCostIsProvedWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perItem(time.Millisecond)}
		b := mustOpen(t, f, Config[int, int]{Cost: perItem(time.Minute)})
		goDo(within(t, time.Second), b, 1).wantError(t, ErrDeadline, 0)
		pass(costTrust)
		probe, other := goDo(within(t, time.Second), b, 2), goDo(within(t, time.Second), b, 3)
		other.wantError(t, ErrDeadline, 0)
		pass(time.Second)
		probe.wantValue(t, 1, time.Millisecond)
		c := goDo(within(t, time.Second), b, 5)
		pass(time.Second)
		c.wantValue(t, 1, time.Millisecond)
	})
}

// A probe that is as slow as was believed is no worse than a missed deadline, and is not repeated soon.
func TestRightCostStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{cost: perBatch(time.Minute)}
		b := mustOpen(t, f, Config[int, int]{Cost: perBatch(time.Minute)})
		pass(costTrust)
		probe := goDo(within(t, time.Second), b, 1)
		pass(time.Second)
		probe.wantError(t, errDeadlineExceeded, time.Second)
		pass(2 * time.Minute)
		goDo(within(t, time.Second), b, 2)
		pass(time.Minute)
		goDo(within(t, time.Second), b, 3).wantError(t, ErrDeadline, 0)
		wantSizes(t, f, 1, 1)
	})
}

// The spread of run times is what a deadline is given above the typical one.
func TestSafeCost(t *testing.T) {
	c := newCosts(4, nil, 0)
	c.give(perBatch(1000))
	if got := c.safe(1, 0); got != 1000 {
		t.Fatalf("got %d; want what was given", got)
	}
	for i := range moment(300) {
		c.learn(1, 900+200*(i%2), i)
	}
	if typical, safe := c.typical(1, 0), c.safe(1, 0); safe < typical+200 || safe > typical+700 {
		t.Fatalf("got %d for a cost of %d that is off by a tenth; want some tenths more", safe, typical)
	}
}

func TestBuckets(t *testing.T) {
	f := func(costs map[int]time.Duration, want map[int]int) {
		t.Helper()
		c := newCosts(16, []int{1, 2, 4, 8, 16}, 0)
		c.give(func(n int) time.Duration { return costs[n] })
		for n, first := range want {
			if got := c.sensible(n); got != first {
				t.Errorf("got %d of %d to run first with costs %v; want %d", got, n, costs, first)
			}
		}
	}
	// A run costs nearly the same whatever its size: pad.
	f(map[int]time.Duration{1: 500, 2: 510, 4: 550, 8: 600, 16: 700}, map[int]int{1: 1, 3: 3, 5: 5, 9: 9, 15: 15, 16: 16})
	// A run costs what is in it: cut to the lower bucket, the largest first.
	f(map[int]time.Duration{1: 110, 2: 210, 4: 410, 8: 810, 16: 1610}, map[int]int{1: 1, 3: 2, 5: 4, 7: 4, 9: 8, 12: 8, 15: 8, 16: 16})
	// A mixture: nine fit eight and one, but fifteen do not.
	f(map[int]time.Duration{1: 200, 2: 220, 4: 300, 8: 500, 16: 900}, map[int]int{8: 8, 9: 8, 12: 8, 13: 13, 15: 15})
}

// What a bucket leaves over runs at once with the next batch, and the observer is told of the padding.
func TestBucketIsFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		cost := map[int]time.Duration{1: 200, 2: 220, 4: 300, 8: 500, 16: 900}
		pad := func(n int) time.Duration {
			for m := n; ; m++ {
				if d, ok := cost[m]; ok {
					return d * time.Millisecond
				}
			}
		}
		f := &fake{cost: pad}
		b := mustOpen(t, f, Config[int, int]{MaxBatch: 16, Buckets: []int{1, 2, 4, 8, 16, 32}, Cost: pad, Observer: Observer{
			BatchDone: func(b Batch) { got = append(got, fmt.Sprintf("%d in %d: %s", b.Size, b.Padded, b.Reason)) },
		}})
		synctest.Wait() // until the runner waits: else it would not have been idle
		for i := range 10 {
			goDo(background, b, i)
		}
		pass(200 * time.Millisecond) // The first has run alone; nine have waited.
		for i := range 2 {
			goDo(background, b, 10+i)
		}
		pass(time.Minute)
		want := []string{"1 in 1: idle", "8 in 8: bucket", "3 in 4: busy"}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q; want %q", got, want)
		}
	})
}
