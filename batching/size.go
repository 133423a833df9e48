package batching

import "time"

// Idle runners share what waits if that makes it end earlier by a tenth, and by more than the waking of another thread takes. A
// cost curve so flat that a share takes nearly as long as the whole means that sharing occupies runners and gains nobody anything.
const (
	worthSharing = 10 // one part in
	wakingCost   = 50 * time.Microsecond
)

const (
	// What Low priority adds to a batch of Normal, or to a lone run that one of Normal might have to wait for, is harmless if it
	// is no more than this part of it.
	harmless = 8 // one part in

	// While Normal is silent, a batch of Low may run for this part of the silence: the longer it has lasted, the less likely it
	// ends just now.
	silenceUsed = 4 // one part in
)

const (
	sizesWeighed = 8 // at most, when not all deadlines can be met
	batchesAhead = 4 // a runner, that are looked at for it
)

// shareLocked returns how many of the waiting items one of so many idle runners should take.
func (b *Batcher[In, Out]) shareLocked(waiting, idle int, now moment) int {
	whole := min(waiting, b.mu.costs.most)
	share := (waiting + idle - 1) / idle
	if share >= whole {
		return whole
	}
	cost := b.mu.costs.typical(whole, now)
	saved := cost - b.mu.costs.typical(share, now)
	if cost > 0 && saved < max(cost/worthSharing, wakingCost) {
		return whole
	}
	return share
}

// lowAloneLocked returns how many items of Low priority, up to limit, may run as a batch of their own.
func (b *Batcher[In, Out]) lowAloneLocked(limit int, now moment) int {
	alone := b.mu.costs.typical(1, now)
	return b.growLocked(min(1, limit), limit, max(alone+alone/harmless, (now-b.mu.normalAt)/silenceUsed), now)
}

// spareLocked returns to how many a batch of n of Normal priority, the first of which is due at earliest, may be filled up.
func (b *Batcher[In, Out]) spareLocked(n int, earliest, now moment) int {
	cost := b.mu.costs.typical(n, now)
	size := b.growLocked(n, b.mu.costs.most, cost+cost/harmless, now)
	for size > n && now+b.mu.costs.safe(size, now) > earliest {
		size--
	}
	return size
}

// growLocked returns the largest batch from n to most that runs for at most bound; n if nothing is known.
func (b *Batcher[In, Out]) growLocked(n, most int, bound moment, now moment) int {
	for n < most {
		if cost := b.mu.costs.typical(n+1, now); cost == 0 || cost > bound {
			break
		}
		n++
	}
	return n
}

// bestLocked returns the size for the next batch of runner r when one of whole would miss a deadline in it. It weighs the sizes by
// which one more of the urgent items is saved each, and takes the one by which the fewest are lost. Between equal ones the larger
// is better.
func (b *Batcher[In, Out]) bestLocked(r, whole int, now moment) int {
	best, least := 1, -1.0
	n, weighed := 0, 0
	for _, it := range b.mu.normal.items() {
		fits := max(1, n)
		for fits < whole && now+b.mu.costs.safe(fits+1, now) <= it.deadline {
			fits++
		}
		if fits < whole && fits < n+max(1, n/sizesWeighed) {
			continue
		}
		if weighed++; weighed == sizesWeighed {
			fits = whole
		}
		n = fits
		if lost := b.lostLocked(r, n, whole, now); least < 0 || lost <= least {
			best, least = n, lost
		}
		if n == whole {
			break
		}
	}
	return best
}

// lostLocked forecasts how many items are lost if runner r begins a batch of n now, where whole would have been possible: those
// that have no time for it, those behind that will be late because of it, and, while the door refuses some, those that find no
// place because small batches get less done. An item that another runner may still save counts half.
func (b *Batcher[In, Out]) lostLocked(r, n, whole int, now moment) float64 {
	costs := &b.mu.costs
	end, rescue := now+costs.safe(n, now), b.rescueLocked(r, now)
	free := b.freeLocked(now)
	free[r] = end

	lost, got, left, finish := 0.0, 0, 0, moment(0)
	line := b.mu.normal.items()
	for i, it := range line[:min(len(line), whole+batchesAhead*costs.most*len(free))] {
		switch {
		case it.deadline < end && rescue < end && rescue+costs.typical(1, now) <= it.deadline:
			lost += 0.5
		case it.deadline < end:
			lost++
		case got < n:
			got++
		default:
			if left == 0 {
				s := soonest(free)
				left = b.fitLocked(free[s], it.deadline, min(costs.most, len(line)-i), now)
				finish = free[s] + costs.safe(left, now)
				free[s] = finish
			}
			if left--; it.deadline < finish {
				lost++
			}
		}
	}
	if b.pressedLocked(now) {
		could := float64(whole) * float64(costs.safe(n, now)) / float64(costs.safe(whole, now))
		lost += max(0, could-float64(got))
	}
	return lost
}

// rescueLocked returns when a runner other than r is likely to be free; never if there is none.
func (b *Batcher[In, Out]) rescueLocked(r int, now moment) moment {
	free := b.freeLocked(now)
	free[r] = never
	return free[soonest(free)]
}

// pressedLocked reports whether, less than a full batch ago, an item was refused at the door for want of capacity.
func (b *Batcher[In, Out]) pressedLocked(now moment) bool {
	return b.mu.refused > 0 && now-b.mu.refused < b.mu.costs.safe(b.mu.costs.most, now)
}
