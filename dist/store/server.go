package store

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Server holds the keys. One process hosts it: the launcher, or rank 0.
type Server struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu      sync.Mutex
	values  map[string][]byte
	waiters map[*waiter]struct{}
	conns   map[net.Conn]struct{}
	closed  bool
}

// waiter is a connection that waits until all its keys are there.
type waiter struct {
	keys []string
	done func()
}

// Listen starts a server on an address such as ":29500"; the port 0 lets the system
// choose one.
func Listen(addr string) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot host the store of the ranks: %w; choose another MASTER_PORT, or end what listens there", err)
	}
	s := &Server{listener: l, values: map[string][]byte{}, waiters: map[*waiter]struct{}{}, conns: map[net.Conn]struct{}{}}
	s.wg.Go(s.accept)
	return s, nil
}

// Host is Listen for the machine that others know as host:port. It listens on all of the
// machine's addresses, of which the name may be none (behind a NAT, in a container), but
// on the loopback alone where that is the name.
func Host(addr string) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("cannot host the store of the ranks at %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		host = ""
	}
	return Listen(net.JoinHostPort(host, port))
}

// Addr is the address that the server listens on.
func (s *Server) Addr() *net.TCPAddr { return s.listener.Addr().(*net.TCPAddr) }

// Drain returns when no client is connected, or ctx ends.
func (s *Server) Drain(ctx context.Context) {
	for {
		s.mu.Lock()
		n := len(s.conns)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Close ends the server and all its connections.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	err := s.listener.Close()
	s.wg.Wait()
	return err
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(conn) })
	}
}

func (s *Server) serve(conn net.Conn) {
	p := &peer{server: s, wire: newWire(conn)}
	defer func() {
		p.stopWaiting()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		conn.Close()
	}()
	if p.readByte() != queryValidate || p.readUint32() != magic {
		return // not one of ours
	}
	for p.err == nil && p.one() {
	}
}

// peer is one connection. Replies to a wait come from whoever sets the last key, so
// writing has a lock of its own.
type peer struct {
	server *Server
	*wire
	out     sync.Mutex
	waiting *waiter
}

// reply sends what write writes, in one piece.
func (p *peer) reply(write func()) {
	p.out.Lock()
	defer p.out.Unlock()
	write()
	p.flush()
}

// one serves a request; false ends the connection.
func (p *peer) one() bool {
	s := p.server
	switch q := p.readByte(); {
	case p.err != nil:
		return false
	case q == querySet:
		key, value := p.readKey(), p.readBytes()
		p.update(func() { s.values[key] = value })
	case q == queryCompareSet:
		p.compareSet(p.readKey(), p.readBytes(), p.readBytes())
	case q == queryGet:
		value := p.get(p.readKey())
		p.reply(func() { p.writeBytes(value) })
	case q == queryAdd:
		p.add(p.readKey(), int64(p.readUint64()))
	case q == queryCheck:
		there := s.have(p.readKeys())
		p.reply(func() { p.writeByte(pick(there, replyReady, replyNotReady)) })
	case q == queryWait:
		p.wait(p.readKeys())
	case q == queryCancelWait:
		p.stopWaiting()
		p.reply(func() { p.writeByte(replyCanceled) })
	case q == queryNumKeys:
		s.mu.Lock()
		n := len(s.values)
		s.mu.Unlock()
		p.reply(func() { p.writeUint64(uint64(n)) })
	case q == queryDelete:
		p.remove(p.readKey())
	case q == queryAppend:
		key, value := p.readKey(), p.readBytes()
		p.update(func() { s.values[key] = append(slices.Clip(s.values[key]), value...) })
	case q == queryMultiGet:
		keys := p.readKeys()
		p.reply(func() {
			for _, k := range keys {
				p.writeBytes(p.get(k))
			}
		})
	case q == queryMultiSet:
		for range p.readCount(maxKeys) {
			key, value := p.readKey(), p.readBytes()
			p.update(func() { s.values[key] = value })
		}
	case q == queryPing:
		nonce := p.readUint32()
		p.reply(func() { p.writeUint32(nonce) })
	default:
		return false
	}
	return p.err == nil
}

// update changes the values, if the request was read whole, and tells those who wait.
func (p *peer) update(change func()) {
	if p.err != nil {
		return
	}
	s := p.server
	s.mu.Lock()
	change()
	var done []*waiter
	for w := range s.waiters {
		if s.haveLocked(w.keys) {
			done = append(done, w)
			delete(s.waiters, w)
		}
	}
	s.mu.Unlock()
	for _, w := range done {
		w.done()
	}
}

func (p *peer) get(key string) []byte {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.server.values[key]
}

func (p *peer) add(key string, n int64) {
	var sum int64
	p.update(func() {
		before, _ := strconv.ParseInt(string(p.server.values[key]), 10, 64)
		sum = before + n
		p.server.values[key] = strconv.AppendInt(nil, sum, 10)
	})
	p.reply(func() { p.writeUint64(uint64(sum)) })
}

func (p *peer) compareSet(key string, expected, desired []byte) {
	var now []byte
	p.update(func() {
		current, there := p.server.values[key]
		switch {
		case !there && len(expected) > 0:
			now = expected
		case !there || string(current) == string(expected):
			p.server.values[key], now = desired, desired
		default:
			now = current
		}
	})
	p.reply(func() { p.writeBytes(now) })
}

func (p *peer) remove(key string) {
	p.server.mu.Lock()
	_, there := p.server.values[key]
	delete(p.server.values, key)
	p.server.mu.Unlock()
	p.reply(func() { p.writeUint64(uint64(pick(there, 1, 0))) })
}

// wait replies when all keys are there, now or later.
func (p *peer) wait(keys []string) {
	if p.err != nil {
		return
	}
	w := &waiter{keys: keys, done: func() { p.reply(func() { p.writeByte(replyDone) }) }}
	p.server.mu.Lock()
	there := p.server.haveLocked(keys)
	if !there {
		p.server.waiters[w] = struct{}{}
	}
	p.server.mu.Unlock()
	if there {
		w.done()
		return
	}
	p.waiting = w
}

func (p *peer) stopWaiting() {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	delete(p.server.waiters, p.waiting)
}

func (s *Server) have(keys []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.haveLocked(keys)
}

func (s *Server) haveLocked(keys []string) bool {
	for _, k := range keys {
		if _, there := s.values[k]; !there {
			return false
		}
	}
	return true
}

func pick(yes bool, a, b byte) byte {
	if yes {
		return a
	}
	return b
}
