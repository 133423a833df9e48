package batching

import (
	"slices"
	"time"
)

const (
	// costMemory is how long a run's time counts without being seen again.
	costMemory = 10 * time.Second

	// costTrust is how long a cost may refuse items on its word alone. The word may be that of a warm-up on a busy machine; and
	// what tests it costs one run of a runner that has had nothing to do for so long.
	costTrust = time.Second

	// retryUnknown is the advice before anything was measured.
	retryUnknown = time.Second

	// sightingsKept is how many runs of one size are remembered; their median counts, so two outliers of five change nothing.
	sightingsKept = 5

	// Costs are spread around their typical value. The spread is a moving mean over about so many runs, and a cost that is to
	// hold is so many spreads above the typical one: for a normal distribution 99 of 100 runs keep it.
	spreadMemory  = 32
	spreadBegins  = 8 // the runs that the first spread, 0, stands for
	spreadsToHold = 3
	largestSpread = 0.5 // what one outlier adds at most
)

// costs tells how long batches run: the table given, if any, corrected by the runs seen, and interpolated between these.
//
// It is not safe for concurrent use: the batcher's lock guards it.
type costs struct {
	given   []time.Duration // by size, rising; nil when costs are learned
	at      []time.Duration // by size, rising: the typical run time as it is known now; 0 is unknown
	seen    []sightings     // by size
	up      []int           // by size: the bucket that it runs in
	steps   []int           // the buckets, rising; nil when every size is as good as any other
	first   []int           // by size: how many to run first when so many wait; nil without buckets
	target  time.Duration   // 0: none
	most    int             // the largest batch that the target allows
	spread  float64         // mean deviation of run times from the typical ones, as a share of these
	runs    int             // that made up spread, up to spreadMemory
	seenAny bool            // a run was seen
	ran     moment          // when a run last ended; 0 is when the batcher was opened
	last    moment          // the same, or when a probe was let through, if that is later
}

// sightings are the latest run times of one size.
type sightings struct {
	took [sightingsKept]time.Duration
	n    int // how many are known
	real int // how many of them are run times, and not what was believed before
	next int
	last moment
}

func (s *sightings) fresh(now moment) bool { return s.n > 0 && now-s.last < costMemory }

// firm reports whether most of it was seen.
func (s *sightings) firm(now moment) bool { return s.fresh(now) && 2*s.real > s.n }

func (s *sightings) add(took time.Duration) {
	s.took[s.next] = took
	s.next = (s.next + 1) % sightingsKept
	s.n = min(s.n+1, sightingsKept)
}

func (s *sightings) median() time.Duration {
	sorted := s.took
	slices.Sort(sorted[:s.n])
	return sorted[(s.n-1)/2]
}

// newCosts returns the costs of batches of up to largest items. Buckets rise, and end with largest.
func newCosts(largest int, buckets []int, target time.Duration) costs {
	c := costs{
		at: make([]time.Duration, largest+1), seen: make([]sightings, largest+1), up: make([]int, largest+1),
		steps: buckets, target: target, most: largest,
	}
	for n := range c.up {
		c.up[n] = n
		if i, _ := slices.BinarySearch(buckets, n); i < len(buckets) && n > 0 {
			c.up[n] = buckets[i]
		}
	}
	if len(buckets) > 0 {
		c.first = slices.Clone(c.up)
	}
	return c
}

// give makes the measured table the first estimate.
func (c *costs) give(cost func(n int) time.Duration) {
	c.given = make([]time.Duration, len(c.at))
	for n := 1; n < len(c.at); n++ {
		c.given[n] = max(cost(c.up[n]), c.given[n-1], 1)
	}
	copy(c.at, c.given)
	c.derive()
}

// known reports whether anything is known.
func (c *costs) known(now moment) bool {
	return c.given != nil || c.seenAny && now-c.ran < costMemory
}

// typical returns how long half of the batches of n run at most, or 0 if that is unknown.
func (c *costs) typical(n int, now moment) time.Duration {
	if !c.known(now) {
		return 0
	}
	return c.at[n]
}

// safe returns how long nearly all batches of n run at most, or 0 if that is unknown.
func (c *costs) safe(n int, now moment) time.Duration {
	t := c.typical(n, now)
	return t + time.Duration(spreadsToHold*c.spread*float64(t))
}

// sensible returns how many of n to run now, so that all n are done soonest.
func (c *costs) sensible(n int) int {
	if c.first == nil {
		return n
	}
	return c.first[n]
}

// trusted reports whether the costs were confirmed of late. A cost that refuses everybody can be proved wrong only by a run, so
// one that is not trusted may refuse nobody: the next item is let through as a probe.
func (c *costs) trusted(now moment) bool { return now-c.last < costTrust }

// learn takes note of a batch of n that ended at now.
func (c *costs) learn(n int, took time.Duration, now moment) {
	n = c.up[n]
	took = max(took, 1)
	s := &c.seen[n]
	believed := c.typical(n, now)
	if believed > 0 {
		off := min(max(took-believed, believed-took).Seconds()/believed.Seconds(), largestSpread)
		c.runs = min(c.runs+1, spreadMemory)
		c.spread += (off - c.spread) / float64(max(c.runs, spreadBegins))
	}
	if !s.fresh(now) {
		*s = sightings{}
		// One odd run does not overthrow what is believed with reason, unless nothing else has run for long, perhaps because of
		// that belief.
		if c.grounded(n, now) && (took > believed || now-c.ran < costTrust) {
			s.add(believed)
			s.add(believed)
		}
	}
	s.add(took)
	s.real = min(s.real+1, s.n)
	s.last, c.last, c.ran, c.seenAny = now, now, now, true
	c.fit(n, now)
	c.derive()
}

// fit makes the table anew from the sizes seen of late, the last of which is newest.
//
// With a given table, the sizes between two seen ones keep its shape, and are corrected by what these two show, in proportion;
// those outside as the nearest one. Without, the time itself is interpolated; a size below all seen ones counts in proportion,
// which is too little, so nobody is refused for want of knowledge; one above them lies on the line through the smallest and the
// largest, or in proportion if there is but one, which is too much, so the first batches grow with care.
//
// A larger batch never takes less time. Where the sightings say so, the newest is right.
func (c *costs) fit(newest int, now moment) {
	first, before := 0, 0 // the smallest seen size, and the one before n
	for n := 1; n < len(c.at); n++ {
		if c.up[n] != n || !c.seen[n].fresh(now) {
			continue
		}
		c.at[n] = c.seen[n].median()
		for m := before + 1; m < n; m++ {
			c.at[m] = c.between(before, n, m)
		}
		if first == 0 {
			first = n
		}
		before = n
	}
	for m := before + 1; m < len(c.at); m++ {
		if c.given == nil && first < before {
			each := (c.at[before] - c.at[first]) / time.Duration(before-first)
			c.at[m] = c.at[before] + max(0, each)*time.Duration(m-before)
		} else {
			c.at[m] = c.between(before, 0, m)
		}
	}
	c.rise(newest, now)
	for n := 1; n < len(c.at); n++ {
		c.at[n] = c.at[c.up[n]]
	}
}

// grounded reports whether the cost of n rests on a given table, or on runs of no more and of no fewer.
func (c *costs) grounded(n int, now moment) bool {
	fresh := func(s sightings) bool { return s.fresh(now) }
	return c.given != nil || slices.ContainsFunc(c.seen[:n+1], fresh) && slices.ContainsFunc(c.seen[n:], fresh)
}

// rise makes the table rise: what was hardly seen gives way to what was, and the older to the newest.
func (c *costs) rise(newest int, now moment) {
	least := never
	for n := len(c.at) - 1; n > 0; n-- {
		if c.seen[n].firm(now) {
			least = min(least, c.at[n])
		} else {
			c.at[n] = min(c.at[n], least)
		}
	}
	for n := 1; n < len(c.at); n++ {
		if n < newest {
			c.at[n] = min(c.at[n], c.at[newest])
		}
		c.at[n] = max(c.at[n], c.at[n-1])
	}
}

// between estimates the cost of m from that of lo below it and hi above it, of which one may be 0 for none.
func (c *costs) between(lo, hi, m int) time.Duration {
	if lo == 0 {
		lo = hi
	}
	if hi == 0 {
		hi = lo
	}
	share := 0.0
	if hi > lo {
		share = float64(m-lo) / float64(hi-lo)
	}
	if c.given == nil {
		if hi == lo {
			return c.at[lo] * time.Duration(m) / time.Duration(lo)
		}
		return c.at[lo] + time.Duration(share*float64(c.at[hi]-c.at[lo]))
	}
	a, b := float64(c.at[lo])/float64(c.given[lo]), float64(c.at[hi])/float64(c.given[hi])
	return max(1, time.Duration((a+(b-a)*share)*float64(c.given[m])))
}

// derive works out what follows from the table.
func (c *costs) derive() {
	if c.target > 0 {
		// An item that comes just after a batch was begun waits for its end, and then runs in one as large.
		c.most = 1
		for n := 2; n < len(c.at) && 2*c.safe(n, c.last) <= c.target; n++ {
			c.most = n
		}
	}
	if c.steps != nil {
		c.pack()
	}
}

// pack works out how many items to run first when n wait, so that all n are done soonest: in one batch, padded to its bucket, or
// in several. Of several the largest goes first, because more answers are early then.
func (c *costs) pack() {
	total := make([]time.Duration, len(c.at))
	for n := 1; n < len(c.at); n++ {
		total[n], c.first[n] = c.at[n], n
		for _, s := range c.steps {
			if s >= n {
				break
			}
			// Sums of noisy times: splitting must save something that is more than noise.
			if t := c.at[s] + total[n-s]; t <= total[n]-total[n]/64 {
				total[n], c.first[n] = t, max(s, c.first[n-s])
			}
		}
	}
}
