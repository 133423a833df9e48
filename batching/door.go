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
	why, doubt, err := b.hopelessLocked(it, now)
	if err != nil {
		return why, err
	}
	if doubt {
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
	if !it.probe {
		if err := b.backlogLocked(it, p, 0, 0, now); err != nil {
			return RejectedBacklog, err
		}
	}
	line.insert(p, it)
	if it.priority != Low {
		b.mu.normalAt = now
	}
	return 0, nil
}

// hopelessLocked returns why it cannot be run, whatever waits. doubt says that its deadline is too near by a cost that is not
// trusted: the item may be the probe.
func (b *Batcher[In, Out]) hopelessLocked(it *item[In, Out], now moment) (why Rejection, doubt bool, err error) {
	switch {
	case b.mu.draining:
		return RejectedDraining, false, b.retryLocked(ErrDraining, now)
	case b.mu.broken != nil:
		return RejectedNoRunner, false, b.mu.broken
	case now+b.mu.costs.typical(1, now) <= it.deadline:
		return 0, false, nil
	case b.mu.costs.trusted(now):
		return RejectedDeadline, false, ErrDeadline
	}
	return 0, true, nil
}

// backlogLocked returns why an item that would be put into place p of its line, behind ahead more that are on their way, has no
// time before its deadline, or nil. What is made only then has at least a batch of its own
// before it; where making is what limits, that is not a full one, and so leaves time for the rest of the one that it finds running.
func (b *Batcher[In, Out]) backlogLocked(it *item[In, Out], p, ahead int, making time.Duration, now moment) error {
	if it.deadline == never || b.mu.idle > 0 && b.waitingLocked()+ahead == 0 {
		return nil
	}
	end, harm := b.endLocked(it, p, ahead, now)
	if most := b.mu.costs.most; making > 0 {
		end = max(end, now+making+b.mu.costs.safe(most, now))
	}
	if end <= it.deadline && !harm {
		return nil
	}
	b.mu.refused = now
	return &RetryError{Reason: ErrBacklog, RetryAfter: max(end-it.deadline, b.eachLocked(now))}
}

// dueLocked orders the line. An item is due at its deadline or when its patience ends, whichever comes first. So those without
// urgent deadlines keep the order they came in, an urgent one goes before them, and nobody is overtaken for ever: only by those
// that come within its patience.
func (b *Batcher[In, Out]) dueLocked(it *item[In, Out], now moment) moment {
	last := &b.mu.normalDue
	if it.priority == Low {
		last = &b.mu.lowDue
	}
	*last = b.patienceLocked(it.priority, now)
	return min(it.deadline, *last)
}

// patienceLocked returns when the patience of an item that comes now ends. Costs change; equals keep their order all the same.
func (b *Batcher[In, Out]) patienceLocked(p Priority, now moment) moment {
	d := max(patience, patienceBatches*b.mu.costs.typical(b.mu.costs.most, now))
	if b.cfg.LatencyTarget > 0 {
		d = b.cfg.LatencyTarget
	}
	if p == Low {
		return max(b.mu.lowDue, now+d*lowPatience)
	}
	return max(b.mu.normalDue, now+d)
}

// roomLocked reports whether an item of this priority may wait, and makes room for one of Normal priority by sending away the
// last one of Low.
func (b *Batcher[In, Out]) roomLocked(p Priority, now moment) bool {
	free, dismiss := b.placeLocked(p, 0, now)
	if !dismiss {
		return free
	}
	b.dismissLocked(&b.mu.low, b.mu.low.len()-1, RejectedQueueFull, b.retryLocked(ErrQueueFull, now))
	return b.waitingLocked() < b.limitLocked(now)
}

// placeLocked reports whether an item of this priority may wait beside ahead more that are on their way, and otherwise whether one
// of Low has to go for it.
func (b *Batcher[In, Out]) placeLocked(p Priority, ahead int, now moment) (free, dismiss bool) {
	limit := b.limitLocked(now)
	reserve := (limit + lowReserve - 4) / lowReserve // From four places on it is one at least.
	waiting := b.waitingLocked() + ahead
	if p == Low {
		return waiting < max(1, limit/lowShare) || waiting < limit && b.mu.low.len() < reserve, false
	}
	return waiting < limit, waiting >= limit && b.mu.low.len() > reserve
}

func (b *Batcher[In, Out]) retryLocked(reason error, now moment) error {
	return &RetryError{Reason: reason, RetryAfter: b.retryAfterLocked(b.waitingLocked()+1, now)}
}
