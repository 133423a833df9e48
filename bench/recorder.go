package bench

import (
	"maps"
	"runtime"
	"sync"
	"time"
)

// binsLimit is the number of bins that a run's timeline has at most.
const binsLimit = 300

// recorder takes down how requests fared. Many goroutines may record at once: each does so in a shard, which it shares with few.
type recorder struct {
	from, until time.Time // the window
	deadline    time.Duration
	bound       time.Duration // 0: none
	width       time.Duration // of a bin
	shards      []shard
}

// shard is a part of what was recorded, or the whole once merged.
type shard struct {
	mu       sync.Mutex
	due      int64               // requests of the window that have ended
	latency  [outcomes]histogram // since a request was due
	service  [outcomes]histogram // since it was sent
	waited   histogram           // of answers, and of requests that were given up
	lag      histogram
	inTime   int64 // answers that came by their deadline
	beyond   int64 // requests that were not answered within the bound
	capped   int64 // requests that found every connection busy
	kinds    map[string]int64
	done     [outcomes]int64 // ended within the window, whenever they were due
	goodDone int64           // answered in time, within the window
	images   int64           // answered within the window
	bins     []bin
	_        [64]byte // the next shard's lock is another processor's
}

// bin is a moment of the window.
type bin struct {
	waited histogram // of the requests that were due in it
	done   [outcomes]int64
	images int64
}

func newRecorder(from time.Time, window, deadline time.Duration) *recorder {
	width := time.Second
	for window > binsLimit*width {
		width *= 2
	}
	r := &recorder{from: from, until: from.Add(window), deadline: deadline, width: width, shards: make([]shard, min(runtime.GOMAXPROCS(0), 8))}
	for i := range r.shards {
		r.shards[i].kinds = map[string]int64{}
		r.shards[i].bins = make([]bin, (window+width-1)/width)
	}
	return r
}

// shard returns the shard of the i-th worker.
func (r *recorder) shard(i int) *shard { return &r.shards[i%len(r.shards)] }

// in reports whether t lies in the window.
func (r *recorder) in(t time.Time) bool { return !t.Before(r.from) && t.Before(r.until) }

func (r *recorder) bin(s *shard, t time.Time) *bin { return &s.bins[t.Sub(r.from)/r.width] }

// record notes a request: when it was due, when it was sent and when it ended.
func (r *recorder) record(s *shard, due, sent, done time.Time, reply Reply) {
	wanted, ended := r.in(due), r.in(done)
	if !wanted && !ended {
		return
	}
	took := done.Sub(due)
	good := reply.Outcome == Answered && (r.deadline == 0 || took <= r.deadline)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended {
		b := r.bin(s, done)
		s.done[reply.Outcome]++
		b.done[reply.Outcome]++
		s.images += int64(reply.Images)
		b.images += int64(reply.Images)
		if good {
			s.goodDone++
		}
	}
	if !wanted {
		return
	}
	s.due++
	s.latency[reply.Outcome].record(took, 3)
	s.service[reply.Outcome].record(done.Sub(sent), 3)
	if reply.Outcome == Answered || reply.Kind == kindTimeout {
		s.waited.record(took, 3)
		r.bin(s, due).waited.record(took, 2)
	}
	if good {
		s.inTime++
	}
	if r.bound > 0 && (reply.Outcome != Answered || took > r.bound) {
		s.beyond++
	}
	if reply.Kind != "" {
		s.kinds[reply.Kind]++
	}
}

// recordLag notes that the client did late what was due at a time.
func (r *recorder) recordLag(s *shard, due time.Time, lag time.Duration) {
	if !r.in(due) {
		return
	}
	s.mu.Lock()
	s.lag.record(lag, 3)
	s.mu.Unlock()
}

// recordCapped notes that a request had to wait for a connection.
func (r *recorder) recordCapped(s *shard, due time.Time) {
	if !r.in(due) {
		return
	}
	s.mu.Lock()
	s.capped++
	s.mu.Unlock()
}

// merged returns everything that was recorded so far.
func (r *recorder) merged() *shard {
	m := &shard{kinds: map[string]int64{}, bins: make([]bin, len(r.shards[0].bins))}
	for i := range r.shards {
		m.add(&r.shards[i])
	}
	return m
}

func (m *shard) add(s *shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.due += s.due
	m.inTime += s.inTime
	m.beyond += s.beyond
	m.capped += s.capped
	m.goodDone += s.goodDone
	m.images += s.images
	m.waited.merge(s.waited)
	m.lag.merge(s.lag)
	for i := range s.latency {
		m.latency[i].merge(s.latency[i])
		m.service[i].merge(s.service[i])
		m.done[i] += s.done[i]
	}
	for kind, n := range maps.All(s.kinds) {
		m.kinds[kind] += n
	}
	for i := range s.bins {
		from, to := &s.bins[i], &m.bins[i]
		to.waited.merge(from.waited)
		to.images += from.images
		for o := range from.done {
			to.done[o] += from.done[o]
		}
	}
}

// beyond returns the number of requests that were not answered within the bound.
func (r *recorder) beyond() (n int64) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += s.beyond
		s.mu.Unlock()
	}
	return n
}

// latest merges the last bin that lies wholly before t, for a line of progress.
func (r *recorder) latest(t time.Time) (b bin, ok bool) {
	at := int(t.Sub(r.from)/r.width) - 1
	if t.Before(r.from) || at < 0 || at >= len(r.shards[0].bins) {
		return b, false
	}
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		b.waited.merge(s.bins[at].waited)
		b.images += s.bins[at].images
		for o := range b.done {
			b.done[o] += s.bins[at].done[o]
		}
		s.mu.Unlock()
	}
	return b, true
}
