package fleet

import (
	"math"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
)

func open[T any](t *testing.T, name string, read func(f *os.File) (T, error)) T {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := read(f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// One node is the batcher itself, within the tolerances below: the same traces, costs, spread and deadlines, played against package
// batching by package sim.
func TestOneNodeAgainstTheBatcher(t *testing.T) {
	for _, c := range []struct {
		costs    string
		most     int
		deadline time.Duration
	}{{"cpu.csv", 32, time.Second}, {"gpu.csv", 64, 20 * time.Millisecond}} {
		m := sim.Machine{MaxBatch: c.most, Noise: 0.03}
		m.Costs = open(t, "../testdata/"+c.costs, func(f *os.File) (sim.Table, error) { return sim.ReadTable(f) })
		for _, shape := range []string{"poisson", "bursty", "diurnal", "recorded"} {
			trace := open(t, "../testdata/"+shape+".csv", func(f *os.File) ([]time.Duration, error) { return sim.ReadTrace(f) })
			for _, load := range []float64{0.3, 0.5, 0.8, 1.2, 2} {
				arrivals := sim.AtRate(trace, load*m.Capacity())
				var real sim.Outcome
				synctest.Test(t, func(*testing.T) {
					real = sim.Ours{}.Serve(m, sim.Load{Arrivals: arrivals, Deadline: c.deadline})
				})
				ours := Run(Config{
					Node: Node{Costs: m.Costs, MaxBatch: m.MaxBatch, Noise: m.Noise, MaxQueue: len(arrivals)}, Nodes: 1,
					Arrivals: slices.Values(arrivals), Lasts: arrivals[len(arrivals)-1] + 1, Deadline: c.deadline, Seed: 1,
				})
				t.Logf("%s %s load %.1f: good %d, %d; refused %d, %d; late %d, %d; p50 %s, %s; p99 %s, %s", c.costs, shape, load,
					real.Good, ours.Good, real.Refused, ours.Refused, real.Late, ours.Late,
					real.Quantile(.5), ours.Quantile(.5), real.Quantile(.99), ours.Quantile(.99))
				all := float64(len(arrivals))
				apart := func(a, b int) float64 { return math.Abs(float64(a-b)) / all }
				if apart(real.Good, ours.Good) > 0.015 || apart(real.Refused, ours.Refused) > 0.015 || apart(real.Late, ours.Late) > 0.005 {
					t.Errorf("%s %s load %.1f: what became of the requests differs by more than 1.5 %% of them", c.costs, shape, load)
				}
				ratio := func(q float64) float64 { return float64(ours.Quantile(q)) / float64(real.Quantile(q)) }
				if math.Abs(ratio(.5)-1) > 0.1 || math.Abs(ratio(.99)-1) > 0.2 {
					t.Errorf("%s %s load %.1f: p50 is %.2f of the batcher's, p99 %.2f; want 1 within 0.1 and 0.2", c.costs, shape, load, ratio(.5), ratio(.99))
				}
			}
		}
	}
}
