package batching

import "time"

// A forecast runs the queue in thought: full batches, each on the runner that is free first, each as long as nearly all such
// batches run at most. It looks at batches, not at items, so it costs some ten nanoseconds for each batch that waits.

// freeLocked returns when each runner is likely to be free, never for one that is closed, in a buffer that is valid until the next
// call.
func (b *Batcher[In, Out]) freeLocked(now moment) []moment {
	free := b.mu.free[:0]
	for _, until := range b.mu.until {
		if until == 0 {
			until = now
		} else if until < now {
			until = now + (now - until) // It is late. What has been late for some time is taken to be so for as long again.
		}
		free = append(free, until)
	}
	return free
}

// soonest returns the index of the earliest moment.
func soonest(free []moment) int {
	least := 0
	for i := range free {
		if free[i] < free[least] {
			least = i
		}
	}
	return least
}

// endLocked forecasts when it would be answered if it were now put into place p of its line, behind ahead more that will be put there
// before it, and whether an item behind it would then miss a deadline that it meets otherwise. Those ahead are taken to have the
// same deadline.
//
// A batch is made smaller for it only if it overtakes somebody. What comes last, and has no time for the batch that its company
// makes, could be served under load only if everybody's batches were small.
func (b *Batcher[In, Out]) endLocked(it *item[In, Out], p, ahead int, now moment) (end moment, harm bool) {
	free := b.freeLocked(now)
	if free[soonest(free)] == never {
		return now, false
	}
	line, most := b.mu.normal.items(), b.mu.costs.most
	if it.priority == Low {
		// Nobody of Low is looked after, but all of Normal goes first.
		return free[soonest(free)] + b.costLocked(it, most, now)*moment((p+ahead+len(line))/most/len(free)) + b.costLocked(it, 1, now), false
	}
	at, all := p+ahead, len(line)+ahead+1
	previous, cut := now, moment(0)
	for i := 0; i < all; {
		r := soonest(free)
		n := min(most, all-i)
		if i < p && at < i+n {
			n = b.fitLocked(free[r], line[i].deadline, n, now) // It must not cost its company the deadline.
		}
		last := free[r] + b.costLocked(it, n, now)
		switch {
		case i <= at && at < i+n:
			if at == all-1 && all >= most {
				return free[r] + b.costLocked(it, most, now), false // Others will follow, and join its batch.
			}
			if last > it.deadline && at < all-1 {
				n = at - i + 1
				cut = b.costLocked(it, n, now)
				last = free[r] + cut
			}
			end = last
		case i > at:
			// Its first item is the most urgent one. Without it, that one would be in the batch before, or this batch earlier.
			if d := line[i-1-ahead].deadline; last > d && min(previous, last-cut) <= d {
				return end, true
			}
		}
		previous, free[r] = last, last
		i += n
	}
	return end, false
}

// costLocked returns how long a batch is taken to run for a forecast about it: see DoAsked.
func (b *Batcher[In, Out]) costLocked(it *item[In, Out], n int, now moment) time.Duration {
	if it.asked {
		return b.mu.costs.typical(n, now)
	}
	return b.mu.costs.safe(n, now)
}

// fitLocked returns the largest batch, of most at most and 1 at least, that ends by the deadline if it is begun at start.
func (b *Batcher[In, Out]) fitLocked(start, deadline moment, most int, now moment) int {
	for most > 1 && start+b.mu.costs.safe(most, now) > deadline {
		most--
	}
	return most
}

// limitLocked returns how many items may wait: MaxQueue, or as many as can be answered within LatencyTarget. At worst an item
// finds every runner at the beginning of a batch: it waits for that one's end, for the batches before its own, and for its own.
func (b *Batcher[In, Out]) limitLocked(now moment) int {
	most := b.mu.costs.most
	cost := b.mu.costs.safe(most, now)
	if b.cfg.LatencyTarget == 0 || cost == 0 {
		return b.cfg.MaxQueue
	}
	batches := max(1, int(b.cfg.LatencyTarget/cost)-1)
	return min(b.cfg.MaxQueue, batches*most*max(b.mu.alive, 1))
}

// waitLocked forecasts how long an item of Normal priority without a deadline would wait for its run if it came now.
func (b *Batcher[In, Out]) waitLocked(now moment) moment {
	free := b.freeLocked(now)
	if free[soonest(free)] == never {
		return 0
	}
	most := b.mu.costs.most
	cost := b.mu.costs.typical(most, now)
	for range b.mu.normal.len() / most {
		free[soonest(free)] += cost
	}
	return free[soonest(free)] - now
}
