package server

import (
	"sync"
	"time"

	"github.com/torchlit/torchlit/batching"
)

const (
	sampleEvery = time.Second
	keptSamples = 300 // five minutes
)

// sampler reads all counts once a second and keeps what happened in each of the last five minutes' seconds.
//
// Requests only count (tally): no list of them is kept, and nothing is done for a page that nobody looks at but this one
// reading a second. What a second holds is its difference to the one before, with the histogram of its latencies, so that the
// quantiles of any number of seconds can be had from their sum.
type sampler struct {
	metrics  *Metrics
	models   func() *catalog
	panicked func(requestID string, value any)
	started  time.Time
	done     chan struct{}
	wg       sync.WaitGroup

	// Of the goroutine.
	last time.Time
	was  totals
	each map[*statistics]*totals

	mu   sync.Mutex
	ring [keptSamples]sample
	n    int // samples taken; the newest is ring[(n-1)%keptSamples]
}

// sample is one second.
type sample struct {
	at       time.Time // its end
	took     time.Duration
	inFlight int // requests, at its end
	all      figures
	queue    queueSample // of all models
	models   []modelSample
}

// modelSample is one second of one version. A version to which nothing happened, and for which nothing waited, has none.
type modelSample struct {
	name, version string
	figures
	queue queueSample
}

type queueSample struct {
	depth    int // at the end of the second
	peak     int // the highest in it
	limit    int // 0 when unknown
	inFlight int // images that a runner has
}

func startSampler(m *Metrics, models func() *catalog, panicked func(string, any)) *sampler {
	now := time.Now()
	s := &sampler{metrics: m, models: models, panicked: panicked, started: now, last: now, done: make(chan struct{}), each: map[*statistics]*totals{}}
	s.was = m.readings(func(_, _ string, of *statistics) { // they may have served another server
		t := new(totals)
		t.addStatistics(of)
		s.each[of] = t
	})
	s.wg.Go(s.run)
	return s
}

func (s *sampler) stop() {
	close(s.done)
	s.wg.Wait()
}

func (s *sampler) run() {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.take(time.Now())
		case <-s.done:
			return
		}
	}
}

// take adds the sample of what happened since the last one.
func (s *sampler) take(now time.Time) {
	next := sample{at: now, took: now.Sub(s.last), inFlight: int(s.metrics.inflight.Load())}
	seen := make(map[*statistics]*totals, len(s.each))
	c := s.models()
	all := s.metrics.readings(func(name, version string, of *statistics) {
		t := new(totals)
		t.addStatistics(of)
		seen[of] = t
		was := s.each[of]
		if was == nil {
			was = new(totals)
		}
		m := modelSample{name: name, version: version, figures: t.since(was), queue: s.queueOf(c.find(name, version), &of.tally)}
		next.queue.add(m.queue)
		if !m.quiet() || m.queue.peak > 0 || m.queue.inFlight > 0 {
			next.models = append(next.models, m)
		}
	})
	next.all = all.since(&s.was)
	s.last, s.was, s.each = now, all, seen
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring[s.n%keptSamples] = next
	s.n++
}

// queueOf reads a queue. m is nil while the version does not serve.
func (s *sampler) queueOf(m *served, t *tally) (q queueSample) {
	defer func() {
		if v := recover(); v != nil { // of QueueStats; this goroutine is nobody's request
			s.panicked("", v)
		}
	}()
	q = queueSample{depth: int(t.depth.Load()), peak: t.takePeak()}
	if m != nil && m.QueueStats != nil {
		st := m.QueueStats()
		q.limit, q.inFlight = st.Limit, st.InFlight
	}
	return q
}

func (q *queueSample) add(o queueSample) {
	q.depth += o.depth
	q.peak += o.peak
	q.limit += o.limit
	q.inFlight += o.inFlight
}

// newest returns the samples that ended after since, oldest first, at most so many. They are not changed any more.
func (s *sampler) newest(since time.Time, most int) []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []sample
	for i := max(0, s.n-min(keptSamples, most)); i < s.n; i++ {
		if x := s.ring[i%keptSamples]; x.at.After(since) {
			out = append(out, x)
		}
	}
	return out
}

// retired are the totals of versions that are not loaded any more.
type retired struct {
	mu sync.Mutex
	totals
}

// retire forgets a version's statistics, but not what it added to the server's.
func (m *Metrics) retire(model, version string) {
	m.retired.mu.Lock()
	defer m.retired.mu.Unlock()
	if s, ok := m.stats.LoadAndDelete([2]string{model, version}); ok {
		m.retired.addStatistics(s.(*statistics))
	}
}

// readings calls of for each version, and returns the totals of the server, which contain what no version has.
func (m *Metrics) readings(of func(name, version string, s *statistics)) (all totals) {
	m.retired.mu.Lock()
	defer m.retired.mu.Unlock()
	all.add(&m.retired.totals)
	all.addTally(&m.nobody, m.nobody.sum())
	m.stats.Range(func(key, value any) bool {
		id, s := key.([2]string), value.(*statistics)
		all.addStatistics(s)
		of(id[0], id[1], s)
		return true
	})
	return all
}

// queueView is a version's queue at this moment.
type queueView struct {
	Depth     int     `json:"depth"`      // images that wait
	Limit     int     `json:"limit"`      // how many may
	InFlight  int     `json:"in_flight"`  // images that a runner has
	Runners   int     `json:"runners"`    // batches that can run at once
	Idle      int     `json:"idle"`       // runners that have nothing to do
	WaitMS    float64 `json:"wait_ms"`    // how long an image that came now would wait for its run
	DrainRate float64 `json:"drain_rate"` // images/s that leave a queue that does not get empty; 0: unknown
}

func viewQueue(st batching.Stats) *queueView {
	return &queueView{
		Depth: st.Queued, Limit: st.Limit, InFlight: st.InFlight, Runners: st.Runners, Idle: st.Idle,
		WaitMS: millisOf(st.Wait), DrainRate: roundTo(st.DrainRate, 10),
	}
}
