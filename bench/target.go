package bench

import "time"

// Outcome is how a request ended.
type Outcome uint8

// The outcomes. The first three are answers: the server had its say.
const (
	Answered Outcome = iota // the server did what was asked
	Refused                 // it had no room: HTTP 429 or 503, gRPC RESOURCE_EXHAUSTED or UNAVAILABLE
	Expired                 // it says that the deadline passed: HTTP 408 or 504, gRPC DEADLINE_EXCEEDED
	Failed                  // anything else: another status, a connection that broke, no answer in time
	outcomes
)

// Reply is what came of one request.
type Reply struct {
	Outcome Outcome
	Images  int    // that were classified
	Kind    string // of a failure, such as "http_500", "timeout" or "connection"; empty otherwise
}

// kindTimeout is a request that was given up. Unlike other failures it counts among the latencies: who waited so long did not
// wait less.
const kindTimeout = "timeout"

// Sender sends requests one after the other. It belongs to one goroutine.
type Sender interface {
	// Send sends the n-th request and returns when it has ended, at the latest at the target's timeout. Requests differ in what they
	// carry, by turns. The request was due at a time that may have passed: what is left of its deadline since then is what the server
	// is told, where the protocol allows.
	Send(n uint64, due time.Time) Reply
}

// Target is a server under load.
type Target interface {
	// Sender returns a sender for the calling goroutine. It is cheap.
	Sender() Sender
	// Info says what is known of the target; more once it has answered.
	Info() Info
	// Abort ends the requests that are under way, which fail.
	Abort()
	// Close frees the connections. No Send may be running.
	Close() error
}

// Info describes a target and what is sent to it.
type Info struct {
	URL      string `json:"url"`
	Protocol string `json:"protocol"`
	Model    string `json:"model,omitempty"`
	Server   string `json:"server,omitempty"` // as it calls itself
	Input    string `json:"input"`
	Batch    int    `json:"batch"`         // images a request
	Requests int    `json:"distinct"`      // requests that differ from each other
	Bytes    int    `json:"request_bytes"` // of a request's body, at the mean
}
