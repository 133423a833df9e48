package predlog

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// writer is the goroutine that alone writes.
//
// What it is to store waits in two places: the channel, which takes what is recorded while it is busy, and pending, which is the
// transaction to come. The obvious way has one place, and stores an answer as it comes: then each costs a sync of the disk. And
// the other obvious way, in which whoever brings a label writes it, has as many writers as callers, who wait for each other's locks.
//
// Invariants:
//
//   - What was recorded before a call came is in the call's transaction, or in an earlier one: answers are drained first.
//   - What is in pending stays there until it is committed, or the database has refused it for good.
//   - pending holds at most twice what the channel does. When it holds as much, nothing more is taken out of the channel; when
//     that is full, Record drops.
//   - While writes fail, callers are refused at once, and nothing is tried before the time has come.
type writer struct {
	*Log
	db      database
	pending []monitor.Answer
	since   time.Time // when the first of them came
	retry   time.Time // no write before it; zero while all is well
	pause   time.Duration
	clock   clock
	keep    time.Time // when to look for what is too old
}

const (
	// batch is how many answers are written without waiting for more.
	batch = 1024

	firstPause, longestPause = 250 * time.Millisecond, 10 * time.Second

	keepEvery  = time.Minute
	keepAtOnce = 2000                  // answers that one pass deletes
	keepPause  = 10 * time.Millisecond // between passes, in which others have their turn
)

func (w *writer) run() {
	defer close(w.done)
	w.keep = time.Now().Add(w.firstKeep())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(w.next()))
		answers := w.answers
		if len(w.pending) >= w.cfg.Queue {
			answers = nil
		}
		select {
		case a := <-answers:
			w.take(a)
			w.drain()
			if len(w.pending) >= batch {
				w.write(nil)
			}
		case c := <-w.calls:
			w.serve(c)
		case <-timer.C:
			w.tick(time.Now())
		case <-w.stop:
			w.finish()
			return
		}
	}
}

// firstKeep is when the first look at ages is due: soon, but not in the way of the start.
func (w *writer) firstKeep() time.Duration { return min(keepEvery, 5*w.cfg.Interval) }

// next is when something is to be done that nobody asks for.
func (w *writer) next() time.Time {
	at := w.keep
	if len(w.pending) > 0 {
		due := w.since.Add(w.cfg.Interval)
		if w.retry.After(due) {
			due = w.retry
		}
		if due.Before(at) {
			at = due
		}
	}
	return at
}

func (w *writer) tick(now time.Time) {
	if len(w.pending) > 0 && !now.Before(w.since.Add(w.cfg.Interval)) {
		w.write(nil)
	}
	if !now.Before(w.keep) {
		w.keep = now.Add(w.retain(now))
	}
}

// take puts an answer into the transaction to come.
func (w *writer) take(a monitor.Answer) {
	if len(w.pending) == 0 {
		w.since = time.Now()
	}
	w.score(&a)
	w.pending = append(w.pending, a)
}

// score has Config.Score look at an answer. One that panics is not asked again: the log is worth more than its scores.
func (w *writer) score(a *monitor.Answer) {
	if w.cfg.Score == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			w.cfg.Score = nil
			a.OOD = float32(math.NaN())
			w.cfg.Report("answers are logged without scores from now on", fmt.Errorf("the scoring of answers panicked: %v", v))
		}
	}()
	a.OOD = w.cfg.Score(a)
}

// drain takes what waits, as far as there is room.
func (w *writer) drain() {
	for len(w.pending) < w.cfg.Queue {
		select {
		case a := <-w.answers:
			w.take(a)
		default:
			return
		}
	}
}

// serve does what c asks for, together with the calls that wait behind it.
func (w *writer) serve(c call) {
	calls := []call{c}
	for len(calls) < maxCalls {
		select {
		case c := <-w.calls:
			calls = append(calls, c)
			continue
		default:
		}
		break
	}
	if len(w.pending) >= w.cfg.Queue {
		w.write(nil)
	}
	if len(w.pending) < w.cfg.Queue { // else nothing can be written, and the calls will hear so
		for range len(w.answers) { // after the calls were taken: what they are about was recorded before
			w.take(<-w.answers)
		}
	}
	w.write(calls)
}

// write stores what is pending, and does the calls, as one transaction.
func (w *writer) write(calls []call) {
	if time.Now().Before(w.retry) {
		refuseAll(calls, w.failure)
		return
	}
	stored, err := w.db.ready(w.failure)
	w.empty(stored)
	w.records.Add(uint64(stored))
	if err != nil {
		w.failed(err, calls)
		return
	}
	if err := w.db.write(w.pending, w.keepsVectors, calls); err != nil {
		w.failed(err, calls)
		return
	}
	w.stored(calls)
}

// keepsVectors reports whether the vectors of the answer with this id are kept.
func (w *writer) keepsVectors(requestID string) bool {
	return w.cfg.Vectors > 0 && w.vectors.has(hashOf(requestID))
}

// stored counts what was written and tells those who wait.
func (w *writer) stored(calls []call) {
	w.records.Add(uint64(len(w.pending)))
	w.empty(len(w.pending))
	forgets := false
	for _, c := range calls {
		if f, ok := c.(*feedbackCall); ok {
			for i := range f.verdicts {
				if f.verdicts[i].Err == nil {
					w.feedback.Add(1)
				}
			}
		}
		forgets = forgets || c.forgets()
	}
	if forgets {
		w.db.forgotten()
	}
	for _, c := range calls {
		c.finish(nil)
	}
	if w.failing.Swap(false) {
		w.cfg.Report("the prediction log is written again", nil)
	}
	w.retry, w.pause, w.failure = time.Time{}, 0, nil
	w.bytes.Store(w.db.bytes())
	if w.cfg.MaxBytes > 0 && w.db.crowded(w.cfg.MaxBytes) {
		w.keep = time.Now()
	}
}

// empty lets go of the first n that are pending.
func (w *writer) empty(n int) {
	for i := range w.pending[:n] {
		w.release(&w.pending[i])
	}
	w.pending = slices.Delete(w.pending, 0, n)
}

// failed decides what becomes of a transaction that was not.
func (w *writer) failed(err error, calls []call) {
	w.errors.Add(1)
	switch w.db.kindOf(err) {
	case refused: // it would be refused again, so the answers are let go
		w.dropped[dropRefused].Add(uint64(len(w.pending)))
		w.empty(len(w.pending))
		w.cfg.Report("the prediction log refused answers", err)
		refuseAll(calls, err)
		return
	case damaged:
		if why := w.db.replace(err); why != nil {
			err = why
		} else if w.retry.IsZero() { // once more, into the new file
			w.retry = time.Now()
			w.write(calls)
			return
		}
	}
	w.failure = err
	w.pause = min(max(2*w.pause, firstPause), longestPause)
	w.retry = time.Now().Add(w.pause)
	if !w.failing.Swap(true) {
		w.cfg.Report(fmt.Sprintf("cannot write the prediction log in %q; it is tried again, and what does not fit into its queue is dropped; %s", w.db.place(), w.db.advice()), err)
	}
	refuseAll(calls, err)
}

func refuseAll(calls []call, err error) {
	for _, c := range calls {
		c.finish(fmt.Errorf("%w: %w", monitor.ErrUnavailable, err))
	}
}

// finish writes what is left.
func (w *writer) finish() {
	w.retry = time.Time{}
	for first := true; first || len(w.answers) > 0; first = false {
		w.drain()
		w.serveRest()
		if len(w.pending) > 0 { // the last try failed
			w.failure = fmt.Errorf("cannot write the last %d answers to the prediction log in %q: %w", int(w.waiting.Load()), w.db.place(), w.failure)
			w.dropped[dropClosed].Add(uint64(w.waiting.Load()))
			break
		}
	}
	if err := w.db.close(); w.failure == nil && err != nil {
		w.failure = fmt.Errorf("cannot close the prediction log in %q: %w", w.db.place(), err)
	}
}

// serveRest writes what is pending with the calls that came before the end.
func (w *writer) serveRest() {
	select {
	case c := <-w.calls:
		w.serve(c)
	default:
		w.write(nil)
	}
}
