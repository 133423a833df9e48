//go:build !race

// The race detector empties pools at random, so the budgets hold without it only.

package vision

import (
	"runtime/debug"
	"testing"
)

// A served photo must not cost memory in proportion to its pixels: they come from the pool and go back.
func TestAllocationBudget(t *testing.T) {
	needTurbo(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	data := mustRead(t, "photo.jpg")
	p := &Preprocess{Width: 224, Height: 224, Std: [3]float32{1, 1, 1}}
	dst := make([]byte, p.Size())
	resize := func(src *Image, w, h int, _ Interpolation) (*Image, error) { return Acquire(w, h), nil }

	f := func(what string, budget float64, do func()) {
		t.Helper()
		do()
		if got := testing.AllocsPerRun(50, do); got > budget {
			t.Errorf("%s allocates %v times; the budget is %v", what, got, budget)
		}
	}
	f("decoding a JPEG", 0, func() {
		m, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		m.Release()
	})
	f("decoding and preprocessing a JPEG", 0, func() {
		m, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Apply(m, resize, dst); err != nil {
			t.Fatal(err)
		}
		m.Release()
	})
	src := mustDecode(t, "photo.jpg")
	f("scaling without libtorch", 0, func() {
		m, err := PillowResizer(src, 340, 256, Bilinear)
		if err != nil {
			t.Fatal(err)
		}
		m.Release()
	})
}
