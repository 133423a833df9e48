package track

import (
	"maps"
	"time"
)

// Finish hands the run's end over, and waits until everything was delivered, but not
// for long: see FinishWait. What is left then stays in the spool, and a warning says so
// and how to send it later. Finishing twice is harmless.
func (s *Spool) Finish(status Status, summary map[string]float64) error {
	s.open.Lock()
	again := s.closed
	s.closed = true
	s.open.Unlock()
	if again {
		return nil
	}
	select {
	case s.queue <- Event{Kind: EventFinish, Time: time.Now().UnixMilli(), Status: status, Metrics: maps.Clone(summary)}:
	case <-time.After(s.o.FinishWait): // the disk hangs
		s.lost.Add(1)
	}
	s.stop()
	return nil
}

func (s *Spool) stop() {
	close(s.queue)
	close(s.finishing)
	start := time.Now()
	s.waitForEnd()
	s.waited = time.Since(start).Round(time.Second)
	s.cancel()
	for _, ended := range []chan struct{}{s.done, s.written} {
		select {
		case <-ended:
		case <-time.After(stopGrace): // the goroutine may still use the file: it stays open
			s.trouble.say("%s: it hangs even when told to stop; what it has not received is in %q", s.o.Name, s.o.Path)
			return
		}
	}
	s.tellRest()
	if err := s.file.close(); err != nil {
		s.trouble.say("%s: %v", s.o.Name, err)
	}
}

// waitForEnd returns when all is delivered, when nothing has moved for FinishWait, or
// when that has gone on for patience times as long.
func (s *Spool) waitForEnd() {
	limit, idle := time.NewTimer(patience*s.o.FinishWait), time.NewTimer(s.o.FinishWait)
	defer limit.Stop()
	defer idle.Stop()
	for last := s.moved(); ; {
		select {
		case <-s.done:
			return
		case <-limit.C:
			return
		case <-idle.C:
			now := s.moved()
			if now == last {
				return
			}
			last = now
			idle.Reset(s.o.FinishWait)
		}
	}
}

// moved changes while something gets to the sink.
func (s *Spool) moved() int64 {
	n := s.sent.Load()
	if p, ok := s.deliver.sink.(Progress); ok {
		n += p.Moved()
	}
	return n
}

// tellRest says what the sink did not get.
func (s *Spool) tellRest() {
	if n := s.file.waiting; n > 0 {
		s.trouble.say("%s has not received %d of this run's records within %v: they are in %q; send them later with: %s",
			s.o.Name, n, s.waited, s.o.Path, s.o.Command)
	}
	if n := int64(s.file.dropped) + s.lost.Load(); n > 0 {
		s.trouble.say("%s: %d records were dropped, because there was no room to keep them", s.o.Name, n)
	}
	s.trouble.tellRefused()
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
