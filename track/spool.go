package track

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Spool is a Tracker that brings what it takes to a [Sink] in the background, and
// never makes the run wait for it. Any number of goroutines may use it at once, up to
// Finish.
//
// The goal: a server that is slow, down or wrong costs the run nothing, neither time
// nor memory without bound, and the run's record nothing either, unless it is down for
// so long that the disk's share is used up; and a run that is killed has lost at most
// its last moments.
//
// The obvious way, a queue in memory that spills over to disk when it grows, loses
// the queue with the process, and has two places whose order must be kept. Here the
// file is the queue, always:
//
//	Log, Image, … → queue (memory, bounded) → write → file (bounded) → deliver → Sink
//
// write and deliver are a goroutine each, because a call of the sink may take as long
// as it likes. What Log does is put a copy into the queue, which is full only when the
// disk hangs: then, and when the file has its full size, events are dropped and
// counted, pictures earlier than figures. The file's lines go when all are delivered.
//
// Trouble is told once when it begins and once when it has ended, and not more often
// than every tenth minute.
type Spool struct {
	o       SpoolOptions
	deliver delivery

	open   sync.RWMutex // held to read by whoever puts, to write by who closes queue
	closed bool
	queue  chan Event
	queued atomic.Int64  // bytes in queue
	lost   atomic.Int64  // events that found no room in queue
	sent   atomic.Int64  // events that the sink is done with
	waited time.Duration // by Finish

	mu   sync.Mutex
	file *spoolFile

	wake      chan struct{} // something new is in the file
	written   chan struct{} // closed when the queue is closed and is in the file
	done      chan struct{} // closed when deliver has ended
	finishing chan struct{} // closed when Finish waits: try now
	cancel    context.CancelFunc

	trouble troubles
}

// SpoolOptions say what a Spool may take up.
type SpoolOptions struct {
	Path string // of the spool file; its folder exists
	Dir  string // the run folder: paths of artifacts in it are kept relative, so that it can be moved
	Name string // of the sink in warnings: "MLflow at http://…"
	// Command is what sends a spool that a run left behind, for the last warning.
	Command string
	Warn    func(string) // of trouble; may be nil
	// MaxBytes bounds the file. Zero means 1 GiB.
	MaxBytes int64
	// FinishWait is how long Finish waits while nothing gets to the sink. As long as
	// something does, it waits for up to ten times as long. Zero means 30 s.
	FinishWait time.Duration
}

const (
	queueEvents = 4096
	queueBytes  = 64 << 20
	firstRetry  = time.Second
	lastRetry   = 5 * time.Minute
	// finishRetry is the longest between tries while Finish waits.
	finishRetry = 4 * time.Second
	// stopGrace is how long a sink may take to notice that its context has ended.
	stopGrace = 2 * time.Second
	// patience is how many times FinishWait a sink may take that is slow, but moves.
	patience = 10
)

// NewSpool opens the spool at o.Path and begins to bring what an earlier run has left
// there, and then what this one adds, to sink. It fails when the file cannot be opened
// or is not a spool.
func NewSpool(sink Sink, o SpoolOptions) (*Spool, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	if o.FinishWait == 0 {
		o.FinishWait = 30 * time.Second
	}
	file, err := openSpoolFile(o.Path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Spool{
		o: o, deliver: delivery{sink, o.Dir}, file: file, cancel: cancel,
		queue: make(chan Event, queueEvents), wake: make(chan struct{}, 1),
		written: make(chan struct{}), done: make(chan struct{}), finishing: make(chan struct{}),
		trouble: troubles{name: o.Name, warn: o.Warn, path: o.Path},
	}
	go s.write(ctx)
	go s.bring(ctx)
	return s, nil
}

// Begin describes the run: the flat configuration and tags.
func (s *Spool) Begin(name string, params, tags map[string]string, resumed bool) {
	s.put(Event{Kind: EventBegin, Name: name, Params: params, Tags: tags, Resumed: resumed})
}

// Log takes metrics. It never fails and never waits.
func (s *Spool) Log(step int64, metrics map[string]float64) error {
	s.put(Event{Kind: EventLog, Step: step, Metrics: maps.Clone(metrics)})
	return nil
}

// Histogram does nothing: no server that is spoken to in this way has a place for it.
func (s *Spool) Histogram(int64, string, []float32) error { return nil }

// Image takes a picture. It never fails and never waits.
func (s *Spool) Image(step int64, name string, png []byte, caption string) error {
	s.put(Event{Kind: EventImage, Step: step, Name: name, Caption: caption, PNG: append([]byte(nil), png...)})
	return nil
}

// Artifact takes the path of a file or folder, which must stay until it is sent. It
// never fails and never waits.
func (s *Spool) Artifact(name, kind, path string) error {
	s.put(Event{Kind: EventArtifact, Name: name, ArtifactKind: kind, Path: s.relative(path)})
	return nil
}

// relative returns the path as the spool keeps it: relative to the run folder within
// it, else absolute.
func (s *Spool) relative(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	dir, err := filepath.Abs(s.o.Dir)
	if err != nil {
		return abs
	}
	if rel, err := filepath.Rel(dir, abs); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return abs
}

func (s *Spool) put(e Event) {
	e.Time = time.Now().UnixMilli()
	s.open.RLock()
	defer s.open.RUnlock()
	if s.closed {
		return
	}
	if s.queued.Add(e.size()) > queueBytes {
		s.queued.Add(-e.size())
		s.lost.Add(1)
		return
	}
	select {
	case s.queue <- e:
	default:
		s.queued.Add(-e.size())
		s.lost.Add(1)
	}
}

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
