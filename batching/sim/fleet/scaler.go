package fleet

import (
	"math"
	"time"
)

// Metric is what a Scaler looks at, a node.
type Metric uint8

// The metrics of a node that torchlit serve and its machine export.
const (
	QueueDepth  Metric = iota // images that wait for a batch (torchlit_queue_depth), at the moment of the scrape
	InFlight                  // requests under way (torchlit_inflight_requests), at the moment of the scrape
	Utilization               // share of the runners' time since the last scrape that was used: the CPU's, or a GPU's
	RequestRate               // images a second that came since the last scrape, refused ones included (torchlit_requests_total)
)

// String returns its name for people.
func (m Metric) String() string {
	return [...]string{"queue depth", "in flight", "utilization", "requests/s"}[m]
}

// Scaler orders and takes away nodes so that the mean of a metric over them is near Target:
//
//	wanted = ⌈sum over the ready nodes / Target⌉
//
// which is the rule of Kubernetes' HorizontalPodAutoscaler for metrics of pods (starting pods count as zero when it adds) and of KEDA,
// and the one of managed instance groups. They differ in the times: see HPA and GroupOfVMs.
type Scaler struct {
	Name      string
	Metric    Metric
	Target    float64
	Min, Max  int
	Every     time.Duration // between two decisions
	Scrape    time.Duration // between two looks at the nodes
	Delay     time.Duration // how old a look is before a decision can know of it
	Window    time.Duration // the mean over so long is used; 0: the last look
	Tolerance float64       // nothing is done while the mean is so near to Target, as a share of it

	UpNodes   int           // at most so many are added at a decision, or
	UpShare   float64       // this share of what there is, whichever is more; both 0: as many as wanted
	DownAfter time.Duration // the most that was wanted in so long is kept
	DownNodes int           // at most so many are taken away
	DownEvery time.Duration // in so long; 0: as many as wanted
}

// HPA is Kubernetes' HorizontalPodAutoscaler with its defaults (autoscaling/v2): every 15 s, a tolerance of a tenth, at most four
// pods or all that there are again in 15 s, and five minutes before it takes away.
func HPA(m Metric, target float64, least, most int) *Scaler {
	return &Scaler{
		Name: "HPA", Metric: m, Target: target, Min: least, Max: most, Every: 15 * time.Second, Scrape: 15 * time.Second, Delay: 15 * time.Second,
		Tolerance: 0.1, UpNodes: 4, UpShare: 1, DownAfter: 5 * time.Minute,
	}
}

// GroupOfVMs is a managed instance group of Google Cloud as deploy/gce/group.sh sets it up: a metric written every half minute, ten
// minutes before it takes away, one at a time in ten minutes. The minute until a figure can be used is assumed; the cool-down period, in
// which figures of young machines are left out, is taken to be as long as their start.
func GroupOfVMs(m Metric, target float64, least, most int) *Scaler {
	return &Scaler{
		Name: "instance group", Metric: m, Target: target, Min: least, Max: most, Every: 30 * time.Second, Scrape: 30 * time.Second, Delay: time.Minute,
		Window: time.Minute, DownAfter: 10 * time.Minute, DownNodes: 1, DownEvery: 10 * time.Minute,
	}
}

// scaling is a Scaler at work.
type scaling struct {
	*Scaler
	f      *fleet
	looks  []look
	wanted []wish // of the last DownAfter
	taken  []time.Duration
}

// look is the sum of the metric over the nodes that were ready.
type look struct {
	at    time.Duration
	sum   float64
	nodes int
}

type wish struct {
	at    time.Duration
	nodes int
}

func (s *scaling) begin(f *fleet) {
	s.Scaler, s.f = f.cfg.Scaler, f
	s.repeat(s.Scrape, s.scrape)
	s.repeat(s.Every, s.decide)
}

func (s *scaling) repeat(every time.Duration, do func()) {
	s.f.at(s.f.now+every, func() {
		if s.f.cfg.Scaler != nil { // not after the end
			do()
			s.repeat(every, do)
		}
	})
}

func (s *scaling) scrape() {
	l := look{at: s.f.now}
	for _, n := range s.f.in(ready) {
		l.nodes++
		switch s.Metric {
		case QueueDepth:
			l.sum += float64(n.waiting())
		case InFlight:
			l.sum += float64(n.under)
		case Utilization:
			busy := n.busyNow()
			if lived := min(s.Scrape, s.f.now-n.readyAt); lived > 0 {
				l.sum += float64(busy-n.noted) / float64(lived) / float64(len(n.runners))
			}
			n.noted = busy
		case RequestRate:
			if lived := min(s.Scrape, s.f.now-n.readyAt); lived > 0 {
				l.sum += float64(n.came-n.counted) / lived.Seconds()
			}
			n.counted = n.came
		}
	}
	s.looks = append(s.looks, l)
	for len(s.looks) > 1 && s.looks[1].at <= s.f.now-s.Delay-s.Window {
		s.looks = s.looks[1:]
	}
}

// mean returns what is known of the metric: its mean over a node, and over how many nodes.
func (s *scaling) mean() (mean, nodes float64, ok bool) {
	var last *look
	sum, nodes, n := 0.0, 0.0, 0.0
	for i := range s.looks {
		l := &s.looks[i]
		if l.at > s.f.now-s.Delay {
			break
		}
		last = l
		if l.at > s.f.now-s.Delay-s.Window && l.nodes > 0 {
			sum, nodes, n = sum+l.sum, nodes+float64(l.nodes), n+1
		}
	}
	switch {
	case n > 0:
		return sum / nodes, nodes / n, true
	case last != nil && last.nodes > 0:
		return last.sum / float64(last.nodes), float64(last.nodes), true
	}
	return 0, 0, false
}

func (s *scaling) decide() {
	f := s.f
	mean, nodes, ok := s.mean()
	if !ok {
		return
	}
	have := f.want
	want := have
	if ratio := mean * nodes / s.Target / float64(have); math.Abs(ratio-1) > s.Tolerance {
		want = int(math.Ceil(mean*nodes/s.Target - 1e-9))
	}
	if s.UpNodes > 0 || s.UpShare > 0 {
		want = min(want, have+max(s.UpNodes, int(s.UpShare*float64(have))))
	}
	want = max(s.Min, min(want, s.Max))
	f.want = s.hold(have, want)
	if f.want != have {
		f.reconcile()
	}
}

// hold is slow to take away.
func (s *scaling) hold(have, want int) int {
	now := s.f.now
	s.wanted = append(s.wanted, wish{now, want})
	for s.wanted[0].at < now-s.DownAfter {
		s.wanted = s.wanted[1:]
	}
	if want >= have {
		return want
	}
	for _, w := range s.wanted {
		want = max(want, w.nodes)
	}
	want = min(want, have)
	if now < s.DownAfter { // nobody knows what was wanted before
		return have
	}
	if s.DownEvery > 0 {
		for len(s.taken) > 0 && s.taken[0] <= now-s.DownEvery {
			s.taken = s.taken[1:]
		}
		want = max(want, have-max(0, s.DownNodes-len(s.taken)))
		for range have - want {
			s.taken = append(s.taken, now)
		}
	}
	return want
}
