package sim

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func table(t *testing.T, name string) Table {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := ReadTable(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ms(values ...float64) []time.Duration {
	var out []time.Duration
	for _, v := range values {
		out = append(out, time.Duration(v*float64(time.Millisecond)))
	}
	return out
}

// A machine on which n items take 8 + 2n ms, and arrivals by hand: what each policy does can be reckoned on paper.
func TestPoliciesByHand(t *testing.T) {
	m := Machine{Costs: Table{{1, 10 * time.Millisecond}, {2, 12 * time.Millisecond}, {4, 16 * time.Millisecond}}, MaxBatch: 4}
	f := func(p Policy, arrivals []time.Duration, runs int, latencies ...float64) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			o := p.Serve(m, Load{arrivals, time.Second})
			if o.Runs != runs || !slices.Equal(o.Latencies, ms(latencies...)) {
				t.Fatalf("%s: got %d runs, latencies %v; want %d, %v", p.Name(), o.Runs, o.Latencies, runs, latencies)
			}
			if o.Good != len(arrivals) || o.Offered != len(arrivals) || o.Late+o.Refused != 0 {
				t.Fatalf("%s: unexpected outcome %+v", p.Name(), o)
			}
		})
	}
	apart, close := ms(0, 100), ms(0, 1, 2, 3, 4, 5)
	f(Ours{}, apart, 2, 10, 10)
	f(Single{}, apart, 2, 10, 10)
	f(FixedDelay{Delay: 5 * time.Millisecond}, apart, 2, 15, 15)
	f(Window{5 * time.Millisecond}, apart, 2, 10, 15) // The second comes at the very end of a window, and is in it.
	f(Window{7 * time.Millisecond}, apart, 2, 11, 17) // Once it has run the windows end at 17 + 7k ms.

	f(Ours{}, close, 3, 10, 22, 23, 24, 25, 31) // one; four from 10 to 26; the last from 26 to 36
	f(Single{}, close, 6, 10, 19, 28, 37, 46, 55)
	f(FixedDelay{Delay: 50 * time.Millisecond}, close, 2, 16, 17, 18, 19, 61, 62) // four at 3 ms; two at 54 ms
	f(FixedDelay{}, close, 3, 10, 22, 23, 24, 25, 31)
	f(Window{4 * time.Millisecond}, close, 2, 16, 17, 18, 19, 30, 31) // four at 3 ms; two from 23 to 35 ms
}

func TestWhatIsTooOldIsNotRun(t *testing.T) {
	m := Machine{Costs: Table{{1, 10 * time.Millisecond}, {2, 20 * time.Millisecond}}, MaxBatch: 1}
	o := FixedDelay{}.Serve(m, Load{ms(0, 1, 2, 3), 15 * time.Millisecond})
	if o.Good != 1 || o.Late != 3 || o.Runs != 2 { // The second is run, and late; the others are too old by then.
		t.Fatalf("unexpected outcome %+v", o)
	}
}

// What the pictures in docs/ show is so.
func TestOursAgainstTheOthers(t *testing.T) {
	for _, c := range []struct {
		costs    string
		most     int
		deadline time.Duration
		delay    time.Duration
	}{
		{"cpu.csv", 32, time.Second, 20 * time.Millisecond},
		{"gpu.csv", 64, 20 * time.Millisecond, time.Millisecond},
	} {
		m := Machine{Costs: table(t, c.costs), MaxBatch: c.most, Noise: 0.03}
		serve := func(p Policy, load float64) (o Outcome) {
			synctest.Test(t, func(t *testing.T) {
				o = p.Serve(m, Load{AtRate(Poisson(2000, 3), load*m.Capacity()), c.deadline})
			})
			return o
		}
		for _, other := range []Policy{FixedDelay{Delay: c.delay}, FixedDelay{Delay: c.delay, Tuned: true}, Window{c.delay}, Single{}} {
			for _, load := range []float64{0.2, 0.8, 2} {
				our, their := serve(Ours{}, load), serve(other, load)
				t.Logf("%s %s load %.1f: p50 %s against %s, %d against %d of %d in time", c.costs, other.Name(), load,
					our.Quantile(.5), their.Quantile(.5), our.Good, their.Good, our.Offered)
				if float64(our.Good) < 0.99*float64(their.Good) {
					t.Errorf("%s: %d in time against %d of %s at load %.1f", c.costs, our.Good, their.Good, other.Name(), load)
				}
				if load < 0.5 && float64(our.Quantile(0.5)) > 1.02*float64(their.Quantile(0.5)) {
					t.Errorf("%s: slower than %s at load %.1f", c.costs, other.Name(), load)
				}
			}
		}
		if o := serve(Ours{}, 2); o.Goodput() < 0.95*m.Capacity() || float64(o.Late) > 0.01*float64(o.Offered-o.Refused) {
			t.Errorf("%s: %.2f of capacity, %d late of %d let in", c.costs, o.Goodput()/m.Capacity(), o.Late, o.Offered-o.Refused)
		}
	}
}

func TestTraces(t *testing.T) {
	for _, f := range []func(int, uint64) []time.Duration{Poisson, Bursty, Diurnal} {
		a := f(5000, 1)
		if len(a) != 5000 || !slices.IsSorted(a) {
			t.Fatalf("got %d arrivals, sorted %v", len(a), slices.IsSorted(a))
		}
		if rate := 5000 / a[4999].Seconds(); rate < 0.6 || rate > 1.7 {
			t.Fatalf("got a rate of %.2f; want about 1", rate)
		}
		var b bytes.Buffer
		if err := WriteTrace(&b, "made by hand", a); err != nil {
			t.Fatal(err)
		}
		back, err := ReadTrace(&b)
		if err != nil {
			t.Fatal(err)
		}
		at := AtRate(back, 100)
		if got := at[4999].Seconds(); at[0] != 0 || math.Abs(got-49.99) > 0.01 {
			t.Fatalf("got a trace that ends at %.3f s; want 49.99", got)
		}
	}
}

func TestAccessLog(t *testing.T) {
	a, err := ReadAccessLog(strings.NewReader(`
{"time":"2026-11-26T10:00:02Z","status":200,"images":1,"total_ms":1500}
{"time":"2026-11-26T10:00:01Z","status":200,"images":2,"total_ms":1000}
{"time":"2026-11-26T10:00:03Z","status":200,"path":"/healthz","total_ms":1}
`))
	if err != nil || !slices.Equal(a, ms(0, 0, 500)) {
		t.Fatalf("got %v, %v", a, err)
	}
}

func TestBadFiles(t *testing.T) {
	for _, s := range []string{"", "# nothing\n", "1\n", "1\n0.5\n", "x\n1\n", "-1\n2\n", "NaN\n1\n", "1\n1e99\n", "0\n0\n"} {
		if a, err := ReadTrace(strings.NewReader(s)); err == nil {
			t.Errorf("no error for trace %q: %v", s, a)
		}
	}
	for _, s := range []string{"", "1\n", "0,1\n", "2,1\n1,2\n", "1,0\n", "1,x\n"} {
		if c, err := ReadTable(strings.NewReader(s)); err == nil {
			t.Errorf("no error for table %q: %v", s, c)
		}
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add("0\n0.5\n# comment\n1e3\n")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ReadTrace(strings.NewReader(s))
		if err != nil {
			return
		}
		if at := AtRate(a, 10); len(at) != len(a) || !slices.IsSorted(at) {
			t.Fatal(fmt.Sprint("not in order: ", at))
		}
	})
}
