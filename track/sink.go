package track

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Sink is where a [Spool] delivers: a tracking server.
type Sink interface {
	// Send delivers events in order, and returns how many of the first it is done
	// with. With fewer than all comes an error: one made by Refuse means that the next
	// event can never be delivered, and is to be left out; any other, that it is worth
	// trying again later.
	//
	// An event may come twice, after a try that failed half way or a crash. Send
	// returns soon after ctx ends, and does not wait for ever for a server that does
	// not answer. It is called by one goroutine at a time.
	Send(ctx context.Context, events []Event) (int, error)
}

// Progress is a Sink that can tell that a long call of Send gets on.
type Progress interface {
	// Moved returns a number that grows while data get to their place: bytes sent, say.
	// It is called while Send runs.
	Moved() int64
}

type refusal struct{ err error }

func (r refusal) Error() string { return r.err.Error() }
func (r refusal) Unwrap() error { return r.err }

// Refuse marks err as one that trying again does not mend.
func Refuse(err error) error { return refusal{err} }

// Refused tells whether err was made by Refuse.
func Refused(err error) bool {
	var r refusal
	return errors.As(err, &r)
}

// errDamaged is what became of a spooled event that cannot be read back.
var errDamaged = errors.New("a record in its spool is damaged")

// delivery takes a spool's events to a sink.
type delivery struct {
	sink Sink
	dir  string // the run folder, which the paths of artifacts start from
}

// The most that one call of Send is handed.
const (
	sendEvents = 500
	sendBytes  = 4 << 20
)

// batch is what one call of Send is handed, and the place in the spool behind each.
type batch struct {
	events []Event
	ends   []int64
}

// next returns the batch that file's next events make, empty when there are none.
func (d *delivery) next(file *spoolFile) (batch, error) {
	events, ends, err := file.peek(sendEvents, sendBytes)
	for i := range events {
		if e := &events[i]; e.Kind == EventArtifact && !filepath.IsAbs(e.Path) {
			e.Path = filepath.Join(d.dir, e.Path)
		}
	}
	return batch{events, ends}, err
}

// send hands a batch over, and returns how many events it is done with, delivered or
// refused, and the refusals. err says why the rest, if any, has to wait.
func (d *delivery) send(ctx context.Context, b batch) (done int, refused []error, err error) {
	for done < len(b.events) {
		rest := b.events[done:]
		readable := len(rest)
		for i := range rest {
			if rest[i].Kind == "" {
				readable = i
				break
			}
		}
		if readable == 0 {
			refused = append(refused, errDamaged)
			done++
			continue
		}
		n, err := d.call(ctx, rest[:readable])
		done += n
		switch {
		case Refused(err):
			refused = append(refused, err)
			done++
		case err != nil:
			return done, refused, err
		}
	}
	return done, refused, nil
}

// call calls the sink. A mistake of its making, a panic included, is an event that is
// left out: it must not end a training of days.
func (d *delivery) call(ctx context.Context, events []Event) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			n, err = 0, Refuse(fmt.Errorf("BUG: %T: %v", d.sink, p))
		}
	}()
	n, err = d.sink.Send(ctx, events)
	if n < 0 || n > len(events) || (err == nil) != (n == len(events)) {
		panic(fmt.Sprintf("Send is done with %d of %d events, error: %v", n, len(events), err))
	}
	return n, err
}

// uploadTries is how often Upload tries one batch.
const uploadTries = 5

// Upload sends what a run left in its spool, and returns how many records these were,
// refused ones, which it tells o.Warn of, included. It gives up after a few tries, or
// when ctx ends, and leaves the rest where it is. A spool that is not there holds none.
func Upload(ctx context.Context, sink Sink, o SpoolOptions) (sent int, err error) {
	if _, err := os.Stat(o.Path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	file, err := openSpoolFile(o.Path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	d := delivery{sink, o.Dir}
	t := troubles{name: o.Name, warn: o.Warn}
	retry := backoff{first: firstRetry, longest: lastRetry}
	for tries := 0; file.waiting > 0; {
		b, err := d.next(file)
		if err != nil {
			return sent, err
		}
		done, refused, err := d.send(ctx, b)
		for _, r := range refused {
			t.say("%s: a record is left out: %v", o.Name, r)
		}
		sent += done
		if done > 0 {
			tries = 0
			if err := file.delivered(done, b.ends[done-1]); err != nil {
				return sent, err
			}
		}
		if err == nil {
			retry.reset()
			continue
		}
		if tries++; tries == uploadTries || ctx.Err() != nil {
			return sent, fmt.Errorf("cannot send %d records to %s: %w; they stay in %q", file.waiting, o.Name, err, o.Path)
		}
		select {
		case <-time.After(retry.next()):
		case <-ctx.Done():
		}
	}
	return sent, nil
}
