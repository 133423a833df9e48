package dataset

import (
	"sync/atomic"
	"time"
)

// counters are what a loader counts as it goes.
type counters struct {
	wait, load, work atomic.Int64 // nanoseconds
	images           atomic.Int64
}

// Stats says how a loader keeps up with whoever takes its batches.
type Stats struct {
	// Waited is how long Next has waited for batches.
	Waited time.Duration
	// Load is the time that workers spent in reading and decoding, Transform the
	// time in transforming (for images in memory: in all), summed over workers.
	Load, Transform time.Duration
	Images          int64 // images prepared
	Workers         int
}

// Stats returns what has been counted so far.
func (l *Loader) Stats() Stats {
	c := &l.counters
	load := time.Duration(c.load.Load())
	return Stats{
		Waited: time.Duration(c.wait.Load()), Load: load, Transform: max(time.Duration(c.work.Load())-load, 0),
		Images: c.images.Load(), Workers: l.cfg.Workers,
	}
}

// Waited returns how long Next has waited for batches so far. More than a
// little means that the loader, not the model, sets the pace.
func (l *Loader) Waited() time.Duration { return time.Duration(l.counters.wait.Load()) }

// Add returns the sum of both, as of two epochs; the workers are those of s,
// or else of other.
func (s Stats) Add(other Stats) Stats {
	if s.Workers == 0 {
		s.Workers = other.Workers
	}
	s.Waited += other.Waited
	s.Load += other.Load
	s.Transform += other.Transform
	s.Images += other.Images
	return s
}

// Rate is the number of images a second that the workers prepare while they
// work: what they would deliver to a model of no cost, if each has a CPU.
func (s Stats) Rate() float64 {
	busy := (s.Load + s.Transform).Seconds()
	if busy == 0 {
		return 0
	}
	return float64(s.Images) * float64(s.Workers) / busy
}

// Bound tells whether the loader set the pace over the elapsed time: Next waited
// for more than a tenth of it.
func (s Stats) Bound(elapsed time.Duration) bool { return s.Waited > elapsed/10 }
