package predlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/torchlit/torchlit/monitor"
)

// Log is an open prediction log. Every method may be called from any goroutine. Whoever opens it closes it.
type Log struct {
	cfg                        Config
	sample, vectors, picturing share

	answers chan monitor.Answer
	calls   chan call
	stop    chan struct{}
	stopped sync.Once
	done    chan struct{} // closed when the writer has ended
	failure error         // of its last write; set before done is closed
	closed  atomic.Bool

	waiting      atomic.Int64 // answers taken and not yet stored
	pictureBytes atomic.Int64 // of pictures among them
	failing      atomic.Bool
	bytes        atomic.Int64
	records      atomic.Uint64
	feedback     atomic.Uint64
	errors       atomic.Uint64
	deleted      atomic.Uint64
	dropped      [reasons]atomic.Uint64
}

// reason is why an answer or a picture is not stored.
type reason int

const (
	dropQueueFull  reason = iota // answers come faster than they can be written
	dropUnwritable               // the queue is full because the last write failed
	dropRefused                  // the database will not take it
	dropClosed                   // it came after Close, or could not be written before its end
	dropPicture                  // a picture for which there was no room; its answer is stored
	reasons
)

var reasonNames = [reasons]string{"queue_full", "unwritable", "refused", "closed", "picture_queue_full"}

// Open opens the log in cfg.Dir or at cfg.DSN, or makes it. The error says what to change.
func Open(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	l := &Log{
		cfg:    cfg,
		sample: newShare(cfg.Sample, saltAnswer), vectors: newShare(cfg.Vectors, saltVector), picturing: newShare(cfg.Pictures, saltPicture),
		answers: make(chan monitor.Answer, cfg.Queue),
		calls:   make(chan call, maxCalls),
		stop:    make(chan struct{}), done: make(chan struct{}),
	}
	db, err := openDatabase(&cfg)
	if err != nil {
		return nil, fmt.Errorf("cannot open the prediction log in %q: %w", cfg.place(), err)
	}
	w := &writer{Log: l, db: db}
	l.bytes.Store(db.bytes())
	go w.run()
	return l, nil
}

// Place is where the log is: its file, or the address of its database without the password.
func (l *Log) Place() string {
	if l.cfg.DSN != "" {
		return l.cfg.place()
	}
	return File(l.cfg.Dir)
}

// maxCalls is how many labels and deletions may wait for the writer.
const maxCalls = 1024

// Wants reports whether the answer with this id is to be recorded, and with its picture.
func (l *Log) Wants(requestID string) (answer, picture bool) {
	h := hashOf(requestID)
	return l.sample.has(h), l.cfg.Pictures > 0 && l.picturing.has(h)
}

// Record takes a copy of the answer, to be stored soon. It never waits, and allocates nothing: when there is no room the answer is dropped
// and counted. What the answer's slices hold may not be changed any more.
func (l *Log) Record(a *monitor.Answer) {
	if l.closed.Load() {
		l.dropped[dropClosed].Add(1)
		return
	}
	taken := *a
	if p := a.Picture; p != nil && l.pictureBytes.Add(int64(len(p.Pixels))) > l.cfg.QueueBytes {
		l.pictureBytes.Add(-int64(len(p.Pixels)))
		l.dropped[dropPicture].Add(1)
		taken.Picture = nil
	}
	l.waiting.Add(1)
	select {
	case l.answers <- taken:
	default:
		l.release(&taken)
		if l.failing.Load() {
			l.dropped[dropUnwritable].Add(1)
		} else {
			l.dropped[dropQueueFull].Add(1)
		}
	}
}

// release gives back what an answer took of the queue's room.
func (l *Log) release(a *monitor.Answer) {
	l.waiting.Add(-1)
	if a.Picture != nil {
		l.pictureBytes.Add(-int64(len(a.Picture.Pixels)))
	}
}

// Feedback stores the true classes of answers of the model. It returns when they are on the disk; each verdict says what became of one
// label, in order. Of several labels for one answer the last one wins, so a label may be sent again. The error says that none is stored, or,
// when ctx ended first, that it is not known: monitor.ErrUnavailable, or the context's.
func (l *Log) Feedback(ctx context.Context, model string, labels []monitor.Label) ([]monitor.Verdict, error) {
	c := &feedbackCall{callState: newCallState(), log: l, model: model, labels: labels}
	if err := l.ask(ctx, c); err != nil {
		return nil, err
	}
	return c.verdicts, nil
}

// Forget deletes the answer with this id, or all those of the request with this id, and with them all that is known of them. It
// returns how many they were, when they are gone from the disk. An empty model stands for all.
func (l *Log) Forget(ctx context.Context, model, requestID string) (int, error) {
	c := &forgetCall{callState: newCallState(), model: model, requestID: requestID}
	if err := l.ask(ctx, c); err != nil {
		return 0, err
	}
	l.deleted.Add(uint64(c.deleted))
	return c.deleted, nil
}

// ask has the writer do c.
func (l *Log) ask(ctx context.Context, c call) error {
	if l.closed.Load() {
		return monitor.ErrUnavailable
	}
	select {
	case l.calls <- c:
	default:
		return fmt.Errorf("%w: too many callers wait for it", monitor.ErrUnavailable)
	}
	select {
	case err := <-c.answered():
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.done: // it may have been answered last
		select {
		case err := <-c.answered():
			return err
		default:
			return monitor.ErrUnavailable
		}
	}
}

// Counts says what became of answers since Open.
func (l *Log) Counts() monitor.LogCounts {
	c := monitor.LogCounts{
		Records: l.records.Load(), Feedback: l.feedback.Load(), Errors: l.errors.Load(), Deleted: l.deleted.Load(),
		Queued: int(l.waiting.Load()), Bytes: l.bytes.Load(), Failing: l.failing.Load(), Dropped: make(map[string]uint64, reasons),
	}
	for r := range l.dropped {
		c.Dropped[reasonNames[r]] = l.dropped[r].Load()
	}
	return c
}

// Close writes what waits and closes the database. When ctx ends first, which a disk that hangs may bring about, it returns an error and
// leaves the writer behind. A second Close does the same again.
func (l *Log) Close(ctx context.Context) error {
	l.closed.Store(true)
	l.stopped.Do(func() { close(l.stop) })
	select {
	case <-l.done:
		return l.failure
	case <-ctx.Done():
		return fmt.Errorf("cannot write the last %d answers to the prediction log in %q: %w; is its disk or its server well?", l.waiting.Load(), l.cfg.place(), context.Cause(ctx))
	}
}

// errOthers says that a damaged file is in use.
var errOthers = errors.New("the file is damaged, and another process has it open; stop that process")

// ensureDir makes the folder, for its owner alone, and an empty file, because SQLite would make one that others may read.
func ensureDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(File(dir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
