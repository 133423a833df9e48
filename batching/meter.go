package batching

import (
	"math"
	"time"
)

// meterHalfLife is how fast the drain rate forgets.
const meterHalfLife = 2 * time.Second

// meter measures how fast one runner drains the queue while there is one: from the beginning of a run to that of the next, so
// that what goes on between runs counts too, and with batches as large as they really were.
type meter struct {
	items float64 // fading sum
	busy  float64 // the seconds they took
	last  moment
}

// add notes that a runner needed took for n items, up to now.
func (m *meter) add(n int, took time.Duration, now moment) {
	keep := math.Exp2(-float64(now-m.last) / float64(meterHalfLife))
	m.items = m.items*keep + float64(n)
	m.busy = m.busy*keep + took.Seconds()
	m.last = now
}

// each returns the time an item took one runner of late, or 0 if that is not known.
func (m *meter) each(now moment) time.Duration {
	if m.items == 0 || now-m.last >= costMemory {
		return 0
	}
	return time.Duration(m.busy / m.items * float64(time.Second))
}

// eachLocked returns how long the queue needs for one item with all runners together: as measured of late, or else as the
// largest batch promises; 0 if neither is known.
func (b *Batcher[In, Out]) eachLocked(now moment) time.Duration {
	each := b.mu.drain.each(now)
	if each == 0 {
		most := b.mu.costs.most
		each = b.mu.costs.typical(most, now) / time.Duration(most)
	}
	return each / time.Duration(max(b.mu.alive, 1))
}

// retryAfterLocked estimates when n items will be served.
func (b *Batcher[In, Out]) retryAfterLocked(n int, now moment) time.Duration {
	if each := b.eachLocked(now); each > 0 {
		return each * time.Duration(n)
	}
	return retryUnknown
}
