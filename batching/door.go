package batching

import "time"

const (
	// patience is what an item without an urgent deadline is taken to have, where no LatencyTarget says otherwise, or so many of
	// the largest batches if that is longer. It orders the line, and refuses nobody.
	patience        = time.Second
	patienceBatches = 4

	// lowPatience times as long an item of Low priority stands back; then it goes before all of Normal priority that came later.
	lowPatience = 8

	// Low may take this part of the queue, of which it keeps a smaller one when Normal needs all.
	lowShare   = 2  // one in
	lowReserve = 16 // one in
)

// admitLocked puts it into its line, or returns why it is refused. What is refused here has cost nothing yet.
func (b *Batcher[In, Out]) admitLocked(it *item[In, Out], now moment) (Rejection, error) {
	switch {
	case b.mu.draining:
		return RejectedDraining, b.retryLocked(ErrDraining, now)
	case b.mu.broken != nil:
		return RejectedNoRunner, b.mu.broken
	}
	if now+b.mu.costs.typical(1, now) > it.deadline {
		if b.mu.costs.trusted(now) {
			return RejectedDeadline, ErrDeadline
		}
		it.probe, b.mu.costs.last = true, now
	}
	if !b.roomLocked(it.priority, now) {
		b.mu.refused = now
		return RejectedQueueFull, b.retryLocked(ErrQueueFull, now)
	}
	it.due = b.dueLocked(it, now)
	b.mu.seq++
	it.seq = b.mu.seq
	line := b.lineLocked(it.priority)
	p := line.place(it)
	if it.deadline != never && !it.probe && (b.mu.idle == 0 || b.waitingLocked() > 0) {
		if end, harm := b.endLocked(it, p, now); end > it.deadline || harm {
			b.mu.refused = now
			late := max(end-it.deadline, b.eachLocked(now))
			return RejectedBacklog, &RetryError{Reason: ErrBacklog, RetryAfter: late}
		}
	}
	line.insert(p, it)
	if it.priority != Low {
		b.mu.normalAt = now
	}
	return 0, nil
}

// dueLocked orders the line. An item is due at its deadline or when its patience ends, whichever comes first. So those without
// urgent deadlines keep the order they came in, an urgent one goes before them, and nobody is overtaken for ever: only by those
// that come within its patience.
func (b *Batcher[In, Out]) dueLocked(it *item[In, Out], now moment) moment {
	d, last := max(patience, patienceBatches*b.mu.costs.typical(b.mu.costs.most, now)), &b.mu.normalDue
	if b.cfg.LatencyTarget > 0 {
		d = b.cfg.LatencyTarget
	}
	if it.priority == Low {
		d, last = d*lowPatience, &b.mu.lowDue
	}
	*last = max(*last, now+d) // Costs change; equals keep their order all the same.
	return min(it.deadline, *last)
}

// roomLocked reports whether an item of this priority may wait, and makes room for one of Normal priority by sending away the
// last one of Low.
func (b *Batcher[In, Out]) roomLocked(p Priority, now moment) bool {
	limit := b.limitLocked(now)
	reserve := (limit + lowReserve - 4) / lowReserve // From four places on it is one at least.
	waiting := b.waitingLocked()
	if p == Low {
		return waiting < max(1, limit/lowShare) || waiting < limit && b.mu.low.len() < reserve
	}
	if waiting < limit {
		return true
	}
	if b.mu.low.len() <= reserve {
		return false
	}
	b.dismissLocked(&b.mu.low, b.mu.low.len()-1, RejectedQueueFull, b.retryLocked(ErrQueueFull, now))
	return b.waitingLocked() < limit
}

func (b *Batcher[In, Out]) retryLocked(reason error, now moment) error {
	return &RetryError{Reason: reason, RetryAfter: b.retryAfterLocked(b.waitingLocked()+1, now)}
}
