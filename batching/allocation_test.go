//go:build !race

package batching

import (
	"context"
	"testing"
	"time"
)

// A served item costs no memory; a refused one costs the error that carries its advice.
func TestAllocations(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	b, err := Open(Config[int, int]{NewRunner: idleRunner, Release: func(int) {}, Observer: Observer{
		Enqueued: func(int) {}, Dequeued: func(_, _ int) {}, BatchDone: func(Batch) {}, Rejected: func(Rejection) {},
	}})
	if err != nil {
		t.Fatal(err)
	}
	f := func(want float64) {
		t.Helper()
		if got := testing.AllocsPerRun(2000, func() { b.Do(ctx, 1) }); got > want {
			t.Fatalf("got %.0f allocations a Do; want at most %.0f", got, want)
		}
	}
	f(0)
	b.Close()
	f(1)
}
