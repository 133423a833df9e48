package main

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// lineWriter writes lines in the background, so that whoever has something to log waits for no disk and for no reader of a pipe. What
// comes while its buffer is full is dropped, and so is what cannot be written; lines are dropped whole, counted, and said to be lost when
// it begins and when it is over. It goes on trying: a disk that was full gets lines again as soon as it takes them.
//
// zapcore.BufferedWriteSyncer is the obvious one, but writes in the goroutine of a request when its buffer is full, with all others
// waiting behind it; and bufio beneath it never writes again after its first error.
type lineWriter struct {
	out  io.Writer
	what string // for the log
	log  *zap.Logger

	lost atomic.Uint64 // lines

	mu      sync.Mutex
	buffer  []byte // at most lineBuffer
	wake    chan struct{}
	flushes chan chan struct{}
	closing chan struct{}
	done    chan struct{}
	closed  bool

	// Of the goroutine that writes.
	failing  bool
	told     bool // of the failing that is
	toldAt   time.Time
	lostThen uint64 // lines, at the last write
}

const (
	lineBuffer  = 1 << 20
	lineFlush   = time.Second
	lineBatch   = 64 << 10 // are written without waiting for lineFlush
	lineTell    = time.Minute
	closeWriter = 5 * time.Second // for what is left; a pipe that nobody reads must not hold up the end
)

func newLineWriter(out io.Writer, what string, log *zap.Logger) *lineWriter {
	w := &lineWriter{out: out, what: what, log: log, wake: make(chan struct{}, 1), flushes: make(chan chan struct{}), closing: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

// Write takes whole lines. It never fails, and never waits for the disk.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	fits := len(w.buffer)+len(p) <= lineBuffer && !w.closed
	if fits {
		w.buffer = append(w.buffer, p...)
	}
	enough := len(w.buffer) >= lineBatch
	w.mu.Unlock()
	if !fits {
		w.lose(p)
	}
	if enough {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

// Sync implements zapcore.WriteSyncer.
func (w *lineWriter) Sync() error { return nil }

// Lost is how many lines were dropped.
func (w *lineWriter) Lost() uint64 { return w.lost.Load() }

func (w *lineWriter) lose(lines []byte) { w.lost.Add(uint64(bytes.Count(lines, []byte("\n")))) }

// Flush returns when what was there before is written, or when that takes too long.
func (w *lineWriter) Flush() {
	flushed := make(chan struct{})
	late := time.After(closeWriter)
	select {
	case w.flushes <- flushed:
		select {
		case <-flushed:
		case <-late:
		}
	case <-w.done:
	case <-late:
	}
}

// Close writes what is left and reports whether all of it went out in time. The goroutine may outlive it when a write does not return.
func (w *lineWriter) Close() bool {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	if first {
		close(w.closing)
	}
	select {
	case <-w.done:
		return !w.failing
	case <-time.After(closeWriter):
		return false
	}
}

func (w *lineWriter) run() {
	defer close(w.done)
	var spare []byte
	for last := false; !last; {
		var flushed chan struct{}
		select {
		case <-w.wake:
		case flushed = <-w.flushes:
		case <-time.After(lineFlush):
		case <-w.closing:
			last = true
		}
		w.mu.Lock()
		batch := w.buffer
		w.buffer = spare[:0]
		w.mu.Unlock()
		w.write(batch)
		spare = batch
		if flushed != nil {
			close(flushed)
		}
	}
}

// write hands a batch of lines on.
func (w *lineWriter) write(batch []byte) {
	if len(batch) == 0 {
		return
	}
	n, err := w.out.Write(batch)
	if err != nil {
		w.lose(batch[bytes.LastIndexByte(batch[:n], '\n')+1:])
	}
	w.settle(err)
}

// settle tells of the beginning and of the end of a loss, once a minute at most.
func (w *lineWriter) settle(err error) {
	lost := w.lost.Load()
	more := lost > w.lostThen
	w.lostThen = lost
	switch {
	case err != nil || more:
		w.failing = true
		if now := time.Now(); !w.told && (w.toldAt.IsZero() || now.Sub(w.toldAt) >= lineTell) {
			w.told, w.toldAt = true, now
			w.log.Warn("lines of "+w.what+" are lost; requests are served all the same", zap.Uint64("lost_so_far", lost), zap.Error(err))
		}
	case w.failing:
		w.failing = false
		if w.told {
			w.told = false
			w.log.Info(w.what+" is written again", zap.Uint64("lost_so_far", lost))
		}
	}
}
