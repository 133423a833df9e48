package track

import (
	"context"
	"errors"
	"time"
)

// write moves the queue into the file until the queue is closed.
func (s *Spool) write(ctx context.Context) {
	defer close(s.written)
	for e := range s.queue {
		events := []Event{e}
		for len(events) < sendEvents && len(s.queue) > 0 {
			events = append(events, <-s.queue)
		}
		s.store(ctx, events)
		for i := range events {
			s.queued.Add(-events[i].size())
		}
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// store appends events to the file, and tries again while the disk refuses them.
func (s *Spool) store(ctx context.Context, events []Event) {
	retry := backoff{first: firstRetry, longest: lastRetry}
	for {
		err := s.tryStore(events)
		if err == nil {
			return
		}
		s.trouble.tell("%s: %v; figures are held in memory meanwhile", s.o.Name, err)
		select {
		case <-time.After(retry.next()):
		case <-s.finishing: // the disk had its time
			if s.tryStore(events) != nil {
				s.lost.Add(int64(len(events)))
			}
			return
		case <-ctx.Done():
			s.lost.Add(int64(len(events)))
			return
		}
	}
}

// tryStore appends those of events for which there is room.
func (s *Spool) tryStore(events []Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	room, full := s.o.MaxBytes-s.file.end, 0
	var fitting []Event
	for i := range events {
		e := &events[i]
		need := e.size()
		if e.media() { // keeps half of the room for figures
			need += s.o.MaxBytes / 2
		}
		if need > room && e.Kind != EventBegin && e.Kind != EventFinish {
			full++
			continue
		}
		room -= e.size()
		fitting = append(fitting, *e)
	}
	if err := s.file.append(fitting); err != nil {
		return err
	}
	if full > 0 {
		s.file.dropped += full
		s.trouble.tell("%s: the spool %q is full at %d MB: what does not fit is dropped and counted; metrics.csv has all figures",
			s.o.Name, s.o.Path, s.o.MaxBytes>>20)
	}
	return nil
}

// bring delivers what is in the file until all that will ever be there is delivered,
// or ctx ends.
func (s *Spool) bring(ctx context.Context) {
	defer close(s.done)
	retry := backoff{first: firstRetry, longest: lastRetry}
	finishing := s.finishing
	for {
		// Asked before the file is looked at: what is written by then is seen.
		last := isClosed(s.written)
		b, err := s.next()
		if err == nil && len(b.events) == 0 {
			if last || !s.await(ctx) {
				return
			}
			continue
		}
		if err == nil {
			err = s.pass(ctx, b)
		}
		if err == nil {
			retry.reset()
			continue
		}
		if ctx.Err() != nil {
			return
		}
		s.trouble.begin(err)
		select {
		case <-time.After(retry.next()):
		case <-finishing: // try at once, and more often from here on
			finishing = nil
			retry = backoff{first: firstRetry, longest: finishRetry}
		case <-ctx.Done():
			return
		}
	}
}

// await waits for something new in the file, or the end of the writing.
func (s *Spool) await(ctx context.Context) bool {
	select {
	case <-s.wake:
	case <-s.written:
	case <-ctx.Done():
		return false
	}
	return true
}

func (s *Spool) next() (batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deliver.next(s.file)
}

// pass sends a batch and takes from the file what is done with.
func (s *Spool) pass(ctx context.Context, b batch) error {
	done, refused, err := s.deliver.send(ctx, b)
	for _, r := range refused {
		s.trouble.refused(r)
	}
	if done > 0 {
		s.sent.Add(int64(done))
		s.mu.Lock()
		markErr := s.file.delivered(done, b.ends[done-1])
		s.mu.Unlock()
		err = errors.Join(err, markErr)
	}
	if err == nil {
		s.trouble.end()
	}
	return err
}
