package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The waits between tries: about so long, twice as long each time, each up to half more or less by chance, so that servers that lost one
// receiver together do not come back together.
const (
	firstWait   = time.Second
	longestWait = time.Minute
)

// deliver tries until an event is taken, refused for good, or too late.
func (h *Hook) deliver(e *Event) error {
	body, err := e.body()
	if err != nil {
		return err
	}
	id := newID()
	ctx, cancel := context.WithTimeout(h.ctx, h.cfg.Deadline)
	defer cancel()
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval, waits.Multiplier = firstWait, longestWait, 2
	var last error // says more than that the time is over
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		last = h.try(ctx, id, body)
		return struct{}{}, last
	}, backoff.WithBackOff(waits), backoff.WithMaxElapsedTime(h.cfg.Deadline))
	switch {
	case err == nil:
		return nil
	case context.Cause(h.ctx) != nil:
		return fmt.Errorf("%w (%w)", context.Cause(h.ctx), plain(last))
	}
	return plain(last)
}

// refused is an answer other than 2xx.
type refused struct {
	status   int
	location string // host that it points to
	again    *backoff.RetryAfterError
}

func (e *refused) Error() string {
	text := fmt.Sprintf("it answered %d %s", e.status, http.StatusText(e.status))
	if e.location != "" {
		text += fmt.Sprintf(" and points to %s, which is not followed: set the webhook to the address where it is now", e.location)
	}
	return text
}

// Unwrap has the wait that the other end asks for, if it does.
func (e *refused) Unwrap() error {
	if e.again == nil {
		return nil
	}
	return e.again
}

// try sends the body once. The error is permanent when another try cannot help.
func (h *Hook) try(ctx context.Context, id string, body []byte) error {
	req, err := h.request(ctx, id, body)
	if err != nil {
		return backoff.Permanent(err)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	e := &refused{status: resp.StatusCode}
	if u, err := resp.Location(); err == nil && resp.StatusCode < 400 {
		e.location = u.Host
	}
	if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
		return backoff.Permanent(e)
	}
	if wait, ok := retryAfter(resp.Header.Get("Retry-After")); ok {
		e.again = &backoff.RetryAfterError{Duration: max(wait, firstWait)}
	}
	return e
}

// retryAfter reads the header of that name: seconds, or a time.
func retryAfter(v string) (time.Duration, bool) {
	if s, err := strconv.Atoi(v); err == nil {
		return time.Duration(max(0, min(s, 1<<20))) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t)), true
	}
	return 0, false
}

// plain takes off what only backoff wants to know.
func plain(err error) error {
	if p, ok := err.(*backoff.PermanentError); ok {
		return p.Err
	}
	return err
}

// request is a try. Every try of an event has the same id, by which the other end can tell that it has it already.
func (h *Hook) request(ctx context.Context, id string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "torchlit")
	req.Header.Set("X-Torchlit-Delivery", id)
	if h.secret != nil {
		req.Header.Set("X-Hub-Signature-256", "sha256="+Sign(h.secret, body))
	}
	return req, nil
}
