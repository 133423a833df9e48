package track

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Background is a Tracker that hands everything to another in a goroutine of its own,
// so that a slow disk, or whatever else it waits for, does not keep the run waiting,
// and its errors do not stop it. Any number of goroutines may use it at once, up to
// Finish.
//
// What waits is bounded: beyond, records are dropped and counted. Errors are told
// through Warn, no more than one every ten minutes, and counted.
type Background struct {
	t Tracker
	o BackgroundOptions

	open   sync.RWMutex // held to read by whoever puts, to write by who closes queue
	closed bool
	queue  chan job
	queued atomic.Int64 // bytes
	lost   atomic.Int64 // jobs that found no room
	failed atomic.Int64
	done   chan struct{}
	told   time.Time // when an error was last told; of the goroutine
}

// BackgroundOptions say how a Background behaves.
type BackgroundOptions struct {
	Name string       // of the tracker in warnings
	Warn func(string) // may be nil
	// FinishWait is how long Finish waits at most. Zero means 30 s.
	FinishWait time.Duration
	// MaxBytes bounds what waits in memory. Zero means 512 MiB: the weights of a large
	// network are handed over once an epoch.
	MaxBytes int64
}

type job struct {
	do   func(Tracker) error
	size int64
}

// NewBackground begins to hand records to t, which it owns from here on.
func NewBackground(t Tracker, o BackgroundOptions) *Background {
	if o.FinishWait == 0 {
		o.FinishWait = 30 * time.Second
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 512 << 20
	}
	b := &Background{t: t, o: o, queue: make(chan job, queueEvents), done: make(chan struct{})}
	go b.run()
	return b
}

func (b *Background) run() {
	defer close(b.done)
	for j := range b.queue {
		err := b.call(j)
		b.queued.Add(-j.size)
		if err == nil {
			continue
		}
		b.failed.Add(1)
		if now := time.Now(); b.told.IsZero() || now.Sub(b.told) >= quiet {
			b.told = now
			b.warnf("%s: %v; the run goes on", b.o.Name, err)
		}
	}
}

// call does a job. A panic is an error like others: it must not end a training of days.
func (b *Background) call(j job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("BUG: %T: %v", b.t, p)
		}
	}()
	return j.do(b.t)
}

func (b *Background) warnf(format string, args ...any) {
	r := Run{Warn: b.o.Warn}
	r.Warnf(format, args...)
}

func (b *Background) put(size int, do func(Tracker) error) error {
	j := job{do, int64(size) + 200}
	b.open.RLock()
	defer b.open.RUnlock()
	if b.closed {
		return nil
	}
	if b.queued.Add(j.size) <= b.o.MaxBytes {
		select {
		case b.queue <- j:
			return nil
		default:
		}
	}
	b.queued.Add(-j.size)
	b.lost.Add(1)
	return nil
}

// Log takes metrics. It never fails and never waits.
func (b *Background) Log(step int64, metrics map[string]float64) error {
	metrics = maps.Clone(metrics)
	return b.put(40*len(metrics), func(t Tracker) error { return t.Log(step, metrics) })
}

// Histogram takes a copy of values. It never fails and never waits.
func (b *Background) Histogram(step int64, name string, values []float32) error {
	values = slices.Clone(values)
	return b.put(4*len(values), func(t Tracker) error { return t.Histogram(step, name, values) })
}

// Image takes a picture. It never fails and never waits.
func (b *Background) Image(step int64, name string, png []byte, caption string) error {
	png = bytes.Clone(png)
	return b.put(len(png), func(t Tracker) error { return t.Image(step, name, png, caption) })
}

// Artifact takes the path of a file or folder, which must stay until the tracker has
// seen it. It never fails and never waits.
func (b *Background) Artifact(name, kind, path string) error {
	return b.put(0, func(t Tracker) error { return t.Artifact(name, kind, path) })
}

// Finish finishes the tracker behind everything that waits, and waits for it, but no
// longer than FinishWait. Finishing twice is harmless.
func (b *Background) Finish(status Status, summary map[string]float64) error {
	summary = maps.Clone(summary)
	b.open.Lock()
	again := b.closed
	b.closed = true
	b.open.Unlock()
	if again {
		return nil
	}
	deadline := time.NewTimer(b.o.FinishWait)
	defer deadline.Stop()
	ended := true
	select {
	case b.queue <- job{do: func(t Tracker) error { return t.Finish(status, summary) }}:
		close(b.queue)
		select {
		case <-b.done:
		case <-deadline.C:
			ended = false
		}
	case <-deadline.C: // its place in the queue is not free
		close(b.queue)
		ended = false
	}
	if !ended {
		b.warnf("%s has not taken everything within %v: the end of this run's record is missing there", b.o.Name, b.o.FinishWait)
	}
	if n := b.lost.Load(); n > 0 {
		b.warnf("%s: %d records were dropped, because it is too slow", b.o.Name, n)
	}
	if n := b.failed.Load(); n > 1 {
		b.warnf("%s: %d records could not be written", b.o.Name, n)
	}
	return nil
}
