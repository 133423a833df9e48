package server

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
)

// accept(2) fails for reasons that pass: the process, or the machine, has no descriptor left, or no memory for a socket. fasthttp
// takes every error for the end of its listener, so the first such moment would end the server. The listener waits instead, a little
// longer each time, and goes on.
//
// Waiting alone leaves the clients in the backlog without a word until the descriptors are back, however long that takes. So it
// holds a descriptor that it has no other use for. When there is no other, it closes that one, accepts a connection in its place, tells it
// 503, closes it and takes the spare back: who comes hears at once that he should come later.

// Why accept failed, in torchlit_accept_errors_total.
const (
	noDescriptors = "descriptors"
	noMemory      = "memory"
	otherTrouble  = "other"
)

var errNoDescriptors = &apiError{
	status: fasthttp.StatusServiceUnavailable, code: "too_many_connections", reason: "descriptors",
	sentence: "The server has no file descriptor left for another connection. Try again shortly.",
}

// passing reports whether an error of Accept will pass, and what it is about.
func passing(err error) (reason string, yes bool) {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return "", false
	}
	switch no {
	case syscall.EMFILE, syscall.ENFILE:
		return noDescriptors, true
	case syscall.ENOMEM, syscall.ENOBUFS:
		return noMemory, true
	case syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EPROTO, syscall.EPERM, // of the one connection, as accept(2) has it
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP:
		return otherTrouble, true
	}
	return "", false
}

const (
	shortestAcceptPause = 5 * time.Millisecond
	longestAcceptPause  = 100 * time.Millisecond
	acceptLogEvery      = time.Minute
	acceptCalm          = time.Second // without an error, after which the trouble is over
)

// acceptTrouble is a listener's dealing with such errors. The goroutine that accepts has it to itself, but for its end.
type acceptTrouble struct {
	log     *zap.Logger
	metrics *faultMetrics

	spare  *os.File
	pause  time.Duration
	last   time.Time // error
	logged time.Time
	told   bool // of a trouble of which the end was not told
}

func (s *Server) newTrouble() acceptTrouble {
	return acceptTrouble{log: s.log, metrics: &s.cfg.Metrics.faults}
}

// next is the listener's Accept without the errors that pass.
func (l *listener) next() (net.Conn, error) {
	t := &l.trouble
	for {
		t.hold()
		nc, err := l.Listener.Accept()
		if err == nil {
			t.over()
			return nc, nil
		}
		reason, passes := passing(err)
		if !passes {
			t.drop()
			return nil, err
		}
		t.meet(reason, err)
		if reason == noDescriptors {
			nc, refused := l.refuseOne()
			if nc != nil {
				return nc, nil
			}
			if refused {
				continue
			}
		}
		time.Sleep(t.pause)
		if l.stopping.Load() {
			return nil, err // whoever stops it has a deadline
		}
	}
}

// refuseOne refuses one connection that waits, in the place of the spare descriptor. If a descriptor has come free it
// returns the connection.
func (l *listener) refuseOne() (nc net.Conn, refused bool) {
	t := &l.trouble
	if t.spare == nil || !hasBacklog(l.Listener) {
		return nil, false
	}
	t.drop()
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, false
	}
	if t.hold() {
		return nc, false
	}
	l.reject(nc, errNoDescriptors)
	t.hold()
	return nil, true
}

// hold takes the spare descriptor, and reports whether it is there.
func (t *acceptTrouble) hold() bool {
	if t.spare == nil {
		t.spare, _ = os.Open(os.DevNull) // nil: there is none, and the next time will tell
	}
	return t.spare != nil
}

// drop gives the spare descriptor back.
func (t *acceptTrouble) drop() {
	if t.spare != nil {
		_ = t.spare.Close()
		t.spare = nil
	}
}

// meet counts an error, says so once in a while, and makes the next pause longer.
func (t *acceptTrouble) meet(reason string, err error) {
	now := time.Now()
	t.metrics.accepts.WithLabelValues(reason).Inc()
	if now.Sub(t.last) > acceptCalm {
		t.pause = 0
	}
	t.pause = min(max(shortestAcceptPause, 2*t.pause), longestAcceptPause)
	t.last = now
	if now.Sub(t.logged) < acceptLogEvery {
		return
	}
	t.logged, t.told = now, true
	advice := ""
	if reason == noDescriptors {
		advice = "raise the limit of open files (ulimit -n; LimitNOFILE= of a systemd unit) or lower --max-conns"
	}
	t.log.Warn("cannot accept connections for the time being; those that are open are served", zap.Error(err), zap.String("advice", advice))
}

// over tells of the end of what meet told of.
func (t *acceptTrouble) over() {
	if t.told && time.Since(t.last) > acceptCalm {
		t.told = false
		t.log.Info("connections are accepted again")
	}
}
