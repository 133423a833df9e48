package batching

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrQueueFull is returned by Do, inside a *RetryError, when as many items wait as may: MaxQueue, or what can be answered
	// within LatencyTarget. An item of Low priority gets it earlier, and also after it was queued, when one of Normal needs its place.
	ErrQueueFull = errors.New("batching: queue is full")

	// ErrBacklog is returned by Do, inside a *RetryError, when what waits before the item, or what it would delay, is too much
	// for a deadline. The item was not queued.
	ErrBacklog = errors.New("batching: too much waits for the item to be run before its deadline")

	// ErrDraining is returned by Do, inside a *RetryError, from the first moment of Drain or Close on, and to the items that are
	// still queued when a Drain runs out of time.
	ErrDraining = errors.New("batching: no work is accepted any more")

	// ErrDeadline is returned by Do when a run, even of the item alone, would end after the item's deadline, or when an item that was
	// queued lost the time for a run to others.
	// errors.Is(err, context.DeadlineExceeded) holds for it.
	ErrDeadline = fmt.Errorf("batching: item cannot be run before its deadline: %w", context.DeadlineExceeded)

	// ErrNoRunner is returned by Do when every runner broke and none could be made in its place. The error that stood in the way
	// is wrapped beside it.
	ErrNoRunner = errors.New("batching: no runner is left")
)

// RetryError is a refusal that time heals.
type RetryError struct {
	// Reason is ErrQueueFull, ErrBacklog or ErrDraining.
	Reason error

	// RetryAfter estimates when all that waits now will be served, from the queue's length and the rate at which it drained in
	// the last seconds; with ErrBacklog, when so much of it will be served that the same item would be accepted.
	RetryAfter time.Duration
}

// Error implements error.
func (e *RetryError) Error() string {
	return fmt.Sprintf("%s; retry after %.3f seconds", e.Reason, e.RetryAfter.Seconds())
}

// Unwrap lets errors.Is find the reason.
func (e *RetryError) Unwrap() error { return e.Reason }

// PanicError is what a panic in Runner.Run becomes.
type PanicError struct {
	Value any    // what was panicked with
	Stack []byte // of the goroutine that panicked, for the log
}

// Error implements error. The stack is not part of it: errors are sent to clients, stacks are not.
func (e *PanicError) Error() string { return fmt.Sprintf("batching: panic in runner: %v", e.Value) }

// Unwrap returns the value if it was an error, such as a runtime.Error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
