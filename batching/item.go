package batching

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// moment is a time since the batcher was opened.
type moment = time.Duration

// never is the deadline of an item that has none.
const never moment = math.MaxInt64

// The states of an item say who owns it. Only the owner touches its fields.
//
//	waiting ──take──▶ taken ──────▶ answered     by its runner; the caller owns it again
//	   │                └─────────▶ abandoned    by its caller; the runner owns it and recycles it
//	   └──the caller withdraws it, or it is dismissed without a run
//
// waiting is left under the batcher's lock; taken is left by compare-and-swap, so that a runner that answers and a caller that
// leaves at the same moment agree on who was first.
const (
	waiting   int32 = iota // in a line: the lock owns it
	taken                  // the runner owns it
	answered               // done holds a token or is about to: the caller owns it
	abandoned              // nobody waits for the answer: the runner owns it
)

// item is one call of Do on its way. Items are pooled, with their channels.
type item[In, Out any] struct {
	in       In
	ctx      context.Context
	priority Priority
	enqueued moment
	deadline moment // never: none
	due      moment // its place in its line
	seq      uint64 // which of those due at the same moment came first
	probe    bool   // let through to test a cost that nothing has confirmed of late
	asked    bool   // Refusal has let it through before it was made

	state atomic.Int32
	done  chan struct{} // one slot, so that answering never blocks

	// The answer, valid once done was received from.
	res      Result[Out]
	err      error
	rejected bool // there was no run, for the reason why
	why      Rejection
}

// refuse makes err the answer.
func (it *item[In, Out]) refuse(why Rejection, err error) {
	it.rejected, it.why, it.err = true, why, err
}

// answer hands it back to its caller, and returns false if the caller has left.
//
// REQUIRES: the calling goroutine owns it, and no longer does if true is returned.
func (it *item[In, Out]) answer() bool {
	if !it.state.CompareAndSwap(taken, answered) {
		return false
	}
	it.done <- struct{}{}
	return true
}

// clear forgets everything but the channel.
func (it *item[In, Out]) clear() {
	var in In
	it.in, it.ctx = in, nil
	it.res, it.err, it.rejected, it.probe = Result[Out]{}, nil, false, false
}

// dead returns why a run of the item that ends at end would be in vain, or nil.
func (it *item[In, Out]) dead(end moment) (Rejection, error) {
	if err := it.ctx.Err(); err != nil {
		return rejectionOf(err), err
	}
	if end > it.deadline && !it.probe {
		return RejectedDeadline, ErrDeadline
	}
	return 0, nil
}

// rejectionOf classifies a context's error.
func rejectionOf(err error) Rejection {
	if err == context.DeadlineExceeded {
		return RejectedDeadline
	}
	return RejectedCancelled
}
