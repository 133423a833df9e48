package batching

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// load is an open loop: items come at random moments, whatever became of those before.
type load struct {
	rate     float64 // items a second
	lasts    time.Duration
	deadline func(rnd *rand.Rand) time.Duration
	priority func(rnd *rand.Rand) Priority
}

// tally is what became of the items of one priority, those aside that came before the queue was in its steady state.
type tally struct {
	offered, good, refused, late int
	slowest                      time.Duration // of the answers
	slowRefusal                  time.Duration // the longest that a refusal at the door took
}

// noisyRunner runs a batch as long as cost says, give or take a twentieth.
func noisyRunner(cost func(int) time.Duration) func(int) (Runner[int, int], error) {
	return func(i int) (Runner[int, int], error) {
		rnd := rand.New(rand.NewPCG(7, uint64(i)))
		return runFunc(func(in, out []int) error {
			time.Sleep(time.Duration(float64(cost(len(in))) * math.Exp(0.05*rnd.NormFloat64())))
			return nil
		}), nil
	}
}

func (l load) run(b *Batcher[int, int]) map[Priority]*tally {
	rnd := rand.New(rand.NewPCG(1, 2))
	tallies := map[Priority]*tally{Normal: {}, Low: {}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now()
	for time.Since(begin) < l.lasts {
		time.Sleep(time.Duration(rnd.ExpFloat64() / l.rate * float64(time.Second)))
		ctx, cancel := context.WithCancel(background)
		if d := l.deadline(rnd); d > 0 {
			cancel()
			ctx, cancel = context.WithTimeout(background, d)
		}
		p := Normal
		if l.priority != nil {
			p = l.priority(rnd)
		}
		start := time.Now()
		wg.Go(func() {
			defer cancel()
			_, err := b.DoPriority(ctx, 1, p)
			mu.Lock()
			defer mu.Unlock()
			if start.Sub(begin) < l.lasts/10 {
				return
			}
			t := tallies[p]
			t.offered++
			switch took := time.Since(start); {
			case err == nil:
				t.good++
				t.slowest = max(t.slowest, took)
			case errors.As(err, new(*RetryError)):
				t.refused++
				t.slowRefusal = max(t.slowRefusal, took)
			default:
				t.late++
			}
		})
	}
	wg.Wait()
	return tallies
}

// bestRate returns the highest rate at which a runner can serve, in batches of up to most.
func bestRate(cost func(int) time.Duration, most int) float64 {
	best := 0.0
	for n := 1; n <= most; n++ {
		best = max(best, float64(n)/cost(n).Seconds())
	}
	return best
}

func affine(base, slope time.Duration) func(int) time.Duration {
	return func(n int) time.Duration { return base + time.Duration(n)*slope }
}

func always(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

// At twice the load that can be served, the runners do nothing in vain: nearly as much is answered in time as could be, nearly
// all that was let in is answered in time, and whoever is not let in hears it at once.
func TestOverload(t *testing.T) {
	type setup struct {
		name     string
		cost     func(int) time.Duration
		cfg      Config[int, int]
		lasts    time.Duration
		deadline func(*rand.Rand) time.Duration
	}
	cpu, gpu := affine(3*time.Millisecond, 8*time.Millisecond), affine(500*time.Microsecond, 40*time.Microsecond)
	spread := func(from, to time.Duration) func(*rand.Rand) time.Duration {
		return func(rnd *rand.Rand) time.Duration { return from + time.Duration(rnd.Int64N(int64(to-from))) }
	}
	for _, s := range []setup{
		{"cpu", cpu, Config[int, int]{}, 20 * time.Second, always(time.Second)},
		{"cpu, half a batch's time more than a batch", cpu, Config[int, int]{}, 20 * time.Second, always(650 * time.Millisecond)},
		{"cpu, deadlines of all kinds", cpu, Config[int, int]{}, 20 * time.Second, spread(600*time.Millisecond, 5*time.Second)},
		{"cpu, two runners", cpu, Config[int, int]{Runners: 2}, 20 * time.Second, always(time.Second)},
		{"cpu, latency target", cpu, Config[int, int]{LatencyTarget: time.Second}, 20 * time.Second, always(time.Second)},
		{"gpu", gpu, Config[int, int]{MaxBatch: 64}, 250 * time.Millisecond, always(20 * time.Millisecond)},
		{"gpu, tight", gpu, Config[int, int]{MaxBatch: 64}, 250 * time.Millisecond, always(9 * time.Millisecond)},
		{"gpu, deep queue", gpu, Config[int, int]{MaxBatch: 64, MaxQueue: 10_000}, 250 * time.Millisecond, always(100 * time.Millisecond)},
		{"gpu, two runners", gpu, Config[int, int]{MaxBatch: 64, Runners: 2, MaxQueue: 10_000}, 250 * time.Millisecond, always(30 * time.Millisecond)},
	} {
		for _, given := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/given=%v", s.name, given), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := s.cfg
					cfg.NewRunner = noisyRunner(s.cost)
					if given {
						cfg.Cost = s.cost
					}
					b, err := Open(cfg)
					if err != nil {
						t.Fatal(err)
					}
					defer b.Close()
					capacity := float64(b.cfg.Runners) * bestRate(s.cost, b.cfg.MaxBatch)
					got := load{rate: 2 * capacity, lasts: s.lasts, deadline: s.deadline}.run(b)[Normal]
					served := float64(got.good) / (0.9 * s.lasts.Seconds()) / capacity
					kept := float64(got.good) / float64(got.good+got.late)
					t.Logf("%.1f %% of capacity, %.2f %% in time, %+v", 100*served, 100*kept, *got)
					if served < 0.95 || kept < 0.99 || got.slowRefusal > 0 {
						t.Errorf("too little was in time, or somebody waited to be refused")
					}
				})
			})
		}
	}
}
