package server

import (
	"sync"
	"time"
)

// watchEvery is how often the connections of waiting requests are looked at. A client that leaves costs at most this
// much queue time; a look costs one system call, so a thousand waiting requests cost a few percent of one core.
const watchEvery = 20 * time.Millisecond

// watcher ends the requests of clients that leave.
//
// While a handler runs, fasthttp does not read the connection, so it cannot see the client close it, and a request
// that nobody waits for any more would still take its place in a batch. A goroutine for each request that blocks in
// read would see it, but would also eat the first byte of a pipelined request, and would have to be ended before each
// reply. Instead one goroutine looks at all waiting connections in turn with MSG_PEEK, which takes nothing out, and
// sleeps while there are none.
//
// What it cannot see: a client without a descriptor (in-memory listeners), and one whose last bytes are not read yet: that
// sent another request before it left, or, under TLS, its farewell. A client that closes only its sending half counts as gone, as it does for net/http.
type watcher struct {
	every time.Duration
	wake  chan struct{} // capacity 1: there is something to watch
	done  chan struct{}
	wg    sync.WaitGroup

	mu      sync.Mutex
	waiting []*requestContext
	stopped error // every request that waits from now on ends with it
}

func startWatcher(every time.Duration) *watcher {
	w := &watcher{every: every, wake: make(chan struct{}, 1), done: make(chan struct{})}
	w.wg.Add(1)
	go w.run()
	return w
}

// add begins to watch x's client; remove must follow when the request is answered.
func (w *watcher) add(x *requestContext) {
	w.mu.Lock()
	stopped := w.stopped
	w.waiting = append(w.waiting, x)
	x.place = len(w.waiting)
	first := len(w.waiting) == 1
	w.mu.Unlock()
	if stopped != nil {
		x.end(stopped)
	}
	if !first {
		return
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// remove does nothing when x was removed before.
func (w *watcher) remove(x *requestContext) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x.place == 0 {
		return
	}
	last := len(w.waiting) - 1
	moved := w.waiting[last]
	w.waiting[x.place-1], moved.place = moved, x.place
	w.waiting[last] = nil
	w.waiting = w.waiting[:last]
	x.place = 0
}

// cancelAll ends every request that waits, or begins to, with cause.
func (w *watcher) cancelAll(cause error) {
	w.mu.Lock()
	w.stopped = cause
	all := append([]*requestContext(nil), w.waiting...)
	w.mu.Unlock()
	for _, x := range all {
		x.end(cause)
	}
}

func (w *watcher) stop() {
	close(w.done)
	w.wg.Wait()
}

func (w *watcher) run() {
	defer w.wg.Done()
	var look peeker
	var now []*requestContext
	for {
		select {
		case <-w.wake:
		case <-w.done:
			return
		}
		for {
			select {
			case <-time.After(w.every):
			case <-w.done:
				return
			}
			w.mu.Lock()
			now = append(now[:0], w.waiting...)
			w.mu.Unlock()
			if len(now) == 0 {
				break
			}
			// Without the lock: a connection closed meanwhile is refused by its RawConn, never mistaken for the next
			// one with the same descriptor.
			for i, x := range now {
				if x.conn != nil && x.conn.raw != nil && look.gone(x.conn.raw) {
					x.end(errClientGone)
					w.remove(x)
				}
				now[i] = nil
			}
		}
	}
}
