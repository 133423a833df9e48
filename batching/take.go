package batching

import "sync"

// take waits for items and returns the next batch for w's runner, in the buffer of w, and why it has its size. It returns an empty
// batch when there will be no more.
func (b *Batcher[In, Out]) take(w *worker[In, Out]) ([]*item[In, Out], Reason) {
	b.mu.Lock()
	b.mu.until[w.i] = 0
	waited := false
	for {
		now := b.now()
		batch, why := b.pickLocked(w.batch[:0], w.i, now)
		if n := len(batch); n > 0 {
			reason := b.reasonLocked(n, why, waited)
			b.mu.until[w.i] = max(1, now+b.mu.costs.typical(n, now))
			depth := b.waitingLocked()
			var sleeper *sync.Cond
			if depth > 0 {
				sleeper = b.wakeLocked()
			}
			b.mu.Unlock()

			if waited {
				w.free = now
			}
			w.backlog = !waited || depth > 0
			if sleeper != nil {
				sleeper.Signal()
			}
			b.inFlight.Add(int64(n))
			b.tellDequeued(n, depth)
			return batch, reason
		}
		if b.mu.draining {
			b.mu.Unlock()
			return nil, 0
		}
		waited = true
		b.mu.idle++
		for b.mu.asleep[w.i] = true; b.mu.asleep[w.i]; {
			b.mu.wake[w.i].Wait()
		}
		b.mu.idle--
	}
}

// cut says what made a batch smaller than it could have been.
type cut uint8

const (
	notCut cut = iota
	cutByDeadline
	cutByBucket
)

// pickLocked moves what runner r should run now from the lines to batch, and dismisses the dead items that it meets on the way. It
// reports what made the batch smaller. An empty batch means that nothing waits.
func (b *Batcher[In, Out]) pickLocked(batch []*item[In, Out], r int, now moment) (_ []*item[In, Out], why cut) {
	costs := &b.mu.costs
	limit := b.shareLocked(b.mu.normal.len()+b.agedLocked(now), b.mu.idle+1, now)
	g := b.gatherLocked(batch, limit, 0, 0, now)
	if whole := len(g.batch); whole > 1 && now+costs.safe(whole, now) > g.earliest {
		n := b.bestLocked(r, whole, now)
		if n < whole {
			why = cutByDeadline
		}
		rescue := min(b.rescueLocked(r, now), now+costs.typical(n, now))
		if g = b.gatherLocked(batch, n, now+costs.safe(n, now), rescue, now); len(g.batch) == 0 {
			// Nobody is safe. Whoever is likely to be in time is tried, and else the most urgent one.
			if g = b.gatherLocked(batch, n, now+costs.typical(n, now), rescue, now); len(g.batch) == 0 {
				g = b.gatherLocked(batch, 1, 0, 0, now)
			}
		}
	}
	if n := len(g.batch); n == 0 {
		limit = b.shareLocked(b.mu.low.len(), b.mu.idle+1, now)
		b.fillLocked(&g, b.lowAloneLocked(limit, now), now)
	} else if first := costs.sensible(n); first < n {
		why = cutByBucket
		g.batch = g.batch[:first]
	} else if g.normal == b.mu.normal.len() && why == notCut {
		b.fillLocked(&g, b.spareLocked(n, g.earliest, now), now)
	}
	for _, it := range g.batch {
		it.state.Store(taken)
	}
	b.mu.normal.sweep(g.normal)
	b.mu.low.sweep(g.low)
	return g.batch, why
}

// gathered is a batch in the making. Nothing is taken out of the lines for it yet.
type gathered[In, Out any] struct {
	batch       []*item[In, Out]
	earliest    moment // the first deadline in it
	normal, low int    // how many items of each line were looked at
}

// gatherLocked collects the first items of the lines, at most limit, whose deadlines are not before end. The others are left where
// they are, or dismissed if they have no time for a run of their own that begins at rescue, when a runner is free again. So is
// whatever has no time for a run of its own now.
func (b *Batcher[In, Out]) gatherLocked(batch []*item[In, Out], limit int, end, rescue, now moment) gathered[In, Out] {
	g := gathered[In, Out]{batch: batch[:0], earliest: never}
	alone := b.mu.costs.typical(1, now)
	for len(g.batch) < limit {
		line, at := &b.mu.normal, &g.normal
		if b.lowIsFirstLocked(g.normal, g.low, now) {
			line, at = &b.mu.low, &g.low
		}
		if *at == line.len() {
			break
		}
		it := line.items()[*at]
		why, err := it.dead(now + alone)
		if err == nil && it.deadline < end && !it.probe && rescue+alone > it.deadline {
			why, err = RejectedDeadline, ErrDeadline
		}
		switch {
		case err != nil:
			b.dismissLocked(line, *at, why, err)
			continue
		case it.deadline >= end || it.probe:
			g.batch = append(g.batch, it)
			if !it.probe {
				g.earliest = min(g.earliest, it.deadline)
			}
		}
		*at++
	}
	return g
}

// lowIsFirstLocked reports whether, after the first items of both lines, one of Low priority is next: it has waited so long that
// it is due, and longer than the next one of Normal.
func (b *Batcher[In, Out]) lowIsFirstLocked(normal, low int, now moment) bool {
	if low == b.mu.low.len() {
		return false
	}
	l := b.mu.low.items()[low]
	return l.due <= now && (normal == b.mu.normal.len() || l.due < b.mu.normal.items()[normal].due)
}

// agedLocked returns how many items of Low priority are due.
func (b *Batcher[In, Out]) agedLocked(now moment) int {
	n := 0
	for _, it := range b.mu.low.items() {
		if it.due > now {
			break
		}
		n++
	}
	return n
}

// fillLocked adds items of Low priority until the batch has size items.
func (b *Batcher[In, Out]) fillLocked(g *gathered[In, Out], size int, now moment) {
	end := now + b.mu.costs.typical(max(1, size), now)
	for len(g.batch) < size && g.low < b.mu.low.len() {
		it := b.mu.low.items()[g.low]
		if why, err := it.dead(end); err != nil {
			b.dismissLocked(&b.mu.low, g.low, why, err)
			continue
		}
		g.batch = append(g.batch, it)
		g.low++
	}
}

// reasonLocked names what decided the size of a batch of n.
func (b *Batcher[In, Out]) reasonLocked(n int, why cut, waited bool) Reason {
	switch {
	case why == cutByDeadline:
		return ReasonDeadline
	case n == b.mu.costs.most:
		return ReasonFull
	case why == cutByBucket:
		return ReasonBucket
	case b.mu.draining:
		return ReasonDrain
	case waited || b.mu.idle > 0:
		return ReasonIdle
	}
	return ReasonBusy
}

// dismissLocked answers the item in place i of a line without a run.
func (b *Batcher[In, Out]) dismissLocked(l *line[In, Out], i int, why Rejection, err error) {
	it := l.items()[i]
	l.remove(i)
	it.refuse(why, err)
	if !it.answer() {
		panic("BUG: the caller of a queued item left without the lock")
	}
}

// dismissAllLocked answers all queued items without a run and returns their number.
func (b *Batcher[In, Out]) dismissAllLocked(why Rejection, err error) int {
	n := b.waitingLocked()
	for _, l := range []*line[In, Out]{&b.mu.normal, &b.mu.low} {
		for l.len() > 0 {
			b.dismissLocked(l, 0, why, err)
		}
	}
	return n
}
