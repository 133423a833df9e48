package server

import (
	"errors"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// lazyDeadline is a read or a write deadline of a connection that is set for every request and almost never met.
//
// fasthttp sets three a request, each a little later than that of the request before, and each moves a timer of the
// runtime: a fifth of what a small request costs. So a deadline that is put off is only noted. When the one in force
// comes, the operation that it interrupts finds that it has time left, puts the noted one in force and goes on. A
// deadline is never late, and one that is brought forward is in force at once.
//
// The read deadlines are the connection's own, not fasthttp's (connSet.setState): that a request has so long from its first byte,
// and the next one so long to come, is noted without looking at the clock, and counts from the next Read. A small
// request comes whole with its first byte, and there is no such Read.
//
// Times are durations from the connection's start, so that a step of the wall clock does no harm.
type lazyDeadline struct {
	noted, inForce atomic.Int64 // noDeadline for none
	next           atomic.Int64 // the deadline is so long after the next operation's start; 0: it is the noted one
}

// in makes the deadline so long after the next operation's start.
func (d *lazyDeadline) in(timeout time.Duration) { d.next.Store(int64(timeout)) }

// begin begins an operation.
func (d *lazyDeadline) begin(start time.Time, arm func(time.Time) error) error {
	if d.next.Load() == 0 {
		return nil
	}
	timeout := d.next.Swap(0)
	return d.set(start, start.Add(time.Since(start)+time.Duration(timeout)), arm)
}

const noDeadline = math.MaxInt64

func (d *lazyDeadline) init() {
	d.noted.Store(noDeadline)
	d.inForce.Store(noDeadline)
}

// set makes t the deadline; arm puts one in force.
func (d *lazyDeadline) set(start, t time.Time, arm func(time.Time) error) error {
	at := int64(noDeadline)
	if !t.IsZero() {
		at = int64(t.Sub(start))
	}
	d.noted.Store(at)
	if d.inForce.Load() <= at { // one that has come already is found by the next operation
		return nil
	}
	d.inForce.Store(at)
	return arm(t)
}

// early reports whether err is that of a deadline that was put off since; the later one is in force then.
func (d *lazyDeadline) early(start time.Time, err error, arm func(time.Time) error) bool {
	if !timedOut(err) {
		return false
	}
	at := d.noted.Load()
	if at <= int64(time.Since(start)) {
		return false
	}
	d.inForce.Store(at)
	var t time.Time
	if at != noDeadline {
		t = start.Add(time.Duration(at))
	}
	return arm(t) == nil
}

// timedOut tells a deadline that came, by whatever kind of connection, from a network that gave up.
func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() && !errors.Is(err, syscall.ETIMEDOUT)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reads.next.Store(0)
	return c.reads.set(c.accepted, t, c.Conn.SetReadDeadline)
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.writes.set(c.accepted, t, c.Conn.SetWriteDeadline)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// readInTime is Conn.Read under the deadline that was set last.
func (c *conn) readInTime(p []byte) (int, error) {
	if err := c.reads.begin(c.accepted, c.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || !c.reads.early(c.accepted, err, c.Conn.SetReadDeadline) {
			return n, err
		}
	}
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		n, err := c.Conn.Write(p[written:])
		written += n
		if c.writes.early(c.accepted, err, c.Conn.SetWriteDeadline) {
			continue
		}
		if timedOut(err) {
			c.set.closed.WithLabelValues(closedSlowReader).Inc()
		}
		return written, err
	}
}
