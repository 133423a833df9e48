package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/torchlit/torchlit/batching"
)

// shared gives one answer to many requests: those that come later find it in the cache, those that come at the same
// time wait for the one that came first.
//
// What makes two images the same is the loading of the model, the form they came in, and the SHA-256 of their bytes as
// received. The loading, not the version's name: a version that was loaded anew may say something else. A
// hash that resists collisions, not a fast one: whoever can make two images with one hash could have the answer to
// the first given to those who upload the second. Processors have instructions for it; an upload of 100 kB takes some
// 60 µs, which decoding takes twenty times.
//
// # Waiting together
//
// The requests for one image that are under way at once are a flight. Its first request leads: it decodes its own copy
// of the image, in its own handler, because an upload's memory ends with its handler. Then the pixels are ours, and a
// goroutine of the flight asks the model. From there on the leader waits as the others do, each until its own
// deadline, or until its client leaves.
//
// The goal: nobody fares worse for having shared. The obvious way, in which the leader does the work and hands the
// result round, fails it: when the leader's client leaves, all fail. So:
//
//   - The model is asked under a context that no single request ends. It ends when the last one has gone.
//   - It tells the batcher the leader's deadline, so the leader's place in the batches is the one it had alone. If that
//     deadline passes in the queue, or the leader gives up before it has decoded, the flight is over without an
//     answer, and each of those who still wait tries again; the first of them leads. A run that has begun goes on.
//   - Images of different priority do not share a flight: an urgent one would wait in a queue for the patient.
//
// An error that comes of the image or of the server's state is everybody's; none is remembered. So is a panic.
type shared struct {
	s     *Server
	cache *answerCache // nil for none
	dedup bool

	wg sync.WaitGroup // one for each flight that asks the model

	mu      sync.Mutex
	flights map[flightKey]*flight
}

// imageKey says which image it is, and who is asked about it.
type imageKey struct {
	instance uint64 // of served
	f        encoding
	sum      [sha256.Size]byte
}

type flightKey struct {
	imageKey
	p batching.Priority
}

// flight is what the requests for one image wait for.
type flight struct {
	done  chan struct{} // closed when a and again are set
	a     inference
	again bool // the leader's deadline or leaving ended it: who still waits tries again

	// Under shared.mu.
	waiting int
	cancel  context.CancelCauseFunc // nil before the model is asked
}

// flightContext ends with its Context, but tells the deadline of the request that leads.
type flightContext struct {
	context.Context
	deadline time.Time
}

func (c flightContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// newShared returns nil when cfg wants neither.
func newShared(s *Server, cfg *Config) *shared {
	if cfg.CacheBytes == 0 && !cfg.Dedup {
		return nil
	}
	h := &shared{s: s, dedup: cfg.Dedup, flights: map[flightKey]*flight{}}
	if cfg.CacheBytes > 0 {
		h.cache = newAnswerCache(cfg.CacheBytes, cfg.CacheTTL, cfg.Metrics)
	}
	return h
}

// close returns when no flight asks a model any more. All requests must have ended.
func (h *shared) close() {
	h.wg.Wait()
	if h.cache != nil {
		h.cache.close()
	}
}

// infer is Server.infer.
func (h *shared) infer(ctx context.Context, id string, l lease, f encoding, data []byte, p batching.Priority) inference {
	begin := time.Now()
	key := imageKey{instance: l.instance, f: f, sum: sha256.Sum256(data)}
	if a, ok := h.lookUp(key, l, begin); ok {
		return a
	}
	if h.dedup {
		return h.inferTogether(ctx, id, l, f, data, flightKey{key, p}, begin)
	}
	looked := time.Since(begin)
	a := h.s.inferAlone(ctx, id, l, f, data, p)
	h.keep(key, l, &a, looked)
	return a
}

// lookUp asks the cache.
func (h *shared) lookUp(key imageKey, l lease, begin time.Time) (a inference, ok bool) {
	if h.cache == nil {
		return a, false
	}
	if a, ok = h.cache.get(key); !ok {
		return a, false
	}
	a.timing.cache, a.timing.cacheUse = time.Since(begin), cacheHit
	l.counts.cacheHit(a.timing.cache)
	l.predicted(likeliest(a.probabilities))
	if l.shadow != nil {
		l.shadow.into.drop(l.shadow.counts, "cached")
	}
	return a, true
}

// keep notes that a was not in the cache, and puts it there.
func (h *shared) keep(key imageKey, l lease, a *inference, looked time.Duration) {
	if h.cache == nil {
		return
	}
	a.timing.cache, a.timing.cacheUse = looked, cacheMiss
	l.counts.cacheMiss(looked)
	if a.err == nil {
		h.cache.put(key, a)
	}
}

// inferTogether waits for the flight of key, or leads it.
func (h *shared) inferTogether(ctx context.Context, id string, l lease, f encoding, data []byte, key flightKey, begin time.Time) inference {
	for {
		fl, leads := h.board(key)
		if leads {
			return h.lead(ctx, id, l, f, data, key, fl, begin)
		}
		joined := time.Now()
		a, again := h.wait(ctx, key, fl)
		if again && ctx.Err() == nil {
			continue
		}
		if again {
			a.err = context.Cause(ctx)
		}
		a.picture = nil // the leader's
		a.timing = sharedTiming(a.timing, time.Since(joined), joined.Sub(begin))
		if a.err == nil {
			l.counts.shared()
			l.predicted(likeliest(a.probabilities))
		}
		return a
	}
}

// sharedTiming is where the time of a request went that waited for another's answer: a part of the run, and before it
// the queue, even if the leader was decoding then.
func sharedTiming(leader timing, waited, looked time.Duration) timing {
	run := min(leader.inference, waited)
	return timing{queue: waited - run, inference: run, cache: looked, cacheUse: cacheShared}
}

// lead decodes, has the model asked, and waits with the others.
func (h *shared) lead(ctx context.Context, id string, l lease, f encoding, data []byte, key flightKey, fl *flight, begin time.Time) inference {
	if a, ok := h.lookUp(key.imageKey, l, begin); ok { // an earlier flight has landed since
		h.land(key, fl, a, false)
		return a
	}
	looked := time.Since(begin)
	r, err := h.s.makeReady(ctx, id, l, f, data, key.p)
	if err != nil {
		a := inference{timing: r.timing, err: err}
		h.land(key, fl, a, ctx.Err() != nil || aboutDeadline(err))
		return a
	}
	flying, cancel := context.WithCancelCause(context.Background())
	deadline, _ := ctx.Deadline()
	h.mu.Lock()
	fl.cancel = cancel
	h.mu.Unlock()
	l.again() // requests may leave before the model is done
	h.wg.Go(func() {
		defer l.unhold()
		defer cancel(nil)
		a := h.s.ask(flightContext{flying, deadline}, r, key.p)
		h.keep(key.imageKey, l, &a, looked)
		h.land(key, fl, a, aboutDeadline(a.err))
	})
	a, _ := h.wait(ctx, key, fl)
	return a
}

// aboutDeadline reports whether err was about the leader's deadline, not about the image.
func aboutDeadline(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, batching.ErrBacklog) || errors.Is(err, errDecodeLate)
}

// board joins the flight of key, or begins it.
func (h *shared) board(key flightKey) (fl *flight, leads bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if fl := h.flights[key]; fl != nil {
		fl.waiting++
		return fl, false
	}
	fl = &flight{done: make(chan struct{}), waiting: 1}
	h.flights[key] = fl
	return fl, true
}

// wait returns what came of fl, or an error as soon as ctx is over. again says that the flight ended without a word
// on the image.
func (h *shared) wait(ctx context.Context, key flightKey, fl *flight) (a inference, again bool) {
	select {
	case <-fl.done:
	case <-ctx.Done():
		if h.leave(key, fl) {
			return inference{err: context.Cause(ctx)}, false
		}
		<-fl.done // the answer came first
	}
	return fl.a, fl.again
}

// leave takes a request out of a flight, and ends the flight with its last one. It reports false when the flight has
// landed.
func (h *shared) leave(key flightKey, fl *flight) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.flights[key] != fl {
		return false
	}
	fl.waiting--
	if fl.waiting == 0 {
		delete(h.flights, key)
		fl.cancel(errAllGone)
	}
	return true
}

// land tells everybody in fl.
func (h *shared) land(key flightKey, fl *flight, a inference, again bool) {
	fl.a, fl.again = a, again
	h.mu.Lock()
	if h.flights[key] == fl { // else nobody waits any more, and the key may be another flight's
		delete(h.flights, key)
	}
	h.mu.Unlock()
	close(fl.done)
}
