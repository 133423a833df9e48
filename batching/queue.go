package batching

import (
	"context"
	"sync/atomic"
	"time"
)

// The states of an item say who owns it. Only the owner touches its fields.
//
//	waiting ──take──▶ taken ──────▶ answered     by its runner; the caller owns it again
//	   │                └─────────▶ abandoned    by its caller; the runner owns it and recycles it
//	   └──the caller withdraws it, or it is dismissed without a run
//
// waiting is left under the batcher's lock; taken is left by compare-and-swap, so that a runner that answers and a caller that
// leaves at the same moment agree on who was first.
const (
	waiting   int32 = iota // in the queue: the lock owns it
	taken                  // the runner owns it
	answered               // done holds a token or is about to: the caller owns it
	abandoned              // nobody waits for the answer: the runner owns it
)

// item is one call of Do on its way. Items are pooled, with their channels.
type item[In, Out any] struct {
	in       In
	ctx      context.Context
	deadline time.Time // zero: none
	enqueued time.Time

	state atomic.Int32
	done  chan struct{} // one slot, so that answering never blocks

	// The answer, valid once done was received from.
	res      Result[Out]
	err      error
	rejected bool // there was no run, for the reason why
	why      Rejection

	earliest   time.Time // scratch of pick: the earliest deadline from the queue's head to here
	prev, next *item[In, Out]
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
	it.res, it.err, it.rejected = Result[Out]{}, nil, false
}

// hopeless returns why the item cannot be run with success at now if a run of it alone takes cost, or nil.
func (it *item[In, Out]) hopeless(now time.Time, cost time.Duration) (Rejection, error) {
	if err := it.ctx.Err(); err != nil {
		return rejectionOf(err), err
	}
	if isAfter(now.Add(cost), it.deadline) {
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

// isAfter reports whether t is after the deadline; a zero deadline is never.
func isAfter(t, deadline time.Time) bool { return !deadline.IsZero() && t.After(deadline) }

// sooner returns the earlier of two deadlines; a zero deadline is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || isAfter(a, b) {
		return b
	}
	return a
}

// queue is a first-in, first-out list that gives up an item from its middle in constant time.
type queue[In, Out any] struct {
	head, tail *item[In, Out]
	len        int
}

func (q *queue[In, Out]) push(it *item[In, Out]) {
	it.prev = q.tail
	if q.tail == nil {
		q.head = it
	} else {
		q.tail.next = it
	}
	q.tail = it
	q.len++
}

// remove unlinks it and marks it taken.
//
// REQUIRES: it is in the queue.
func (q *queue[In, Out]) remove(it *item[In, Out]) {
	if it.prev == nil {
		q.head = it.next
	} else {
		it.prev.next = it.next
	}
	if it.next == nil {
		q.tail = it.prev
	} else {
		it.next.prev = it.prev
	}
	it.prev, it.next = nil, nil
	it.state.Store(taken)
	q.len--
}
