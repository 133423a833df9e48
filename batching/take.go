package batching

import "time"

// Idle runners share what waits if that makes it end earlier by a tenth, and by more than the waking of another thread takes. A
// cost curve so flat that a share takes nearly as long as the whole means that sharing occupies runners and gains nobody anything.
const (
	worthSharing = 10 // one part in
	wakingCost   = 50 * time.Microsecond
)

// take waits for items and returns the next batch for one runner, in the buffer given, and why it has its size. It returns an
// empty batch when there will be no more.
func (b *Batcher[In, Out]) take(batch []*item[In, Out]) ([]*item[In, Out], Reason) {
	b.mu.Lock()
	waited := false
	for {
		var cut bool
		batch, cut = b.pickLocked(batch[:0], time.Now())
		if len(batch) > 0 {
			reason := b.reasonLocked(len(batch), cut, waited)
			depth, more := b.mu.queue.len, b.mu.queue.len > 0 && b.mu.idle > 0
			b.mu.Unlock()

			if more {
				b.mu.wake.Signal()
			}
			b.inFlight.Add(int64(len(batch)))
			if f := b.cfg.Observer.Dequeued; f != nil {
				f(len(batch), depth)
			}
			return batch, reason
		}
		if b.mu.draining {
			b.mu.Unlock()
			return nil, 0
		}
		waited = true
		b.mu.idle++
		b.mu.wake.Wait()
		b.mu.idle--
	}
}

// pickLocked moves what the calling runner should run now from the queue to batch, and dismisses the dead items that it meets on
// the way. It reports whether a deadline made the batch smaller. An empty batch means an empty queue.
func (b *Batcher[In, Out]) pickLocked(batch []*item[In, Out], now time.Time) (_ []*item[In, Out], cut bool) {
	q := &b.mu.queue
	limit := b.shareLocked(q.len, b.mu.idle+1, now)
	alone := b.mu.costs.of(1, now)
	var earliest time.Time
	for it := q.head; it != nil && len(batch) < limit; {
		next := it.next
		if why, err := it.hopeless(now, alone); err != nil {
			b.dismissLocked(it, why, err)
		} else {
			earliest = sooner(earliest, it.deadline)
			it.earliest = earliest
			batch = append(batch, it)
		}
		it = next
	}
	n := len(batch)
	for n > 1 && isAfter(now.Add(b.mu.costs.of(n, now)), batch[n-1].earliest) {
		n--
	}
	for _, it := range batch[:n] {
		q.remove(it)
	}
	return batch[:n], n < len(batch)
}

// shareLocked returns how many of the waiting items one of so many idle runners should take.
func (b *Batcher[In, Out]) shareLocked(waiting, idle int, now time.Time) int {
	whole := min(waiting, b.cfg.MaxBatch)
	share := (waiting + idle - 1) / idle
	if share >= whole {
		return whole
	}
	cost := b.mu.costs.of(whole, now)
	saved := cost - b.mu.costs.of(share, now)
	if cost > 0 && saved < max(cost/worthSharing, wakingCost) {
		return whole
	}
	return share
}

// reasonLocked names what decided the size of a batch of n.
func (b *Batcher[In, Out]) reasonLocked(n int, cut, waited bool) Reason {
	switch {
	case cut:
		return ReasonDeadline
	case n == b.cfg.MaxBatch:
		return ReasonFull
	case b.mu.draining:
		return ReasonDrain
	case waited || b.mu.idle > 0:
		return ReasonIdle
	}
	return ReasonBusy
}

// dismissLocked answers a queued item without a run.
func (b *Batcher[In, Out]) dismissLocked(it *item[In, Out], why Rejection, err error) {
	b.mu.queue.remove(it)
	it.refuse(why, err)
	if !it.answer() {
		panic("BUG: the caller of a queued item left without the lock")
	}
}

// dismissAllLocked answers all queued items without a run and returns their number.
func (b *Batcher[In, Out]) dismissAllLocked(why Rejection, err error) int {
	n := b.mu.queue.len
	for b.mu.queue.head != nil {
		b.dismissLocked(b.mu.queue.head, why, err)
	}
	return n
}
