package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Search says what the highest rate is to keep.
type Search struct {
	P99       time.Duration // 99 of 100 requests are answered within it
	Unserved  float64       // the share of requests that may be refused, expire or fail; default 0.01
	Precision float64       // how far the rate may be off, as a share of it; default 0.05

	// Trying, if not nil, is called before each step with its rate, 0 for the first look at the server; Tried after it.
	Trying func(rate float64)
	Tried  func(Step)
}

// Step is a rate that was tried.
type Step struct {
	Rate          float64  `json:"rate"`
	Requests      float64  `json:"requests_per_second"`
	P99           *float64 `json:"p99_ms"` // nil if nothing was answered
	Unserved      float64  `json:"unserved_share"`
	Kept          bool     `json:"kept"`
	Why           string   `json:"why,omitempty"` // it was not
	ClientLimited bool     `json:"client_limited"`
	Seconds       float64  `json:"duration_s"`
}

// Found is what a search came to.
type Found struct {
	Bound float64 `json:"p99_bound_ms"`
	Rate  float64 `json:"rate"` // the highest that was tried and kept the bound; 0 if none did
	// ClientLimited says that the search ended at the client's limit: the server may do more.
	ClientLimited bool   `json:"client_limited"`
	Steps         []Step `json:"steps"`
}

const (
	// leastRequests are needed in a step: the 99th percentile of fewer is the luck of two or three.
	leastRequests = 300
	// longestStep bounds how long they are waited for.
	longestStep = time.Minute
	lowestRate  = 0.1
	highestRate = 10e6
	// pause lets the server forget one step before the next.
	pause = 500 * time.Millisecond
)

// FindMax finds the highest rate at which the target keeps the bound, and returns how it fared at that rate, with Result.Found set;
// at the lowest rate that was tried, or with one client alone, if it kept none. Of l, Rate is where to begin (0: half of what one client
// alone gets through), and Warmup and Duration are those of every step.
//
// The rate is doubled until the bound is broken, then the gap is halved, on a scale of ratios. What fails is tried once more before it is
// believed: one hiccup of a machine should not decide. A step that is lost is not carried to its end.
func FindMax(ctx context.Context, t Target, l Load, s Search) (*Result, error) {
	if s.P99 <= 0 {
		return nil, errors.New("a search needs a bound for the 99th percentile")
	}
	if s.Unserved == 0 {
		s.Unserved = 0.01
	}
	if s.Precision == 0 {
		s.Precision = 0.05
	}
	m := &maximum{target: t, load: l, search: s, found: Found{Bound: ms(s.P99)}}
	if err := m.run(ctx); err != nil {
		return nil, err
	}
	out := m.best
	if out == nil {
		out = m.worst
	}
	if out == nil {
		return nil, errors.New("the search was interrupted before its first step was over")
	}
	out.Found = &m.found
	out.Interrupted = ctx.Err() != nil
	return out, nil
}

// maximum is a search under way.
type maximum struct {
	target      Target
	load        Load
	search      Search
	found       Found
	best, worst *Result // at the highest rate that kept the bound, and at the lowest that broke it
}

func (m *maximum) run(ctx context.Context) error {
	rate, err := m.begin(ctx)
	if err != nil || rate == 0 {
		return err
	}
	low, high := 0.0, math.Inf(1)
	for high > low*(1+m.search.Precision) && rate >= lowestRate && rate <= highestRate {
		kept, err := m.judge(ctx, rate)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if kept {
			low = rate
		} else {
			high = rate
		}
		switch {
		case low == 0:
			rate = high / 2
		case math.IsInf(high, 1):
			rate = low * 2
		default:
			rate = math.Sqrt(low * high)
		}
	}
	return nil
}

// begin looks at what one client alone gets through, and returns where to begin: half of that, unless it was given. It returns 0
// if already that client waits for too long.
func (m *maximum) begin(ctx context.Context) (float64, error) {
	if m.search.Trying != nil {
		m.search.Trying(0)
	}
	l := m.load
	l.Rate, l.Clients, l.Warmup, l.Duration = 0, 1, min(l.Warmup, time.Second), max(time.Second, 20*m.search.P99)
	r, err := Run(ctx, m.target, l)
	switch {
	case err != nil:
		return 0, err
	case r.RequestsPerSecond == 0 && ctx.Err() == nil:
		return 0, fmt.Errorf("the server answers nothing, not even to one client: %d refused, %d expired, %d failed %v", r.Refused.Count, r.Expired.Count, r.Errors, r.ErrorsByKind)
	}
	m.worst = r
	if r.Latency == nil || r.Latency.P50 > ms(m.search.P99) {
		return 0, nil
	}
	if m.load.Rate > 0 {
		return m.load.Rate, nil
	}
	return max(r.RequestsPerSecond/2, lowestRate), nil
}

// judge reports whether the bound is kept at the rate.
func (m *maximum) judge(ctx context.Context, rate float64) (kept bool, err error) {
	for attempt := range 2 {
		r, step, err := m.try(ctx, rate, uint64(attempt))
		if err != nil || ctx.Err() != nil {
			return false, err
		}
		m.found.Steps = append(m.found.Steps, step)
		if m.search.Tried != nil {
			m.search.Tried(step)
		}
		if step.Kept {
			m.found.Rate, m.best = step.Rate, r
			return true, nil
		}
		m.worst = r
		if attempt == 1 {
			m.found.ClientLimited = step.ClientLimited
		}
	}
	return false, nil
}

func (m *maximum) try(ctx context.Context, rate float64, attempt uint64) (*Result, Step, error) {
	if m.search.Trying != nil {
		m.search.Trying(rate)
	}
	l := m.load
	l.Clients, l.Rate, l.Seed = 0, rate, l.Seed+attempt // other arrivals: these may have been the hiccup
	enough := time.Duration(math.Ceil(leastRequests/rate)) * time.Second
	l.Duration = max(l.Duration, min(enough, longestStep))
	l.tooLong = m.search.P99
	l.tooLate = int64(max(0.01, m.search.Unserved)*rate*l.Duration.Seconds()) + 3
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return nil, Step{}, nil
	}
	r, err := Run(ctx, m.target, l)
	if err != nil {
		return nil, Step{}, err
	}
	return r, m.step(r), nil
}

func (m *maximum) step(r *Result) Step {
	s := Step{
		Rate: r.Rate, Requests: r.RequestsPerSecond, ClientLimited: r.ClientLimited, Seconds: r.Duration,
		Unserved: share(r.Refused.Count+r.Expired.Count+r.Errors, r.Requests),
	}
	if r.Latency != nil {
		s.P99 = &r.Latency.P99
	}
	// Answers come a latency later than their requests, so a step that is too short or too few may miss some at its end.
	asked := float64(r.Requests) / max(r.Duration, 1e-9)
	switch {
	case s.P99 == nil:
		s.Why = "nothing was answered"
	case s.Unserved > m.search.Unserved:
		s.Why = fmt.Sprintf("%.1f %% not served", 100*s.Unserved)
	case r.p99 > m.search.P99:
		s.Why = fmt.Sprintf("p99 %.4g ms", *s.P99)
	case r.Interrupted:
		s.Why = "too many were too late"
	case r.RequestsPerSecond < 0.95*(asked-2*math.Sqrt(asked/max(r.Duration, 1e-9))):
		s.Why = fmt.Sprintf("%.4g of %.4g requests/s were answered", r.RequestsPerSecond, asked)
	}
	s.Kept = s.Why == ""
	return s
}
