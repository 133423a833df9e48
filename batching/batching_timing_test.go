package batching

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkDo measures what the batcher itself costs: runs that do nothing, a given number of callers at once. items/batch shows
// how well the callers found each other.
func BenchmarkDo(b *testing.B) {
	for _, callers := range []int{1, 16, 256, 1024} {
		for _, runners := range []int{1, 2} {
			b.Run(fmt.Sprintf("callers=%d/runners=%d", callers, runners), func(b *testing.B) {
				benchmarkDo(b, context.Background(), callers, Config[int, int]{NewRunner: idleRunner, Runners: runners})
			})
		}
	}
}

// BenchmarkDoDeadline adds what a server's requests add: a context that can end, and costs to weigh against its deadline.
func BenchmarkDoDeadline(b *testing.B) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	benchmarkDo(b, ctx, 256, Config[int, int]{NewRunner: idleRunner})
}

// BenchmarkRefuse measures a refusal at the door, the way out under overload.
func BenchmarkRefuse(b *testing.B) {
	bt, err := Open(Config[int, int]{NewRunner: idleRunner})
	if err != nil {
		b.Fatal(err)
	}
	bt.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := bt.Do(context.Background(), 1); err == nil {
				b.Fatal("no error")
			}
		}
	})
}

func benchmarkDo(b *testing.B, ctx context.Context, callers int, cfg Config[int, int]) {
	cfg.MaxBatch = 64
	cfg.MaxQueue = max(callers, runtime.GOMAXPROCS(0))
	bt, err := Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer bt.Close()
	b.ReportAllocs()
	b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := bt.Do(ctx, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	st := bt.Stats()
	var batches uint64
	for _, n := range st.Batches {
		batches += n
	}
	b.ReportMetric(float64(st.Items)/float64(batches), "items/batch")
}

// runFunc is a Runner made of a function.
type runFunc func(in, out []int) error

func (f runFunc) Run(in, out []int) error { return f(in, out) }
func (f runFunc) Close()                  {}

func idleRunner(int) (Runner[int, int], error) {
	return runFunc(func(in, out []int) error { copy(out, in); return nil }), nil
}

// BenchmarkDoBacklog measures the door and the picking with a queue of a thousand items of all urgencies and both priorities.
func BenchmarkDoBacklog(b *testing.B) {
	bt, err := Open(Config[int, int]{NewRunner: idleRunner, MaxBatch: 64, MaxQueue: 1 << 20,
		Cost: affine(time.Microsecond, 50*time.Nanosecond)})
	if err != nil {
		b.Fatal(err)
	}
	defer bt.Close()
	b.ReportAllocs()
	b.SetParallelism(1024 / runtime.GOMAXPROCS(0))
	var seed atomic.Uint64
	b.RunParallel(func(pb *testing.PB) {
		rnd := rand.New(rand.NewPCG(seed.Add(1), 0))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute+time.Duration(rnd.Int64N(int64(time.Minute))))
		defer cancel()
		for pb.Next() {
			if _, err := bt.DoPriority(ctx, 1, Priority(rnd.IntN(2))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkForecast measures what the door does for an item with a deadline that comes last into a long queue.
func BenchmarkForecast(b *testing.B) {
	for _, waiting := range []int{0, 64, 1024, 8192} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			bt, err := Open(Config[int, int]{NewRunner: idleRunner, MaxBatch: 64, Cost: affine(time.Millisecond, time.Microsecond)})
			if err != nil {
				b.Fatal(err)
			}
			defer bt.Close()
			bt.mu.Lock()
			defer bt.mu.Unlock()
			for i := range waiting {
				bt.mu.normal.insert(i, &item[int, int]{deadline: never, due: moment(i)})
			}
			it := &item[int, int]{deadline: moment(time.Hour), due: moment(waiting)}
			for b.Loop() {
				bt.endLocked(it, waiting, 0, 0)
			}
			bt.mu.normal = line[int, int]{}
		})
	}
}
