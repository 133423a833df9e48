package server

import (
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/torchlit/torchlit/monitor"
)

// answerCache remembers what models said. It holds probabilities, not replies: one entry serves every top_k and every
// protocol.
//
// Otter's policy, W-TinyLFU, lets an entry displace another only if it was asked for more often of late. That suits
// images: most are seen once, and with plain LRU a stream of those would wash out the few that come again and again.
type answerCache struct {
	cache *otter.Cache[imageKey, cachedAnswer]
	bytes prometheus.Gauge
}

type cachedAnswer struct {
	probabilities []float32
	embedding     []float32
	batchSize     int
	image         monitor.Image
}

// entryOverhead is what an entry takes beside its probabilities: its key, its place in the table and in the policy's queues.
const entryOverhead = 256

func weightOf(_ imageKey, a cachedAnswer) uint32 {
	return uint32(entryOverhead + 4*(len(a.probabilities)+len(a.embedding)))
}

// newAnswerCache makes a cache of at most so many bytes. With a ttl its entries are forgotten after that time.
func newAnswerCache(bytes int64, ttl time.Duration, m *Metrics) *answerCache {
	c := &answerCache{bytes: m.cacheBytes}
	o := &otter.Options[imageKey, cachedAnswer]{
		MaximumWeight: uint64(bytes),
		Weigher:       weightOf,
		// At once, on the goroutine that puts an answer in: so the bound holds whenever nobody is at it.
		Executor: func(task func()) { task() },
		OnDeletion: func(e otter.DeletionEvent[imageKey, cachedAnswer]) {
			c.bytes.Sub(float64(weightOf(e.Key, e.Value)))
			if e.WasEvicted() {
				m.cacheEvictions.Inc()
			}
		},
	}
	if ttl > 0 {
		o.ExpiryCalculator = otter.ExpiryCreating[imageKey, cachedAnswer](ttl)
	}
	cache, err := otter.New(o)
	if err != nil {
		panic(fmt.Sprintf("BUG: a cache of %d bytes: %v", bytes, err)) // Config.Validate has looked at them
	}
	c.cache = cache
	return c
}

func (c *answerCache) get(key imageKey) (inference, bool) {
	a, ok := c.cache.GetIfPresent(key)
	return inference{probabilities: a.probabilities, embedding: a.embedding, batchSize: a.batchSize, image: a.image}, ok
}

func (c *answerCache) put(key imageKey, a *inference) {
	v := cachedAnswer{a.probabilities, a.embedding, a.batchSize, a.image}
	c.bytes.Add(float64(weightOf(key, v)))
	c.cache.Set(key, v)
}

// forget drops what models said that are not served any more. What a request under way puts in later is never asked for,
// and is displaced in time.
func (c *answerCache) forget(instances map[uint64]bool) {
	for key := range c.cache.Keys() {
		if instances[key.instance] {
			c.cache.Invalidate(key)
		}
	}
}

func (c *answerCache) close() {
	c.cache.InvalidateAll()
	c.cache.StopAllGoroutines()
}
