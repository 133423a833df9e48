// Package bench puts a classification server under load and says how it fared. It measures from outside, as a user would, and
// speaks the protocols of others too, so that servers can be compared by the same hand.
//
// # The goal
//
// A load test answers two questions: how long does a user wait, and how much can be asked for before that gets bad. Both answers
// are easily wrong in the server's favour, so three promises are to hold:
//
//  1. What a user would have waited is what is reported, also when the server stalled.
//  2. Nothing is left out: refusals, missed deadlines and failures are counted, each with its own latency.
//  3. When the figures are the client's and not the server's, the result says so.
//
// # The obvious way, and why not
//
// The obvious way is N workers which send, wait, note how long it took, and send again. When the server stalls for a second,
// each worker notes one slow request and sends nothing meanwhile: the hundreds that users would have sent in that second, and that would
// all have waited, are missing, and the 99th percentile looks as if nothing had happened. Gil Tene calls this coordinated omission.
// A worker that has a rate to keep, and measures from when it got round to sending, does the same.
//
// # The chosen way
//
// Open loop: when each request is due is decided beforehand, by a schedule that knows nothing of the server, and its latency counts
// from then, whatever kept it. Arrivals are Poisson, as those of many independent users are, or evenly spaced. Concurrency follows from
// rate and latency by itself: workers are added as requests overlap. Where their number reaches the cap, requests wait for a worker; that
// waiting counts, and how many were affected is reported.
//
// Closed loop: N clients that each send when they have their answer. This is what a batch job does, and what most tools do. It finds
// the throughput at a given concurrency; its latencies are right for such clients and for no others.
//
// # How requests leave in time
//
// A dispatcher that hands each request to a worker adds a goroutine switch to every latency. Instead the workers take turns
// in leading: the leader waits for the next request to be due, passes the lead on, and sends that request itself. (See openLoop.)
//
// # What counts when
//
// The first part of a run is warm-up; then the window begins. A request belongs to the window if it was due in it, however late
// its answer came. Throughput counts the answers that came within the window, whenever they were due. So neither the backlog
// that an overloaded server works off after the end makes it faster, nor do slow answers at the end go missing.
package bench
