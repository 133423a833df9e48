package train

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// profile adds up where a run's time goes, by action: Lightning's simple profiler. On a
// GPU an action's time is that of giving it to the device, and the waiting shows where
// a number is read. A nil profile measures nothing.
type profile struct {
	began   time.Time
	actions map[string]*action
}

type action struct {
	name  string
	calls int
	took  time.Duration
}

func newProfile() *profile { return &profile{began: time.Now(), actions: map[string]*action{}} }

// start begins an action; what it returns ends it.
func (p *profile) start(name string) (end func()) {
	if p == nil {
		return func() {}
	}
	begin := time.Now()
	return func() {
		a := p.actions[name]
		if a == nil {
			a = &action{name: name}
			p.actions[name] = a
		}
		a.calls++
		a.took += time.Since(begin)
	}
}

// table lists the actions, the longest first.
func (p *profile) table() string {
	total := time.Since(p.began)
	list := make([]*action, 0, len(p.actions))
	for _, a := range p.actions {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *action) int { return cmp.Or(cmp.Compare(b.took, a.took), cmp.Compare(a.name, b.name)) })
	var b strings.Builder
	line := func(name string, mean any, calls any, took time.Duration) {
		fmt.Fprintf(&b, "\n%-18s %12v %9v %11.3f %7.1f %%", name, mean, calls, took.Seconds(), 100*took.Seconds()/total.Seconds())
	}
	fmt.Fprintf(&b, "%-18s %12s %9s %11s %9s", "action", "mean (ms)", "calls", "total (s)", "of all")
	line("the run", "", "", total)
	for _, a := range list {
		line(a.name, fmt.Sprintf("%.3f", 1e3*a.took.Seconds()/float64(a.calls)), a.calls, a.took)
	}
	return b.String()
}
