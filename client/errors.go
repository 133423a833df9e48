package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Code is the server's word for what went wrong. It is an error, so that errors.Is can look for it.
type Code string

// Error implements error.
func (c Code) Error() string { return strings.ReplaceAll(string(c), "_", " ") }

// Codes that a program may want to tell apart. A server may send others.
const (
	ErrQueueFull       Code = "queue_full"        // 503: too much waits; see Error.RetryAfter
	ErrDraining        Code = "draining"          // 503: the server is shutting down
	ErrLoading         Code = "loading"           // 503: no model is loaded yet
	ErrModelNotReady   Code = "model_not_ready"   // 503: this version is not loaded
	ErrRecovering      Code = "recovering"        // 503, of /readyz: a model moves to another device
	ErrNoModel         Code = "no_model"          // 503: the last model was unloaded
	ErrModelFailed     Code = "model_failed"      // 503: the model cannot run
	ErrDeadline        Code = "deadline_exceeded" // 504; errors.Is(err, context.DeadlineExceeded) holds as well
	ErrNotAnImage      Code = "not_an_image"      // 415
	ErrCannotDecode    Code = "cannot_decode"     // 422: an image, but a damaged one
	ErrDecoderCrashed  Code = "decoder_crashed"   // 422: a decoder in a process of its own crashed on the image
	ErrEmptyImage      Code = "empty_image"       // 400
	ErrEmptyBody       Code = "empty_body"        // 400
	ErrBodyTooLarge    Code = "body_too_large"    // 413
	ErrTooManyPixels   Code = "too_many_pixels"   // 413
	ErrTooManyImages   Code = "too_many_images"   // 413
	ErrModelNotFound   Code = "model_not_found"   // 404
	ErrVersionNotFound Code = "version_not_found" // 404
	ErrUnknownRequest  Code = "unknown_request"   // 404, of feedback: the log has no such answer
	ErrNotSampled      Code = "not_sampled"       // 404, of feedback: the server logs a sample, and this answer is not in it
	ErrUnknownLabel    Code = "unknown_label"     // 400, of feedback: the model has no such class
	ErrNoPredictionLog Code = "no_prediction_log" // 404, of feedback: the server keeps none
	ErrLogUnavailable  Code = "log_unavailable"   // 503, of feedback: its log cannot be written
	ErrModelLoadFailed Code = "model_load_failed" // 422
	ErrNoRepository    Code = "no_repository"     // 501: this server's models are fixed
	ErrKeyNeeded       Code = "key_needed"        // 401: see WithAPIKey
	ErrKeyUnknown      Code = "key_unknown"       // 401: or expired
	ErrRateLimited     Code = "rate_limited"      // 429: over the key's rate; see Error.RetryAfter
	ErrTooManyAtOnce   Code = "too_many_at_once"  // 429: the key has as many requests under way as it may
	ErrAdminKeyNeeded  Code = "admin_key_needed"  // 401
	ErrAdminKeyWrong   Code = "admin_key_wrong"   // 403
	ErrAdminLocalOnly  Code = "admin_local_only"  // 403
	ErrInternal        Code = "internal"          // 500: the server's log has it under the request's id
)

// ErrReplyTooLarge says that a reply is longer than WithMaxReply allows.
var ErrReplyTooLarge = errors.New("the reply is longer than the client accepts")

// Error is what the server said no with.
type Error struct {
	Status     int           // of the reply; 0 for one image of several, when others were answered
	Code       Code          // empty when whatever stands before the server has answered
	Message    string        // one sentence, for people
	RequestID  string        // under which the server's logs have it
	RetryAfter time.Duration // when to come again; 0 when nothing was said
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("server: ")
	b.WriteString(strings.TrimSuffix(e.Message, "."))
	if e.Status != 0 {
		fmt.Fprintf(&b, " (%d", e.Status)
		if e.Code != "" {
			b.WriteString(" " + string(e.Code))
		}
		b.WriteByte(')')
	}
	return b.String()
}

// Is makes errors.Is find the code, and context.DeadlineExceeded where the server met the deadline first.
func (e *Error) Is(target error) bool {
	if c, ok := target.(Code); ok {
		return c == e.Code
	}
	return target == context.DeadlineExceeded && e.Code == ErrDeadline
}

// busy reports whether the same request may succeed a little later.
func (e *Error) busy() bool {
	switch e.Code {
	case ErrQueueFull, ErrDraining, ErrLoading:
		return true
	case ErrNoModel, ErrModelNotReady, ErrModelFailed: // for an operator to mend
		return false
	}
	return e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests
}

// errorOf reads an error reply. A proxy's may hold anything.
func errorOf(resp *http.Response, body []byte) *Error {
	e := &Error{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id"), RetryAfter: retryAfter(resp.Header, time.Now())}
	var said struct {
		Error string `json:"error"`
		Code  Code   `json:"code"`
	}
	if json.Unmarshal(body, &said) == nil && said.Error != "" {
		e.Message, e.Code = said.Error, said.Code
		return e
	}
	e.Message = "the reply is not Torchlit's: " + resp.Status
	return e
}

// retryAfter reads Retry-After, in either of its forms.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter.Seconds()))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// maxRetryAfter bounds what a reply can say: nobody waits longer for an image.
const maxRetryAfter = 24 * time.Hour
