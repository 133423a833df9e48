package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// conn is an accepted connection. It adds four things that fasthttp leaves out: deadlines that cost nothing to put off; the raw descriptor, so that a client
// that leaves can be noticed; a last look for data before an idle connection is closed in a drain; and a lingering close after a
// refused upload.
type conn struct {
	net.Conn
	set      *connSet
	raw      syscall.RawConn // nil when the connection has no descriptor
	accepted time.Time
	client   netip.Addr   // that it counts under
	state    atomic.Int32 // a fasthttp.ConnState
	nudged   atomic.Bool  // a drain wants an idle Read to end
	linger   atomic.Bool  // read on a while before closing
	closing  sync.Once

	reads, writes lazyDeadline
}

// Read is net.Conn's, except after nudge: then the deadline it ran into was not meant for a request that came in the
// same instant, so such a request is read, and a connection on which nothing came ends in io.EOF, as if the client had
// closed it.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.readInTime(p)
	if n == 0 && timedOut(err) && c.nudged.CompareAndSwap(true, false) {
		return c.lastLook(p)
	}
	if n == 0 && timedOut(err) {
		reason := closedIdle
		if fasthttp.ConnState(c.state.Load()) == fasthttp.StateActive {
			reason = closedSlowRequest
		}
		c.set.closed.WithLabelValues(reason).Inc()
	}
	return n, err
}

// lastLookFor is how long a nudged Read waits for bytes that are already here.
const lastLookFor = 20 * time.Millisecond

func (c *conn) lastLook(p []byte) (int, error) {
	if fasthttp.ConnState(c.state.Load()) == fasthttp.StateActive {
		_ = c.SetReadDeadline(time.Now().Add(c.set.readTimeout))
		return c.readInTime(p)
	}
	_ = c.SetReadDeadline(time.Now().Add(lastLookFor))
	n, err := c.readInTime(p)
	if n == 0 && readable(c.raw) { // it came after the deadline, before this goroutine's turn
		_ = c.SetReadDeadline(time.Now().Add(c.set.readTimeout))
		n, err = c.readInTime(p)
	}
	if n == 0 {
		return 0, io.EOF
	}
	_ = c.SetReadDeadline(time.Now().Add(c.set.readTimeout))
	return n, err
}

// nudge ends a Read that waits for a next request.
func (c *conn) nudge() {
	c.nudged.Store(true)
	_ = c.SetReadDeadline(time.Unix(1, 0))
}

const (
	lingerFor   = time.Second
	lingerBytes = 64 << 20
)

// Close closes the connection once. With linger set it first says that no more is coming and reads on a while: closing
// on top of unread data makes the kernel reset the connection, and the reply that explains the refusal is lost with it.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.closing.Do(func() {
		if c.linger.Load() {
			if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			_ = c.Conn.SetReadDeadline(time.Now().Add(lingerFor))
			_, _ = io.Copy(io.Discard, io.LimitReader(c.Conn, lingerBytes))
		}
		c.set.remove(c)
		err = c.Conn.Close()
	})
	return err
}

// connOf finds our connection under whatever fasthttp or crypto/tls has put around it; nil if there is none.
func connOf(nc net.Conn) *conn {
	for {
		switch c := nc.(type) {
		case *conn:
			return c
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		default:
			return nil
		}
	}
}

// connSet knows every open connection.
type connSet struct {
	max, maxPerClient                       int
	closed                                  *prometheus.CounterVec // by reason
	headerTimeout, readTimeout, idleTimeout time.Duration

	mu      sync.Mutex
	open    map[*conn]struct{}
	clients map[netip.Addr]int // how many are each one's
	empty   sync.Cond          // signalled when open becomes empty
}

func newConnSet(cfg *Config) *connSet {
	s := &connSet{
		max: cfg.MaxConns, maxPerClient: cfg.MaxConnsPerClient, closed: cfg.Metrics.limits.closed,
		headerTimeout: cfg.HeaderTimeout, readTimeout: cfg.ReadTimeout, idleTimeout: cfg.IdleTimeout,
		open: map[*conn]struct{}{}, clients: map[netip.Addr]int{},
	}
	s.empty.L = &s.mu
	return s
}

var (
	errTooManyConns = &apiError{
		status: fasthttp.StatusServiceUnavailable, code: "too_many_connections", reason: "connections",
		sentence: "The server has as many connections as it takes. Try again shortly.",
	}
	errTooManyOfClient = &apiError{
		status: fasthttp.StatusTooManyRequests, code: "too_many_connections_from_client", reason: "client_connections",
		sentence: "There are as many connections from this address as the server takes from one. Keep connections open and use them again.",
	}
)

// clientOf is the address that nc's peer counts under: hosts have all of an IPv6 network of 64 bits to themselves. Connections in
// memory have none, and are not counted.
func clientOf(nc net.Conn) netip.Addr {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	a := tcp.AddrPort().Addr().Unmap()
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	return a
}

// add wraps nc and takes it in, or says why not.
func (s *connSet) add(nc net.Conn) (*conn, *apiError) {
	c := &conn{Conn: nc, set: s, accepted: time.Now(), client: clientOf(nc)}
	c.reads.init()
	c.writes.init()
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.open) >= s.max:
		return nil, errTooManyConns
	case c.client.IsValid() && s.clients[c.client] >= s.maxPerClient:
		return nil, errTooManyOfClient
	}
	s.open[c] = struct{}{}
	s.clients[c.client]++
	return c, nil
}

func (s *connSet) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	if s.clients[c.client]--; s.clients[c.client] <= 0 {
		delete(s.clients, c.client)
	}
	if len(s.open) == 0 {
		s.empty.Broadcast()
	}
}

// setState is fasthttp's ConnState hook. A request's headers have headerTimeout from its first byte on, and those of a connection's first
// request from the beginning, the handshake included; a later request has idleTimeout to come. See receive for the body.
func (s *connSet) setState(nc net.Conn, state fasthttp.ConnState) {
	c := connOf(nc)
	if c == nil {
		return
	}
	switch state {
	case fasthttp.StateNew, fasthttp.StateActive:
		c.reads.in(s.headerTimeout)
	case fasthttp.StateIdle:
		c.reads.in(s.idleTimeout)
		c.linger.Store(false) // all of the body was read after all
	}
	c.state.Store(int32(state))
}

// newConnPatience is how long a drain waits for the first request of a connection that was accepted late.
const newConnPatience = 500 * time.Millisecond

// nudgeIdle asks every connection that serves no request to end, and returns how many are open.
func (s *connSet) nudgeIdle() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		switch fasthttp.ConnState(c.state.Load()) {
		case fasthttp.StateIdle:
			c.nudge()
		case fasthttp.StateNew:
			if time.Since(c.accepted) > newConnPatience {
				c.nudge()
			}
		}
	}
	return len(s.open)
}

func (s *connSet) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *connSet) closeAll() {
	s.mu.Lock()
	all := make([]*conn, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.linger.Store(false)
		_ = c.Conn.Close() // the goroutine that serves it takes it out of the set
	}
}

// waitEmpty returns when no connection is open.
func (s *connSet) waitEmpty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.open) > 0 {
		s.empty.Wait()
	}
}

// listener wraps what it accepts into conn, refuses what is too much, and empties its backlog before it closes.
type listener struct {
	net.Listener
	set      *connSet
	tls      *tls.Config // nil for plain HTTP
	reject   func(net.Conn, *apiError)
	stopBy   time.Time // written before stopping is set
	stopping atomic.Bool
	once     sync.Once
	trouble  acceptTrouble
}

// Accept returns the next connection, or io.EOF after stop.
//
// Closing a listener resets the connections in its backlog: their clients have connected, and may have sent a request, but
// nobody has accepted them. So after stop those who are there are still accepted, and the listener closes in the instant
// in which nobody is.
func (l *listener) Accept() (net.Conn, error) {
	for {
		if l.stopping.Load() {
			if !hasBacklog(l.Listener) || time.Now().After(l.stopBy) {
				_ = l.Close()
				l.trouble.drop()
				return nil, io.EOF
			}
			_ = l.Listener.(deadliner).SetDeadline(l.stopBy) // takes back the one that stop set
		}
		nc, err := l.next()
		if err != nil {
			if l.stopping.Load() && !errors.Is(err, net.ErrClosed) {
				continue
			}
			return nil, err
		}
		c, refused := l.set.add(nc)
		switch {
		case refused != nil:
			l.reject(nc, refused)
		case l.tls != nil:
			return tls.Server(c, l.tls), nil
		default:
			return c, nil
		}
	}
}

// emptyWithin bounds how long a stream of new clients can hold up a drain.
const emptyWithin = time.Second

type deadliner interface{ SetDeadline(time.Time) error }

// stop ends Accept.
func (l *listener) stop() {
	if l.stopping.Load() {
		return
	}
	l.stopBy = time.Now().Add(emptyWithin)
	l.stopping.Store(true)
	if d, ok := l.Listener.(deadliner); !ok || d.SetDeadline(time.Unix(1, 0)) != nil {
		_ = l.Close()
	}
}

// Close closes the listener once.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() { err = l.Listener.Close() })
	return err
}
