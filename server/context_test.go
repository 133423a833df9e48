package server

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// aSecond returns a watcher and a context of a second.
func aSecond() (*watcher, *requestContext) {
	w := startWatcher(watchEvery)
	return w, &requestContext{watcher: w, deadline: time.Now().Add(time.Second)}
}

func TestRequestContext(t *testing.T) {
	f := func(name string, end func(*watcher, *requestContext), want error) {
		t.Helper()
		for _, early := range []bool{false, true} { // somebody waits before the end
			synctest.Test(t, func(t *testing.T) {
				w, c := aSecond()
				defer w.stop()
				if early {
					<-closedSoon(c)
				}
				child, cancel := context.WithCancel(c)
				defer cancel()
				if c.Err() != nil || child.Err() != nil {
					t.Fatalf("%s: over before its end: %v", name, c.Err())
				}
				end(w, c)
				<-c.Done()
				synctest.Wait()
				if !errors.Is(c.Err(), want) || !errors.Is(context.Cause(c), want) || !errors.Is(context.Cause(child), want) {
					t.Fatalf("%s: %v, %v, %v; want %v", name, c.Err(), context.Cause(c), context.Cause(child), want)
				}
				if want != context.DeadlineExceeded && !errors.Is(c.Err(), context.Canceled) {
					t.Fatalf("%s: %v is not taken for a cancellation", name, c.Err())
				}
				c.finish()
				if len(w.waiting) != 0 {
					t.Fatalf("%s: still watched", name)
				}
			})
		}
	}
	f("deadline", func(*watcher, *requestContext) { time.Sleep(time.Second) }, context.DeadlineExceeded)
	f("client", func(_ *watcher, c *requestContext) { c.end(errClientGone) }, errClientGone)
	f("server", func(w *watcher, _ *requestContext) { w.cancelAll(errStopped) }, errStopped)
	f("handler", func(_ *watcher, c *requestContext) { c.finish() }, context.Canceled)
}

// closedSoon makes somebody wait for c, and is closed when he does.
func closedSoon(c *requestContext) <-chan struct{} {
	started := make(chan struct{})
	go func() {
		done := c.Done()
		close(started)
		<-done
	}()
	return started
}

// Err knows the deadline without a timer.
func TestRequestContextErrAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := aSecond()
		defer w.stop()
		time.Sleep(time.Second - 1)
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
		time.Sleep(time.Nanosecond)
		if c.Err() != context.DeadlineExceeded || c.timer != nil {
			t.Fatal(c.Err())
		}
	})
}

// Whoever keeps a context longer than its handler leaves nothing behind in the watcher.
func TestRequestContextKept(t *testing.T) {
	w := startWatcher(watchEvery)
	for range 2000 {
		c := &requestContext{watcher: w, deadline: time.Now().Add(time.Hour)}
		var wg sync.WaitGroup
		wg.Go(func() { <-c.Done() })
		wg.Go(c.finish)
		wg.Wait()
	}
	w.stop()
	if n := len(w.waiting); n != 0 {
		t.Fatalf("%d contexts are still watched", n)
	}
}
