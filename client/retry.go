package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Retry says how often a classification is tried that the server refuses for load (503, or 429 from a proxy), and how long is
// waited in between: what the server's Retry-After says, and up to half as much more, so that those who were refused together do not
// come back together. Where nothing is said it is a tenth of a second, and twice as long each time.
//
// A wait that would not end before the context's deadline is not begun: the refusal is returned at once. A classification changes
// nothing on the server, so a second try does no harm; calls that change something are never tried again.
type Retry struct {
	// Attempts is how often a request is sent at most, the first time included. Default 1.
	Attempts int

	// MaxWait bounds one wait. A server that names a longer time is not asked again. Default 10 s.
	MaxWait time.Duration
}

const (
	defaultMaxWait = 10 * time.Second
	firstWait      = 100 * time.Millisecond
)

func (r *Retry) ensureDefaults() error {
	if r.Attempts < 0 || r.MaxWait < 0 {
		return errors.New("the attempts and waits of a Retry must not be negative")
	}
	r.Attempts = max(r.Attempts, 1)
	if r.MaxWait == 0 {
		r.MaxWait = defaultMaxWait
	}
	return nil
}

// again waits before the next try. It returns false when there is to be none; tried is how often the request was sent.
func (r Retry) again(ctx context.Context, err error, tried int) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || !e.busy() || tried >= r.Attempts {
		return false
	}
	wait := e.RetryAfter
	if wait == 0 {
		wait = min(firstWait<<min(tried-1, 30), r.MaxWait)
	}
	if wait > r.MaxWait {
		return false
	}
	wait += rand.N(wait/2 + 1)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
