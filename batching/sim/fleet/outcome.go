package fleet

import (
	"math"
	"slices"
	"time"
)

// Count is what became of requests, by when they came.
type Count struct {
	Offered int
	Good    int // answered before the deadline
	Late    int // answered after it, or let in and given up
	Refused int // refused at once, or there was no node
	Failed  int // lost with a node, or sent to one that was lost
}

// Outcome is what callers got and what was paid for, the warm-up left out.
type Outcome struct {
	Count
	Runs      int     // batches, the warm-up included
	NodeHours float64 // from the order of a node to its end
	Busy      float64 // share of the ready nodes' runners' time that was used, the warm-up included
	Lasted    time.Duration
	Series    []Moment
	latencies []time.Duration // of all answers, late ones included
}

// Moment is a Step of the time.
type Moment struct {
	Count
	At        time.Duration // its beginning
	Ready     int           // nodes at its end that serve and do not drain
	Paid      int           // nodes at its end
	latencies []time.Duration
}

// Quantile returns the latency that a share q of the answers keep, 0 < q < 1, or 0 if there are none.
func (o *Outcome) Quantile(q float64) time.Duration { return quantile(o.latencies, q) }

// Mean returns the mean latency of the answers.
func (o *Outcome) Mean() time.Duration {
	sum := 0.0
	for _, l := range o.latencies {
		sum += float64(l)
	}
	return time.Duration(sum / float64(max(1, len(o.latencies))))
}

// Within returns the share of all that was offered that was answered within d.
func (o *Outcome) Within(d time.Duration) float64 {
	n := 0
	for _, l := range o.latencies {
		if l <= d {
			n++
		}
	}
	return float64(n) / float64(max(1, o.Offered))
}

// Quantile returns the latency that a share q of the answers to what came in this step keep, or 0 if there are none.
func (m *Moment) Quantile(q float64) time.Duration { return quantile(m.latencies, q) }

func quantile(latencies []time.Duration, q float64) time.Duration {
	if len(latencies) == 0 {
		return 0
	}
	if !slices.IsSorted(latencies) {
		slices.Sort(latencies)
	}
	return latencies[min(len(latencies)-1, int(math.Ceil(q*float64(len(latencies))))-1)]
}

// fate is what became of a request.
type fate uint8

const (
	offered fate = iota
	good
	late
	refused
	failed
)

func (c *Count) add(what fate) {
	switch what {
	case offered:
		c.Offered++
	case good:
		c.Good++
	case late:
		c.Late++
	case refused:
		c.Refused++
	case failed:
		c.Failed++
	}
}

// note counts what became of a request that came then; counts reports whether it counts at all.
func (f *fleet) note(came time.Duration, what fate) (counts bool) {
	if came >= f.cfg.Lasts {
		return false
	}
	if m := f.moment(came); m != nil {
		m.Count.add(what)
	}
	if came < f.cfg.Warmup {
		return false
	}
	f.out.Count.add(what)
	return true
}

// answered notes an answer that is given now.
func (f *fleet) answered(came time.Duration) {
	latency, what := f.now-came, good
	if f.cfg.Deadline > 0 && latency > f.cfg.Deadline {
		what = late
	}
	if m := f.moment(came); m != nil {
		m.latencies = append(m.latencies, latency)
	}
	if f.note(came, what) {
		f.out.latencies = append(f.out.latencies, latency)
	}
}

func (f *fleet) moment(came time.Duration) *Moment {
	if f.cfg.Step == 0 || came >= f.cfg.Lasts {
		return nil
	}
	return &f.out.Series[came/f.cfg.Step]
}
