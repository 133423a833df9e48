package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// counted counts how often a deadline is put in force.
type counted struct {
	net.Conn
	set int
}

func (c *counted) SetReadDeadline(t time.Time) error  { c.set++; return c.Conn.SetReadDeadline(t) }
func (c *counted) SetWriteDeadline(t time.Time) error { c.set++; return c.Conn.SetWriteDeadline(t) }

// withPipe hands f a connection and its other end, under fake time.
func withPipe(t *testing.T, f func(c *conn, under *counted, other net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		under := &counted{Conn: ours}
		c := plain(connsOf(1), under)
		defer theirs.Close()
		defer c.Close()
		f(c, under, theirs)
	})
}

func after(d time.Duration) time.Time { return time.Now().Add(d) }

// A deadline that is put off before it comes costs nothing, and is kept to the moment.
func TestDeadlineIsPutOff(t *testing.T) {
	f := func(set func(*conn, time.Time) error, do func(*conn, []byte) (int, error)) {
		t.Helper()
		withPipe(t, func(c *conn, under *counted, _ net.Conn) {
			start := time.Now()
			for range 100 {
				set(c, after(time.Minute))
				time.Sleep(time.Second / 2)
				set(c, after(2*time.Minute))
			}
			if under.set > 1 {
				t.Fatalf("put in force %d times; want once in a minute", under.set)
			}
			_, err := do(c, make([]byte, 1))
			if want := 50*time.Second - time.Second/2 + time.Second/2 + 2*time.Minute; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != want {
				t.Fatalf("%v after %s; want a timeout after %s", err, time.Since(start), want)
			}
		})
	}
	f((*conn).SetReadDeadline, (*conn).Read)
	f((*conn).SetWriteDeadline, (*conn).Write)
}

func TestDeadlineIsBroughtForward(t *testing.T) {
	withPipe(t, func(c *conn, _ *counted, _ net.Conn) {
		start := time.Now()
		c.SetDeadline(after(time.Minute))
		c.SetDeadline(after(time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatalf("%v after %s; want a timeout after a second", err, time.Since(start))
		}
	})
}

// After a deadline was taken away, the one still in force does no harm; neither is a byte lost or sent twice.
func TestDeadlineIsTakenAway(t *testing.T) {
	withPipe(t, func(c *conn, _ *counted, other net.Conn) {
		c.SetDeadline(after(time.Second))
		c.SetDeadline(time.Time{})
		go func() {
			var got [4]byte
			time.Sleep(2 * time.Second)
			for i := range got { // one byte every two seconds
				other.Read(got[i : i+1])
				time.Sleep(2 * time.Second)
			}
			other.Write(got[:])
		}()
		if n, err := c.Write([]byte("abcd")); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		var back [8]byte
		if n, err := c.Read(back[:]); err != nil || string(back[:n]) != "abcd" {
			t.Fatalf("%q %v", back[:n], err)
		}
	})
}

// A deadline that counts from the next operation is not shortened by what comes before that, and lasts for those that follow. One that
// is set meanwhile takes its place.
func TestDeadlineFromNextOperation(t *testing.T) {
	withPipe(t, func(c *conn, _ *counted, other net.Conn) {
		c.reads.in(10 * time.Second)
		time.Sleep(time.Minute)
		start := time.Now()
		go func() {
			time.Sleep(6 * time.Second)
			other.Write([]byte("a"))
		}()
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Fatalf("%v after %s; want a timeout after 10 s", err, time.Since(start))
		}
		c.reads.in(time.Hour)
		c.SetReadDeadline(after(time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 11*time.Second {
			t.Fatalf("%v after %s; want a timeout after 11 s", err, time.Since(start))
		}
	})
}
