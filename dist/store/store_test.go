package store

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func dial(t *testing.T, s *Server) *Client {
	t.Helper()
	c, err := Dial(t.Context(), s.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSetGetAdd(t *testing.T) {
	s := open(t)
	a, b := dial(t, s), dial(t, s)
	ctx := t.Context()
	require.NoError(t, a.Set(ctx, "x", []byte("1")))
	got, err := b.Get(ctx, "x")
	require.NoError(t, err)
	assert.Equal(t, []byte("1"), got)

	for want := int64(5); want <= 15; want += 5 {
		n, err := b.Add(ctx, "n", 5)
		require.NoError(t, err)
		assert.Equal(t, want, n)
	}
	there, err := a.Has(ctx, "x", "n")
	require.NoError(t, err)
	assert.True(t, there)
	there, err = a.Has(ctx, "x", "y")
	require.NoError(t, err)
	assert.False(t, there)

	first, err := a.SetOnce(ctx, "reason", []byte("mine"))
	require.NoError(t, err)
	second, err := b.SetOnce(ctx, "reason", []byte("yours"))
	require.NoError(t, err)
	assert.Equal(t, []byte("mine"), first)
	assert.Equal(t, []byte("mine"), second)
	assert.Equal(t, "127.0.0.1", a.LocalHost())
}

// A get waits for a set from elsewhere, and one that is given up leaves a client that
// works.
func TestWait(t *testing.T) {
	s := open(t)
	a, b := dial(t, s), dial(t, s)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := a.Wait(short, "x", "y")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, `wait for "x", "y"`)

	got := make(chan []byte)
	go func() {
		v, _ := a.Get(t.Context(), "x")
		got <- v
	}()
	require.NoError(t, b.Set(t.Context(), "x", []byte("later")))
	assert.Equal(t, []byte("later"), <-got)
}

// A wait ends with the server.
func TestServerLost(t *testing.T) {
	s := open(t)
	c := dial(t, s)
	failed := make(chan error)
	go func() { failed <- c.Wait(t.Context(), "never") }()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.waiters) == 1
	}, 10*time.Second, time.Millisecond)
	s.Close()
	assert.ErrorIs(t, <-failed, io.EOF)
}

func TestDialComesLater(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	l.Close()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Dial(short, addr)
	require.ErrorContains(t, err, "start rank 0")

	dialed := make(chan error)
	go func() {
		c, err := Dial(t.Context(), addr)
		if err == nil {
			c.Close()
		}
		dialed <- err
	}()
	s, err := Listen(addr)
	require.NoError(t, err)
	defer s.Close()
	assert.NoError(t, <-dialed)

	_, err = Listen(addr)
	assert.ErrorContains(t, err, "choose another MASTER_PORT")
}

func TestHost(t *testing.T) {
	f := func(addr string, loopback bool) {
		t.Helper()
		s, err := Host(addr)
		require.NoError(t, err)
		defer s.Close()
		assert.Equal(t, loopback, s.Addr().IP.IsLoopback())
		assert.Equal(t, !loopback, s.Addr().IP.IsUnspecified())
	}
	f("127.0.0.1:0", true)
	f("localhost:0", true)
	f("203.0.113.7:0", false)
	f("node-0.example:0", false)
	_, err := Host("no port")
	assert.ErrorContains(t, err, `at "no port"`)
}

// A stranger, such as a port scanner or an HTTP client, is dropped and harms nobody.
func TestStranger(t *testing.T) {
	s := open(t)
	conn, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	n, _ := conn.Read(make([]byte, 1))
	assert.Zero(t, n)
	require.NoError(t, dial(t, s).Set(t.Context(), "x", nil))
}

// FuzzServer feeds a server with any bytes behind a good greeting: it must neither
// panic nor reserve what a peer merely announces.
func FuzzServer(f *testing.F) {
	f.Add([]byte{querySet, 1, 0, 0, 0, 0, 0, 0, 0, 'k', 1, 0, 0, 0, 0, 0, 0, 0, 'v', queryGet, 1, 0, 0, 0, 0, 0, 0, 0, 'k'})
	f.Add([]byte{queryAdd, 1, 0, 0, 0, 0, 0, 0, 0, 'n', 1, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{queryWait, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'z', queryCancelWait})
	f.Add([]byte{queryMultiGet, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Add([]byte{queryAppend, 255, 255, 255, 255, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, requests []byte) {
		s := &Server{values: map[string][]byte{}, waiters: map[*waiter]struct{}{}, conns: map[net.Conn]struct{}{}}
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, ours)
		done := make(chan struct{})
		go func() {
			s.serve(theirs)
			close(done)
		}()
		ours.Write(append([]byte{queryValidate, 0xCE, 0xF7, 0x85, 0x3C}, requests...))
		ours.Close()
		<-done
		assert.Empty(t, s.waiters)
		assert.Empty(t, s.conns)
	})
}
