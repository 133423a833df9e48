package batching

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A line does what a sorted slice does.
func TestLine(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var l line[int, int]
	var want []*item[int, int]
	for step := range 20_000 {
		switch n := len(want); {
		case n == 0 || n < 200 && rnd.IntN(2) == 0:
			it := &item[int, int]{due: moment(step + rnd.IntN(3)*rnd.IntN(200)), seq: uint64(step)}
			i := l.place(it)
			l.insert(i, it)
			want = slices.Insert(want, i, it)
		case rnd.IntN(2) == 0:
			i := rnd.IntN(n)
			if p := l.place(want[i]); p != i {
				t.Fatalf("got place %d; want %d", p, i)
			}
			l.remove(i)
			want = slices.Delete(want, i, i+1)
		default: // some of the first few
			few := min(n, 1+rnd.IntN(8))
			for _, it := range want[:few] {
				if rnd.IntN(2) == 0 {
					it.state.Store(taken)
				}
			}
			l.sweep(few)
			want = slices.DeleteFunc(want, func(it *item[int, int]) bool { return it.state.Load() == taken })
		}
		if !slices.Equal(l.items(), want) {
			t.Fatalf("step %d: got %d items; want %d, or another order", step, l.len(), len(want))
		}
		if !slices.IsSortedFunc(want, func(a, b *item[int, int]) int {
			if before(a, b) {
				return -1
			}
			return 1
		}) {
			t.Fatalf("step %d: not in order", step)
		}
	}
	if cap(l.slots) > 2048 {
		t.Fatalf("got room for %d; want it to stay in proportion to the 200 that wait", cap(l.slots))
	}
}
