package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// payload is what one request carries. It is shared by all that send it: nobody may change it.
type payload struct {
	body   []byte
	header [2]string // of this body alone; empty for none
}

// httpTarget sends prepared bodies to one path by HTTP/1.1 over connections that stay open.
type httpTarget struct {
	info        Info
	client      *fasthttp.HostClient
	conns       conns
	uri         string
	contentType string
	header      [][2]string
	payloads    []payload
	timeout     time.Duration
	server      atomic.Pointer[string]
	deadline    time.Duration // goes with each request as timeout_ms; 0: none

	// broken returns how many images of an answer with status 200 failed; nil where an answer stands for all.
	broken func(body []byte) int
}

// openHTTP connects to nothing yet.
func openHTTP(o Options, u *url.URL) (*httpTarget, error) {
	t := &httpTarget{
		info:    Info{URL: u.String(), Protocol: o.Protocol, Model: o.Model, Input: o.Input, Batch: o.Batch},
		timeout: o.Timeout,
	}
	for _, line := range o.Header {
		name, value, err := header(line)
		if err != nil {
			return nil, err
		}
		t.header = append(t.header, [2]string{name, value})
	}
	t.client = &fasthttp.HostClient{
		Addr: hostPort(u), Name: "torchlit-bench", IsTLS: u.Scheme == "https",
		DialTimeout: t.conns.dialer(o.Dial), MaxConns: o.Connections,
		// The connection used last is used next, so that there are as many as are needed, and those of a peak become idle. An idle
		// one is closed before the server does so: uvicorn waits for five seconds.
		ConnPoolStrategy: fasthttp.LIFO, MaxIdleConnDuration: 4 * time.Second,
		// A request that fails is to be seen.
		MaxIdemponentCallAttempts: 1,
		ReadBufferSize:            16 << 10, MaxResponseBodySize: 64 << 20,
		DisablePathNormalizing: true,
	}
	var err error
	t.client.TLSConfig, err = o.tls()
	return t, err
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "https" {
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

// send names the path and what is sent there.
func (t *httpTarget) send(uri, contentType string, payloads []payload) {
	t.uri, t.contentType, t.payloads = uri, contentType, payloads
	total := 0
	for _, p := range payloads {
		total += len(p.body)
	}
	t.info.Requests, t.info.Bytes = len(payloads), total/len(payloads)
}

// Info says what is known of the target.
func (t *httpTarget) Info() Info {
	info := t.info
	if s := t.server.Load(); s != nil {
		info.Server = *s
	}
	return info
}

// Abort closes all connections.
func (t *httpTarget) Abort() { t.conns.abort() }

// Close closes all connections.
func (t *httpTarget) Close() error {
	t.client.CloseIdleConnections()
	t.conns.abort()
	return nil
}

// Sender returns a sender for the calling goroutine.
func (t *httpTarget) Sender() Sender {
	s := &httpSender{t: t}
	s.req.SetRequestURI(t.uri)
	s.req.Header.SetMethod(fasthttp.MethodPost)
	s.req.Header.SetContentType(t.contentType)
	for _, h := range t.header {
		if h[0] == fasthttp.HeaderHost {
			s.req.UseHostHeader = true
		}
		s.req.Header.Set(h[0], h[1])
	}
	return s
}

type httpSender struct {
	t    *httpTarget
	req  fasthttp.Request
	resp fasthttp.Response
	text []byte // of the query
}

// Send sends the n-th request.
func (s *httpSender) Send(n uint64, due time.Time) Reply {
	t := s.t
	if t.deadline > 0 {
		// Rounded down, which leaves the way back half a millisecond at the mean.
		left := max(1, (t.deadline - time.Since(due)).Milliseconds())
		s.text = strconv.AppendInt(append(s.text[:0], "timeout_ms="...), left, 10)
		s.req.URI().SetQueryStringBytes(s.text)
	}
	p := &t.payloads[n%uint64(len(t.payloads))]
	s.req.SetBodyRaw(p.body)
	if p.header[0] != "" {
		s.req.Header.Set(p.header[0], p.header[1])
	}
	if err := t.client.DoTimeout(&s.req, &s.resp, t.timeout); err != nil {
		return Reply{Outcome: Failed, Kind: errorKind(err)}
	}
	if t.server.Load() == nil {
		name := string(s.resp.Header.Server())
		t.server.Store(&name)
	}
	return s.reply()
}

func (s *httpSender) reply() Reply {
	switch status := s.resp.StatusCode(); status {
	case fasthttp.StatusOK:
		images := s.t.info.Batch
		if s.t.broken != nil {
			images -= s.t.broken(s.resp.Body())
		}
		if images < s.t.info.Batch {
			return Reply{Outcome: Failed, Images: max(images, 0), Kind: "partial"}
		}
		return Reply{Outcome: Answered, Images: images}
	case fasthttp.StatusTooManyRequests, fasthttp.StatusServiceUnavailable:
		return Reply{Outcome: Refused}
	case fasthttp.StatusRequestTimeout, fasthttp.StatusGatewayTimeout:
		return Reply{Outcome: Expired}
	default:
		return Reply{Outcome: Failed, Kind: "http_" + strconv.Itoa(status)}
	}
}

// errorKind names a failure of the connection for the count of kinds.
func errorKind(err error) string {
	if e, ok := errors.AsType[net.Error](err); errors.Is(err, fasthttp.ErrTimeout) || errors.Is(err, fasthttp.ErrDialTimeout) || ok && e.Timeout() {
		return kindTimeout
	}
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return "certificate"
	case errors.As(err, &lookup):
		return "unknown_host"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return "client_out_of_connections"
	case errors.Is(err, fasthttp.ErrConnectionClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return "connection_closed"
	}
	return "connection"
}

// ask asks the server something before the load begins.
func (t *httpTarget) ask(method, uri string) ([]byte, error) {
	var req fasthttp.Request
	var resp fasthttp.Response
	req.SetRequestURI(uri)
	req.Header.SetMethod(method)
	for _, h := range t.header {
		req.Header.Set(h[0], h[1])
	}
	if err := t.client.DoTimeout(&req, &resp, t.timeout); err != nil {
		return nil, fmt.Errorf("cannot reach the server at %s: %w", t.client.Addr, err)
	}
	if resp.StatusCode() != fasthttp.StatusOK {
		return nil, &statusError{method, uri, resp.StatusCode(), string(resp.Body())}
	}
	return resp.Body(), nil
}

// statusError is an answer to ask that is none.
type statusError struct {
	method, uri string
	status      int
	body        string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the server answers %s %s with %d: %.200s", e.method, e.uri, e.status, e.body)
}

// conns are the open connections, so that they can be closed under those who wait on them.
type conns struct {
	mu      sync.Mutex
	open    map[*conn]struct{}
	aborted bool
}

// conn takes itself off the list when it is closed.
type conn struct {
	net.Conn
	list *conns
}

func (c *conn) Close() error {
	c.list.mu.Lock()
	delete(c.list.open, c)
	c.list.mu.Unlock()
	return c.Conn.Close()
}

func (l *conns) dialer(dial func() (net.Conn, error)) fasthttp.DialFuncWithTimeout {
	return func(addr string, timeout time.Duration) (net.Conn, error) {
		if timeout <= 0 {
			timeout = defaultTimeout
		}
		var c net.Conn
		var err error
		if dial != nil {
			c, err = dial()
		} else {
			c, err = net.DialTimeout("tcp", addr, timeout)
		}
		if err != nil {
			return nil, err
		}
		return l.add(c)
	}
}

func (l *conns) add(c net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.aborted {
		c.Close()
		return nil, net.ErrClosed
	}
	if l.open == nil {
		l.open = map[*conn]struct{}{}
	}
	out := &conn{c, l}
	l.open[out] = struct{}{}
	return out, nil
}

func (l *conns) abort() {
	l.mu.Lock()
	l.aborted = true
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for c := range open {
		c.Conn.Close()
	}
}
