// Package sim plays arrival traces against batchers and says what the callers got. Package batching itself runs in it, every line
// of it, under fake time; the batchers that others use are modelled by what their documents and sources say they do. All of them
// get the same arrivals, the same deadlines and the same run times.
//
// A model is simpler than what it stands for, and kinder: it hands items over in no time, forms a batch in no time, and has no
// interpreter that must be shared. What differs here is the policy alone.
package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Machine is what batches run on.
type Machine struct {
	Costs    Table
	MaxBatch int
	Noise    float64 // standard deviation of the logarithm of a run's time
}

// Load is what comes to it.
type Load struct {
	Arrivals []time.Duration // since the beginning, rising
	Deadline time.Duration   // how long each caller waits
}

// Policy serves a load on a machine.
type Policy interface {
	Name() string
	Serve(Machine, Load) Outcome
}

// Outcome is what became of the items of a load.
type Outcome struct {
	Offered   int
	Good      int             // answered before the deadline
	Late      int             // answered after it, or let in and given up: they waited in vain
	Refused   int             // refused at once
	Runs      int             // batches
	Latencies []time.Duration // of all answers, late ones included, rising
	Lasted    time.Duration   // from the first arrival to the last, or to the last answer in time if that was later
}

// Goodput returns the answers a second that came before their deadlines.
func (o *Outcome) Goodput() float64 { return float64(o.Good) / o.Lasted.Seconds() }

// Quantile returns the latency that a share q of the answers keep, 0 < q < 1, or 0 if there are none.
func (o *Outcome) Quantile(q float64) time.Duration {
	if len(o.Latencies) == 0 {
		return 0
	}
	return o.Latencies[min(len(o.Latencies)-1, int(math.Ceil(q*float64(len(o.Latencies))))-1)]
}

// answered notes an answer at a moment since the beginning of the load.
func (o *Outcome) answered(latency, at, deadline time.Duration) {
	o.Latencies = append(o.Latencies, latency)
	if latency > deadline {
		o.Late++
		return
	}
	o.Good++
	o.Lasted = max(o.Lasted, at)
}

func (o *Outcome) finish(l Load) {
	o.Offered = len(l.Arrivals)
	o.Lasted = max(o.Lasted, l.Arrivals[len(l.Arrivals)-1]) - l.Arrivals[0]
	slices.Sort(o.Latencies)
}

// Capacity returns the most items a second that the machine can do, whatever the batch.
func (m Machine) Capacity() float64 {
	best := 0.0
	for n := 1; n <= m.MaxBatch; n++ {
		best = max(best, float64(n)/m.Costs.Of(n).Seconds())
	}
	return best
}

// runs returns a function that tells how long each run takes, the same for every policy that runs the same sizes.
func (m Machine) runs() func(n int) time.Duration {
	rnd := rand.New(rand.NewPCG(1, 2))
	return func(n int) time.Duration {
		return time.Duration(float64(m.Costs.Of(n)) * math.Exp(m.Noise*rnd.NormFloat64()))
	}
}
