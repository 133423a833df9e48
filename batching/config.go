package batching

import (
	"errors"
	"fmt"
	"time"
)

// Runner runs batches. It is made, used and closed by one goroutine that is locked to its OS thread for its whole life, so it may
// keep thread-local native state and its own buffers, and needs no lock.
type Runner[In, Out any] interface {
	// Run computes out[i] from in[i] for every i; len(in) == len(out), 1 to Config.MaxBatch. The elements of out are zero.
	//
	// Both slices and the items belong to the runner until Run returns, and must not be kept. The values put into out belong to
	// the callers. An error is for the whole batch; a panic counts as one.
	Run(in []In, out []Out) error

	// Close frees what the runner holds. It is the last call.
	Close()
}

// Breaker is implemented by a Runner that can tell when it is beyond use, such as after a device fault that every later run
// would meet again. It is asked after each failed Run; a broken runner is closed, and Config.NewRunner makes another in its place.
type Breaker interface {
	Broken() bool
}

// Gate is implemented by a Runner that may have to wait for other runners before it can run a batch. Enter is called before a
// Run is timed, so that the wait counts as time in the queue and not as what a batch costs; its error is the batch's.
type Gate interface {
	Enter() error
}

// Config says what to run and within which limits.
type Config[In, Out any] struct {
	// NewRunner makes runner i, 0 ≤ i < Runners, on the thread that will use it. Open calls it for one runner after the other, so
	// that warm-ups do not disturb each other's measurements. Needed.
	NewRunner func(i int) (Runner[In, Out], error)

	// Runners is how many batches run at once, each on its own OS thread. Default 1.
	Runners int

	// MaxBatch is the largest batch. Default 32.
	MaxBatch int

	// MaxQueue is how many items may wait at most; those that run do not count. Default 4 × MaxBatch × Runners, and four times as
	// many with a LatencyTarget, which then says how many may. More than can be served within a caller's patience only turns
	// quick refusals into late ones.
	MaxQueue int

	// LatencyTarget is the time from Do to the answer that a caller without a nearer deadline is promised. It bounds the queue, to
	// what can be answered within it, and the batch, to half of it, because an item may come when one has just begun. Both follow
	// the run times as they are seen. 0 means that only MaxQueue and the deadlines bound the queue.
	LatencyTarget time.Duration

	// Buckets are the sizes that the runner likes, in rising order, such as those it has CUDA graphs for. It is told the true size
	// all the same, and pads to the next bucket by itself. Those above MaxBatch are dropped; MaxBatch is always one. When empty,
	// every size is as good as any other.
	Buckets []int

	// Cost returns how long a batch of n items runs, 1 ≤ n ≤ MaxBatch, as measured, best with all runners busy. It is asked once
	// for each n after all runners are made, and is only where the batcher begins: the runs it sees correct it. When nil, the
	// costs are learned from the runs alone.
	Cost func(n int) time.Duration

	// Release is called exactly once for each item given to Do, when the batcher will not touch it any more, whatever Do returns.
	// It may be called from any goroutine, also after Do has returned (see the package comment). When nil, nothing is called.
	Release func(In)

	// Observer is told what happens.
	Observer Observer
}

// Result is the answer to one item.
type Result[Out any] struct {
	Value     Out
	BatchSize int           // items in the run that made Value
	Queue     time.Duration // from Do to the start of that run
	Run       time.Duration // how long that run took
}

// Priority orders what waits. Items of Low priority run when none of Normal waits, or in places of its batches that cost it next to
// nothing; they are refused first; and they are served nevertheless: an item that has waited for eight times the LatencyTarget, or
// where there is none for eight seconds or the time of 32 of the largest batches, goes before all of Normal that came later.
type Priority uint8

// The priorities.
const (
	Normal Priority = iota // somebody waits for the answer
	Low                    // bulk work, shadow traffic: when there is nothing better to do
)

const (
	defaultRunners  = 1
	defaultMaxBatch = 32
	defaultBacklog  = 4  // full batches a runner
	targetedBacklog = 16 // the same where LatencyTarget bounds the queue
)

// ensureDefaults fills in what was left zero and refuses what makes no sense.
func (c *Config[In, Out]) ensureDefaults() error {
	if c.NewRunner == nil {
		return errors.New("cannot open batcher: Config.NewRunner is nil")
	}
	if c.Runners < 0 || c.MaxBatch < 0 || c.MaxQueue < 0 || c.LatencyTarget < 0 {
		return fmt.Errorf("cannot open batcher: Runners %d, MaxBatch %d, MaxQueue %d and LatencyTarget %s must not be negative; 0 means the default",
			c.Runners, c.MaxBatch, c.MaxQueue, c.LatencyTarget)
	}
	if c.Runners == 0 {
		c.Runners = defaultRunners
	}
	if c.MaxBatch == 0 {
		c.MaxBatch = defaultMaxBatch
	}
	if c.MaxQueue == 0 {
		backlog := defaultBacklog
		if c.LatencyTarget > 0 {
			backlog = targetedBacklog
		}
		c.MaxQueue = backlog * c.MaxBatch * c.Runners
	}
	return c.ensureBuckets()
}

// ensureBuckets makes the buckets rise and end with MaxBatch.
func (c *Config[In, Out]) ensureBuckets() error {
	if len(c.Buckets) == 0 {
		return nil
	}
	var buckets []int
	for i, n := range c.Buckets {
		if n < 1 || i > 0 && n <= c.Buckets[i-1] {
			return fmt.Errorf("cannot open batcher: Buckets %v must be positive and rise", c.Buckets)
		}
		if n < c.MaxBatch {
			buckets = append(buckets, n)
		}
	}
	c.Buckets = append(buckets, c.MaxBatch)
	return nil
}
