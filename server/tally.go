package server

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/server/oip"
)

// outcomeKind is what became of a request.
type outcomeKind uint8

const (
	outcomeOK       outcomeKind = iota
	outcomeClient               // the client's doing: 4xx, and clients that left
	outcomeRefused              // turned away for load, or for want of a model: 429 and 503
	outcomeDeadline             // 504
	outcomeError                // the server's failure: any other 5xx
	numOutcomes
)

func outcomeOf(status int) outcomeKind {
	switch {
	case status < fasthttp.StatusBadRequest:
		return outcomeOK
	case status == fasthttp.StatusServiceUnavailable || status == fasthttp.StatusTooManyRequests:
		return outcomeRefused
	case status == fasthttp.StatusGatewayTimeout:
		return outcomeDeadline
	case status < fasthttp.StatusInternalServerError:
		return outcomeClient
	}
	return outcomeError
}

// tally counts the requests of one version, or those that reached none.
type tally struct {
	*shards
	depth atomic.Int64
	peak  atomic.Int64 // the highest depth since it was last read

	mu       sync.Mutex
	rejected map[string]uint64 // by reason
}

func (t *tally) reject(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rejected == nil {
		t.rejected = map[string]uint64{}
	}
	t.rejected[reason]++
}

// setDepth notes how many images wait.
func (t *tally) setDepth(depth int) {
	d := int64(depth)
	t.depth.Store(d)
	for peak := t.peak.Load(); d > peak && !t.peak.CompareAndSwap(peak, d); peak = t.peak.Load() {
	}
}

// takePeak returns the highest depth since the last call.
func (t *tally) takePeak() int { return int(max(t.peak.Swap(t.depth.Load()), t.depth.Load())) }

// totals is a reading of everything that only grows.
type totals struct {
	outcomes               [numOutcomes]uint64
	latency                latencies
	images, cached, shared uint64 // images holds the other two
	parts                  [numParts]partSum
	batches                map[int]uint64 // runs by size
	rejected               map[string]uint64
}

// part is a stage of a request that the model answered.
type part uint8

const (
	partDecode part = iota
	partQueue
	partInference
	numParts
)

type partSum struct{ n, ns uint64 }

// addTally adds a reading of t, and of the record that was read from it.
func (c *totals) addTally(t *tally, r *record) {
	for i, n := range r.outcomes {
		c.outcomes[i] += n
	}
	for i, n := range r.latency {
		c.latency[i] += n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rejected) > 0 {
		c.rejected = addCounts(c.rejected, t.rejected)
	}
}

// addStatistics adds a reading of s.
func (c *totals) addStatistics(s *statistics) {
	r := s.sum()
	c.addTally(&s.tally, r)
	hits, shared := s.hits.count.Load(), s.shared.Load()
	c.cached += hits
	c.shared += shared
	c.images += r.images + hits + shared
	for p, sum := range [numParts]oip.Duration{r.inputs, r.queues, r.inferences} {
		c.parts[p].n += sum.Count
		c.parts[p].ns += sum.NS
	}
	s.batchMu.Lock()
	defer s.batchMu.Unlock()
	for size, d := range s.batches {
		if c.batches == nil {
			c.batches = map[int]uint64{}
		}
		c.batches[size] += d.Count
	}
}

// add adds another reading.
func (c *totals) add(o *totals) {
	for i, n := range o.outcomes {
		c.outcomes[i] += n
	}
	for i, n := range o.latency {
		c.latency[i] += n
	}
	c.images += o.images
	c.cached += o.cached
	c.shared += o.shared
	for i, p := range o.parts {
		c.parts[i].n += p.n
		c.parts[i].ns += p.ns
	}
	c.batches = addCounts(c.batches, o.batches)
	c.rejected = addCounts(c.rejected, o.rejected)
}

func addCounts[K comparable](to, from map[K]uint64) map[K]uint64 {
	if to == nil {
		return maps.Clone(from)
	}
	for k, n := range from {
		to[k] += n
	}
	return to
}

// figures are what was counted between two readings, small enough to be kept.
type figures struct {
	outcomes               [numOutcomes]uint64
	latency                []bucketCount // in order
	images, cached, shared uint64
	parts                  [numParts]partSum
	batches                []batchCount // in order
	rejected               map[string]uint64
}

// batchCount is how many runs had a size.
type batchCount struct {
	Size  int    `json:"size"`
	Count uint64 `json:"count"`
}

// since is the difference to an earlier reading.
func (c *totals) since(was *totals) figures {
	f := figures{images: c.images - was.images, cached: c.cached - was.cached, shared: c.shared - was.shared}
	for i := range c.outcomes {
		f.outcomes[i] = c.outcomes[i] - was.outcomes[i]
	}
	for i := range c.latency {
		if n := c.latency[i] - was.latency[i]; n > 0 {
			f.latency = append(f.latency, bucketCount{uint16(i), n})
		}
	}
	for i := range c.parts {
		f.parts[i] = partSum{c.parts[i].n - was.parts[i].n, c.parts[i].ns - was.parts[i].ns}
	}
	for _, size := range slices.Sorted(maps.Keys(c.batches)) {
		if n := c.batches[size] - was.batches[size]; n > 0 {
			f.batches = append(f.batches, batchCount{size, n})
		}
	}
	for reason, n := range c.rejected {
		if n -= was.rejected[reason]; n > 0 {
			if f.rejected == nil {
				f.rejected = map[string]uint64{}
			}
			f.rejected[reason] = n
		}
	}
	return f
}

// addTo adds f to a reading: the sum of several seconds is their sum since nothing.
func (f *figures) addTo(c *totals) {
	for i, n := range f.outcomes {
		c.outcomes[i] += n
	}
	for _, b := range f.latency {
		c.latency[b.bucket] += b.n
	}
	c.images += f.images
	c.cached += f.cached
	c.shared += f.shared
	for i, p := range f.parts {
		c.parts[i].n += p.n
		c.parts[i].ns += p.ns
	}
	if c.batches == nil {
		c.batches = map[int]uint64{}
	}
	for _, b := range f.batches {
		c.batches[b.Size] += b.Count
	}
	c.rejected = addCounts(c.rejected, f.rejected)
}

// quiet reports whether nothing happened.
func (f *figures) quiet() bool {
	return f.outcomes == [numOutcomes]uint64{} && f.images == 0 && len(f.batches) == 0 && len(f.rejected) == 0
}
