package batching

import "time"

// Observer is told what happens, for metrics and logs. Each field may be nil. The functions are called from the goroutines of
// callers and runners, many at once, with no lock held; they should be quick and must not panic.
type Observer struct {
	// Enqueued: an item was accepted; depth items wait, itself included.
	Enqueued func(depth int)

	// Dequeued: a runner took n items; depth items still wait.
	Dequeued func(n, depth int)

	// BatchDone: a call of Runner.Run is over. It comes before its callers are answered.
	BatchDone func(Batch)

	// Rejected: an item was answered without a result of a run, or its caller did not wait for it.
	Rejected func(Rejection)

	// Failed: a Run of runner i returned an error or panicked (*PanicError), or a broken runner could not be made anew.
	Failed func(i int, err error)
}

// Batch describes one call of Runner.Run.
type Batch struct {
	Size   int
	Reason Reason
	Queue  time.Duration // how long its first item had waited, the longest of all
	Run    time.Duration
	Err    error // nil, what Run returned, or a *PanicError
}

// Reason says why a batch was run with the size it had.
type Reason uint8

// The reasons, the first that applies.
const (
	ReasonDeadline Reason = iota // a larger batch would have missed a deadline
	ReasonFull                   // MaxBatch was reached
	ReasonDrain                  // the queue is being drained
	ReasonIdle                   // its runner, or another, was idle: it took what there was, or its share of it
	ReasonBusy                   // it is what had gathered while all runners were busy
	ReasonIsolate                // an item of a failed batch ran again, alone
	numReasons
)

var reasonNames = [numReasons]string{"deadline", "full", "drain", "idle", "busy", "isolate"}

// String returns a lowercase word, fit for a metric's label.
func (r Reason) String() string { return reasonNames[r] }

// Rejection says why an item got no result.
type Rejection uint8

// The rejections.
const (
	RejectedQueueFull Rejection = iota // refused at the door: ErrQueueFull
	RejectedDraining                   // refused at the door, or in the queue when a drain ran out of time: ErrDraining
	RejectedDeadline                   // the deadline passed, or could not be met, before a run
	RejectedCancelled                  // the context was cancelled before a run
	RejectedAbandoned                  // the context ended during the run, whose result nobody took
	RejectedNoRunner                   // ErrNoRunner
	numRejections
)

var rejectionNames = [numRejections]string{"queue_full", "draining", "deadline", "cancelled", "abandoned", "no_runner"}

// String returns a lowercase word, fit for a metric's label.
func (r Rejection) String() string { return rejectionNames[r] }

// Stats is a snapshot of a batcher. Counters count from Open.
type Stats struct {
	Queued   int // items that wait
	InFlight int // items with a runner
	Runners  int // runners alive
	Idle     int // runners that wait for items

	Batches  [numReasons]uint64    // calls of Runner.Run, by Reason
	Items    uint64                // items with a result
	Failed   uint64                // items whose own run failed
	Rejected [numRejections]uint64 // by Rejection

	PerItem    time.Duration // moving average of run time over batch size; 0 before the first run
	RetryAfter time.Duration // what a refusal would carry now
}
