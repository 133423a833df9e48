package server

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/torchlit/torchlit/server/oip"
)

// record is what requests add up to: of one version of one model since the server was started, or of those that reached none. It
// only grows, but for last: whoever wants to know of one second takes the difference of two readings. Prometheus, the protocol's
// statistics and the dashboard are all read from it.
//
// Times of the protocol's sums are those of requests, not of images, as in Triton: a client that divides them by the number of
// requests gets what a request waited for. Of the images of one request the slowest counts. Prometheus' are of images.
type record struct {
	codes    []codeCount // requests by status
	outcomes [numOutcomes]uint64
	latency  latencies // of requests that were let in: outcomeOK, outcomeDeadline and outcomeError

	request                            durations // of requests
	decode, queue, inference           durations // of images
	success, fail                      oip.Duration
	inputs, queues, inferences, output oip.Duration // of requests that the model answered

	images uint64 // that the model answered
	last   int64  // when the latest request was answered by the model; milliseconds since 1970
}

// codeCount is how many requests had a status.
type codeCount struct {
	status int
	n      uint64
}

// countCode counts n requests by their status. Few statuses are ever seen, and nearly all requests have the first one.
func (r *record) countCode(status int, n uint64) {
	for i := range r.codes {
		if c := &r.codes[i]; c.status == status {
			c.n += n
			return
		}
	}
	r.codes = append(r.codes, codeCount{status, n})
}

// countOutcome counts a request that asked for an answer.
func (r *record) countOutcome(status int, took time.Duration) {
	o := outcomeOf(status)
	r.outcomes[o]++
	if o != outcomeClient && o != outcomeRefused {
		r.latency.add(took)
	}
}

// countRequest counts a request that reached the model.
func (r *record) countRequest(ex *exchange, status int) {
	t := &ex.timing
	r.countCode(status, 1)
	r.countOutcome(status, t.total)
	r.request.add(t.total)
	if status >= 400 {
		addDuration(&r.fail, t.total)
		return
	}
	addDuration(&r.success, t.total)
	if t.cacheUse == cacheHit || ex.images == 0 {
		return // the model had no part in it
	}
	addDuration(&r.queues, t.queue)
	addDuration(&r.inputs, t.decode)
	addDuration(&r.inferences, t.inference)
	if ex.answered > 0 {
		addDuration(&r.output, t.total-ex.answered)
	}
	r.last = max(r.last, ex.start.Add(t.total).UnixMilli())
}

// countImage counts an image that the model answered.
func (r *record) countImage(t timing) {
	r.images++
	r.queue.add(t.queue)
	r.inference.add(t.inference)
}

// add adds another record.
func (r *record) add(o *record) {
	for _, c := range o.codes {
		r.countCode(c.status, c.n)
	}
	for i, n := range o.outcomes {
		r.outcomes[i] += n
	}
	for i, n := range o.latency {
		r.latency[i] += n
	}
	for _, p := range [...]struct{ to, from *durations }{
		{&r.request, &o.request}, {&r.decode, &o.decode}, {&r.queue, &o.queue}, {&r.inference, &o.inference},
	} {
		p.to.addAll(p.from)
	}
	for _, p := range [...]struct{ to, from *oip.Duration }{
		{&r.success, &o.success}, {&r.fail, &o.fail},
		{&r.inputs, &o.inputs}, {&r.queues, &o.queues}, {&r.inferences, &o.inferences}, {&r.output, &o.output},
	} {
		p.to.Count += p.from.Count
		p.to.NS += p.from.NS
	}
	r.images += o.images
	r.last = max(r.last, o.last)
}

func addDuration(d *oip.Duration, took time.Duration) {
	d.Count++
	d.NS += uint64(max(took, 0))
}

// durations is a histogram as Prometheus has it.
type durations struct {
	buckets [len(durationBounds) + 1]uint64 // the last one is for what is longer than all bounds
	ns      uint64
}

// durationBounds reach from a queue wait on an idle machine to a deadline, three a decade.
var durationBounds = [...]time.Duration{
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// durationBuckets are the bounds in seconds.
func durationBuckets() []float64 {
	var seconds []float64
	for _, bound := range durationBounds {
		seconds = append(seconds, bound.Seconds())
	}
	return seconds
}

func (d *durations) add(took time.Duration) {
	i := 0
	for i < len(durationBounds) && took > durationBounds[i] {
		i++
	}
	d.buckets[i]++
	d.ns += uint64(max(took, 0))
}

func (d *durations) addAll(o *durations) {
	for i, n := range o.buckets {
		d.buckets[i] += n
	}
	d.ns += o.ns
}

// shards are a record in pieces, one for each processor, so that all may count at once.
//
// A small request adds to some thirty numbers. The obvious way makes each an atomic: then every request locks the bus thirty
// times, and every one of a dozen cache lines goes back and forth between the processors; that took four times as long. Here a
// request takes the piece of the processor that it runs on, whose mutex hardly anybody else wants, and adds as ordinary code
// does. A reader locks one piece after the other and adds them up: what is counted meanwhile
// is in this reading or in the next.
//
// Only a sync.Pool knows which processor it is called on, so it holds pointers to the pieces. What the garbage collector
// takes out of it is a pointer: two processors may share a piece from then on, which is right and a little slower.
type shards struct {
	pieces []piece
	taken  atomic.Uint32
	free   sync.Pool // *piece
}

type piece struct {
	mu sync.Mutex
	record
	_ [64]byte // the next piece's mutex is on another cache line
}

func newShards() *shards { return &shards{pieces: make([]piece, runtime.GOMAXPROCS(0))} }

// lock returns this processor's piece, locked.
func (s *shards) lock() *piece {
	p, ok := s.free.Get().(*piece)
	if !ok {
		p = &s.pieces[int(s.taken.Add(1))%len(s.pieces)]
	}
	p.mu.Lock()
	return p
}

// unlock gives it back.
func (s *shards) unlock(p *piece) {
	p.mu.Unlock()
	s.free.Put(p)
}

// sum adds all pieces up.
func (s *shards) sum() *record {
	r := new(record)
	for i := range s.pieces {
		p := &s.pieces[i]
		p.mu.Lock()
		r.add(&p.record)
		p.mu.Unlock()
	}
	return r
}
