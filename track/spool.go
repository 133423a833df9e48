package track

import (
	"context"
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
