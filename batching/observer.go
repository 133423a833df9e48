package batching

import "time"

// Observer is told what happens, for metrics and logs. Each field may be nil. The functions are called from the goroutines of
// callers and runners, many at once, with no lock held; they should be quick. A panic in one is contained: see shield.
type Observer struct {
	// Enqueued: an item was accepted; depth items wait, itself included.
	Enqueued func(depth int)

	// Dequeued: a runner took n items; depth items still wait.
	Dequeued func(n, depth int)

	// BatchDone: a call of Runner.Run is over. It comes before its callers are answered.
	BatchDone func(Batch)

	// Rejected: an item was answered without a result of a run, or its caller did not wait for it.
	Rejected func(Rejection)

	// Failed: a Run of runner i returned an error or panicked (*PanicError), a broken runner could not be made anew, or one panicked
	// when it was closed.
	Failed func(i int, err error)
}

// Batch describes one call of Runner.Run.
type Batch struct {
	Size   int
	Padded int // the bucket that it ran in; Size without Config.Buckets
	Reason Reason
	Queue  time.Duration // how long the one of its items had waited that came first
	Run    time.Duration
	Err    error // nil, what Run returned, or a *PanicError
}

// Reason says why a batch was run with the size it had.
type Reason uint8

// The reasons, the first that applies.
const (
	ReasonDeadline Reason = iota // a larger batch would have missed a deadline
	ReasonFull                   // MaxBatch was reached, or the largest batch that LatencyTarget allows
	ReasonBucket                 // it was cut to a bucket, because all is done earlier in several batches
	ReasonDrain                  // the queue is being drained
	ReasonIdle                   // its runner, or another, was idle: it took what there was, or its share of it
	ReasonBusy                   // it is what had gathered while all runners were busy
	ReasonIsolate                // an item of a failed batch ran again, alone
	numReasons
)

var reasonNames = [numReasons]string{"deadline", "full", "bucket", "drain", "idle", "busy", "isolate"}

// String returns a lowercase word, fit for a metric's label.
func (r Reason) String() string { return reasonNames[r] }

// Rejection says why an item got no result.
type Rejection uint8

// The rejections.
const (
	RejectedQueueFull Rejection = iota // refused at the door, or of Low priority and sent away for one of Normal: ErrQueueFull
	RejectedDraining                   // refused at the door, or in the queue when a drain ran out of time: ErrDraining
	RejectedDeadline                   // the deadline passed, or could not be met, before a run
	RejectedCancelled                  // the context was cancelled before a run
	RejectedAbandoned                  // the context ended during the run, whose result nobody took
	RejectedNoRunner                   // ErrNoRunner
	RejectedBacklog                    // refused at the door: ErrBacklog
	numRejections
)

var rejectionNames = [numRejections]string{"queue_full", "draining", "deadline", "cancelled", "abandoned", "no_runner", "backlog"}

// String returns a lowercase word, fit for a metric's label.
func (r Rejection) String() string { return rejectionNames[r] }

// Stats is a snapshot of a batcher. Counters count from Open.
type Stats struct {
	Queued    int // items that wait
	QueuedLow int // those of them of Low priority
	Limit     int // how many may wait now: MaxQueue, or what can be answered within LatencyTarget
	InFlight  int // items with a runner
	Runners   int // runners alive
	Idle      int // runners that wait for items

	Batches  [numReasons]uint64    // calls of Runner.Run, by Reason
	Items    uint64                // items with a result
	Failed   uint64                // items whose own run failed
	Rejected [numRejections]uint64 // by Rejection

	Wait       time.Duration // how long an item of Normal priority would wait for its run if it came now
	RetryAfter time.Duration // what a refusal would carry now
	DrainRate  float64       // items a second that leave a queue that does not get empty, as measured of late; 0: unknown
}

// Costs returns what is known of run times: element n is how long a batch of n items typically runs, 1 ≤ n ≤ MaxBatch, or 0 if
// that is unknown.
func (b *Batcher[In, Out]) Costs() []time.Duration {
	out := make([]time.Duration, b.cfg.MaxBatch+1)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for n := range out[1:] {
		out[n+1] = b.mu.costs.typical(n+1, now)
	}
	return out
}

// Stats returns a snapshot.
func (b *Batcher[In, Out]) Stats() Stats {
	b.mu.Lock()
	now := b.now()
	s := Stats{
		Queued:     b.waitingLocked(),
		QueuedLow:  b.mu.low.len(),
		Limit:      b.limitLocked(now),
		Runners:    b.mu.alive,
		Idle:       b.mu.idle,
		Batches:    b.mu.batches,
		Items:      b.mu.items,
		Failed:     b.mu.failed,
		Wait:       b.waitLocked(now),
		RetryAfter: b.retryAfterLocked(b.waitingLocked()+1, now),
	}
	if each := b.eachLocked(now); each > 0 {
		s.DrainRate = 1 / each.Seconds()
	}
	b.mu.Unlock()
	s.InFlight = int(b.inFlight.Load())
	for i := range s.Rejected {
		s.Rejected[i] = b.rejected[i].Load()
	}
	return s
}
