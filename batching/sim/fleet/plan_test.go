package fleet

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
)

func TestPlan(t *testing.T) {
	for _, rate := range []float64{30, 300, 1500} {
		d := Demand{Rate: rate, P99: 100 * time.Millisecond}
		p, err := PlanFor(quick, d)
		if err != nil {
			t.Fatal(err)
		}
		o := p.Outcome
		if o.Within(d.P99) < 0.99 {
			t.Errorf("%v: %d nodes answer %.4f within the p99", d, p.Nodes, o.Within(d.P99))
		}
		if p.Rule < p.Nodes || p.Rule > p.Nodes+1+p.Nodes/4 {
			t.Errorf("%v: %d nodes, and %d by the rule of thumb", d, p.Nodes, p.Rule)
		}
		if p.Nodes > 1 {
			lasts := 60 * time.Second
			few := Run(Config{Node: quick, Nodes: p.Nodes - 1, Lasts: lasts, Deadline: 400 * time.Millisecond, Arrivals: Poisson(Steady(rate), rate, lasts, 3)})
			if few.Within(d.P99) >= 0.995 {
				t.Errorf("%v: %d nodes, but one less answers %.4f within the p99", d, p.Nodes, few.Within(d.P99))
			}
		}
		d.Spare = 2
		if more, err := PlanFor(quick, d); err != nil || more.Nodes != p.Nodes+2 || more.Rule != p.Rule+2 {
			t.Errorf("%v: %d nodes, %v; want two more than %d", d, more.Nodes, err, p.Nodes)
		}
	}
	for _, d := range []Demand{
		{}, {Rate: 10}, {P99: time.Second}, {Rate: 10, P99: 5 * time.Millisecond}, {Rate: 10, P99: time.Second, Deadline: time.Millisecond},
		{Rate: 10, P99: time.Second, Spare: -1},
	} {
		if p, err := PlanFor(quick, d); err == nil {
			t.Errorf("%+v: no error, but %d nodes", d, p.Nodes)
		}
	}
}

func TestLine(t *testing.T) {
	n := Node{Costs: sim.Table{{Size: 1, Took: 7 * time.Millisecond}, {Size: 9, Took: 23 * time.Millisecond}}, MaxBatch: 9}
	if a, b := n.Line(); a != 5*time.Millisecond || b != 2*time.Millisecond {
		t.Errorf("got %s and %s an image; want 5ms and 2ms", a, b)
	}
	n.MaxBatch = 1
	if a, b := n.Line(); a != 0 || b != 7*time.Millisecond {
		t.Errorf("got %s and %s an image; want 0 and 7ms", a, b)
	}
}

func TestProfile(t *testing.T) {
	const first = `{"model": "m", "batch": 8, "runners": 2, "images_per_second": 100, "latency_ms": {"p50": 160}}`
	n, err := ReadProfile(strings.NewReader("\n " + first + "\n" + `{"batch": 1, "runners": 2, "latency_ms": {"p50": 30.5, "p99": 40}}`))
	want := sim.Table{{Size: 1, Took: 30500 * time.Microsecond}, {Size: 8, Took: 160 * time.Millisecond}}
	if err != nil || n.Runners != 2 || !slices.Equal(n.Costs, want) {
		t.Errorf("got %+v, %v", n, err)
	}
	n.MaxBatch = 8
	if got := n.Capacity(); got != 100 {
		t.Errorf("capacity %v images/s; want 100", got)
	}
	if got := n.Slower(0.5).Capacity(); got != 50 || n.Capacity() != 100 {
		t.Errorf("capacity %v images/s at half the speed, %v before; want 50 and 100", got, n.Capacity())
	}
	if n, err := ReadProfile(strings.NewReader("# measured\n1,0.01\n8,0.02\n")); err != nil || n.Runners != 1 || len(n.Costs) != 2 {
		t.Errorf("got %+v, %v", n, err)
	}
	for _, bad := range []string{
		"", " \n", "{", "{}", "1", first + first, first + `{"batch": 1, "runners": 1, "latency_ms": {"p50": 30}}`,
		`{"batch": 1, "runners": 1, "latency_ms": {"p50": 0}}`, `{"batch": 1, "runners": 1, "latency_ms": {"p50": 1e300}}`,
	} {
		if n, err := ReadProfile(strings.NewReader(bad)); err == nil {
			t.Errorf("no error for %q: %+v", bad, n)
		}
	}
}

func TestRates(t *testing.T) {
	const lasts = 10 * time.Minute
	day := Day(50, 150, lasts)
	for at, want := range map[time.Duration]float64{0: 50, lasts / 2: 150, lasts / 4: 100, lasts: 50} {
		between(t, "rate of a day", day(at), want-0.01, want+0.01)
	}
	step := StepAt(100, 3, lasts/2)
	bursts := Bursts(Steady(100), 2, 10*time.Second, time.Minute, lasts, 1)
	for name, r := range map[string]struct {
		rate      Rate
		low, high float64
	}{"day": {day, 97, 103}, "step": {step, 197, 203}, "bursts": {bursts, 103, 135}} {
		n, last := 0, time.Duration(0)
		for at := range Poisson(r.rate, 300, lasts, 1) {
			if at < last || at >= lasts {
				t.Fatalf("%s: an arrival at %s after one at %s", name, at, last)
			}
			n, last = n+1, at
		}
		between(t, name+": mean rate", float64(n)/lasts.Seconds(), r.low, r.high)
	}
}

func TestOverlay(t *testing.T) {
	trace := []time.Duration{0, time.Second, 1100 * time.Millisecond, 4 * time.Second} // 4 in 5 s, the gap to the next round included
	arrivals, err := Overlay(trace, 40, time.Minute, 1)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Collect(arrivals)
	if !slices.IsSorted(all) {
		t.Error("not in order")
	}
	between(t, "rate", float64(len(all))/60, 39, 41)
	for _, bad := range [][]time.Duration{{1, 1}, {5}} {
		if _, err := Overlay(bad, 10, time.Minute, 1); err == nil {
			t.Errorf("no error for %v", bad)
		}
	}
}
