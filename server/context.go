package server

import (
	"context"
	"sync"
	"time"
)

// requestContext is a context that ends with the request's deadline, when its client leaves, or with the server. Its
// Err is the cause.
//
// The standard library's would be a cancelCtx with a cause, a timerCtx on top of it, a map for the one in the
// other, a channel and a timer: a third of what a small request costs. And a request whose answer is ready at once never waits for
// the end of its context. So this is one struct; the first call of Done makes the channel,
// sets the timer, and has the client watched. finish must follow before the request's handler returns.
type requestContext struct {
	deadline time.Time
	watcher  *watcher
	conn     *conn // nil when it cannot be looked at

	mu    sync.Mutex
	err   error         // why it is over
	done  chan struct{} // nil before Done
	timer *time.Timer   // likewise
	place int           // in watcher.waiting, plus 1; 0 when it is not there. Under watcher.mu.
}

// Deadline implements context.Context.
func (c *requestContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Value implements context.Context.
func (c *requestContext) Value(any) any { return nil }

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	if c.done != nil {
		c.mu.Unlock()
		return c.done
	}
	c.done = make(chan struct{})
	if c.err != nil {
		close(c.done)
		c.mu.Unlock()
		return c.done
	}
	c.timer = time.AfterFunc(time.Until(c.deadline), c.expire)
	c.mu.Unlock()
	c.watcher.add(c)
	if c.over() { // finish may have looked for it before it was there
		c.watcher.remove(c)
	}
	return c.done
}

func (c *requestContext) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// Err implements context.Context. It is context.DeadlineExceeded, or errors.Is(err, context.Canceled) holds.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && !time.Now().Before(c.deadline) {
		c.endLocked(context.DeadlineExceeded)
	}
	return c.err
}

func (c *requestContext) expire() { c.end(context.DeadlineExceeded) }

// end ends the context, if it is not over.
func (c *requestContext) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(cause)
}

func (c *requestContext) endLocked(cause error) {
	if c.err != nil {
		return
	}
	c.err = cause
	if c.done != nil {
		close(c.done)
		c.timer.Stop()
	}
}

// finish ends the context with its handler. Whoever still has it finds it over.
func (c *requestContext) finish() {
	c.mu.Lock()
	c.endLocked(context.Canceled)
	watched := c.done != nil
	c.mu.Unlock()
	if watched {
		c.watcher.remove(c)
	}
}

// waitedFor reports whether somebody waits for the end, or did: then he may hold c longer than the handler. Who has never called Done
// must not, as Model.Infer says.
func (c *requestContext) waitedFor() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done != nil
}

// cancellation is a reason for which a context was cancelled.
type cancellation string

func (c cancellation) Error() string { return string(c) }

// Is makes errors.Is find context.Canceled, as the users of a context expect of its Err.
func (c cancellation) Is(target error) bool { return target == context.Canceled }
