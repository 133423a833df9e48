package oip

import "context"

// Headers are the headers, or the metadata, of a call.
type Headers interface {
	// Peek returns the value, nil when there is none.
	Peek(key string) []byte
}

// Caller is what a front end knows of who calls, beside the request.
type Caller struct {
	// RequestID is the caller's own id for the request, "" for none. The backend puts the id under which it
	// counts and logs the request in its place.
	RequestID string
	Headers   Headers // nil for none
	Key       string  // name of the API key that was presented, "" for none
}

type callerKey struct{}

// WithCaller tells Backend.Infer who calls.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is what WithCaller told, or a Caller of whom nothing is known.
func CallerOf(ctx context.Context) *Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok {
		return c
	}
	return &Caller{}
}
