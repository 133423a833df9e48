package batching

import "time"

const (
	// costMemory is how long a learned cost counts without being seen again.
	costMemory = 10 * time.Second

	// retryUnknown is the advice before anything was measured.
	retryUnknown = time.Second
)

// costs tells how long batches run: from the table given, or else from what was seen.
//
// It is not safe for concurrent use: the batcher's lock guards it.
type costs struct {
	given []time.Duration // by size; nil when costs are learned
	seen  []sighting      // by size
	item  time.Duration   // moving average of run time over batch size
}

type sighting struct {
	took time.Duration // moving average
	at   time.Time     // of the last sighting; zero: none
}

// of returns the cost of a batch of n, or 0 if it is unknown. A size not seen of late is reckoned in proportion to the nearest
// smaller size that was, which is too much, so batches grow with care; or else to the nearest larger one, which is too little,
// so nobody is refused for want of knowledge.
func (c *costs) of(n int, now time.Time) time.Duration {
	if c.given != nil {
		return c.given[n]
	}
	for m := n; m > 0; m-- {
		if c.fresh(m, now) {
			return c.seen[m].took * time.Duration(n) / time.Duration(m)
		}
	}
	for m := n + 1; m < len(c.seen); m++ {
		if c.fresh(m, now) {
			return c.seen[m].took * time.Duration(n) / time.Duration(m)
		}
	}
	return 0
}

func (c *costs) fresh(n int, now time.Time) bool {
	s := &c.seen[n]
	return !s.at.IsZero() && now.Sub(s.at) < costMemory
}

// learn takes note of a batch of n that ended at now.
func (c *costs) learn(n int, took time.Duration, now time.Time) {
	if s := &c.seen[n]; c.fresh(n, now) {
		*s = sighting{s.took + (took-s.took)/4, now}
	} else {
		*s = sighting{took, now}
	}
	each := took / time.Duration(n)
	if c.item == 0 {
		c.item = each
	}
	c.item += (each - c.item) / 8
}

// retryAfter estimates when runners will have served n items.
func (c *costs) retryAfter(n, runners int) time.Duration {
	each := c.item
	if each == 0 && c.given != nil {
		largest := len(c.given) - 1
		each = c.given[largest] / time.Duration(largest)
	}
	if each == 0 {
		return retryUnknown
	}
	return each * time.Duration(n) / time.Duration(max(runners, 1))
}
