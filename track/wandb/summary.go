package wandb

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// aggregates are what the summary keeps of a metric, by W&B's names. With none
// declared it is the last value, as such; with some it is an object with one
// value for each.
type aggregates []string

const (
	opMin   = "min"
	opMax   = "max"
	opMean  = "mean"
	opFirst = "first"
	opLast  = "last"
	opNone  = "none" // not in the summary at all
)

func (a aggregates) has(op string) bool { return slices.Contains(a, op) }

// parseAggregates reads what define_metric(summary=…) takes: names with commas.
func parseAggregates(metric, s string) (aggregates, error) {
	var ops aggregates
	for op := range strings.SplitSeq(strings.ToLower(s), ",") {
		op = strings.TrimSpace(op)
		if !slices.Contains([]string{opMin, opMax, opMean, opFirst, opLast, opNone}, op) {
			return nil, fmt.Errorf("cannot summarize metric %q by %q: choose from min, max, mean, first, last, none", metric, op)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// summary holds what a run came to so far.
type summary struct {
	ops    map[string]aggregates
	values map[string]*aggregate
	dirty  map[string]bool // changed since take
}

// aggregate sums up one metric.
type aggregate struct {
	last                 string // JSON
	first, min, max, sum float64
	n                    int // of numbers that are not NaN
}

func newSummary(ops map[string]aggregates) *summary {
	return &summary{ops: ops, values: map[string]*aggregate{}, dirty: map[string]bool{}}
}

// observe takes a value of a metric into account, as JSON. Only numbers have a
// minimum and the like.
func (s *summary) observe(name, json string) {
	a := s.values[name]
	if a == nil {
		a = &aggregate{min: math.Inf(1), max: math.Inf(-1)}
		s.values[name] = a
	}
	a.last = json
	s.dirty[name] = true
	v, ok := parseNumber(json)
	if !ok || math.IsNaN(v) {
		return
	}
	if a.n == 0 {
		a.first = v
	}
	a.n++
	a.min, a.max, a.sum = min(a.min, v), max(a.max, v), a.sum+v
}

// take returns what changed since the last call, sorted by name.
func (s *summary) take() []pair {
	pairs := s.pairs(slices.Sorted(maps.Keys(s.dirty)))
	clear(s.dirty)
	return pairs
}

// all returns the whole summary, sorted by name.
func (s *summary) all() []pair { return s.pairs(slices.Sorted(maps.Keys(s.values))) }

func (s *summary) pairs(names []string) []pair {
	var pairs []pair
	for _, name := range names {
		ops := s.ops[name]
		switch {
		case len(ops) == 0:
			pairs = append(pairs, pair{name, s.values[name].last})
		case !ops.has(opNone):
			pairs = append(pairs, pair{name, s.values[name].json(ops)})
		}
	}
	return pairs
}

func (a *aggregate) json(ops aggregates) string {
	if a.n == 0 {
		return a.last // nothing to compare: pictures, NaN
	}
	value := map[string]float64{opMin: a.min, opMax: a.max, opMean: a.sum / float64(a.n), opFirst: a.first}
	parts := make([]string, len(ops))
	for i, op := range ops {
		v := jsonNumber(value[op])
		if op == opLast {
			v = a.last
		}
		parts[i] = fmt.Sprintf("%q:%s", op, v)
	}
	return "{" + strings.Join(parts, ",") + "}"
}
