package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server, or an engine that waits for its turn, with all the processes that it starts.
type process struct {
	name   string
	url    string
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	err    error         // why, once done is closed
	output tail
}

const (
	startsWithin = 10 * time.Minute // a server that compiles its model takes its time
	endsWithin   = 10 * time.Second
	leavesWithin = 2 * time.Second
	askEvery     = 50 * time.Millisecond
)

// newProcess is a process that is not started.
//
// It gets a process group of its own, so that what it starts can be ended with it, and so that Ctrl-C reaches this program first.
func newProcess(name string, command []string) *process {
	p := &process{name: name, done: make(chan struct{})}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = &p.output
	p.cmd.WaitDelay = time.Second // what it has started may keep the pipe open
	return p
}

// launch starts it.
func (p *process) launch() error {
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", p.name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

// start starts a server and waits until it is ready: until the address says 200. The caller stops it.
func start(ctx context.Context, name, url, ready string, command []string) (*process, error) {
	p := newProcess(name, command)
	p.url, p.cmd.Stdout = url, &p.output
	if err := p.launch(); err != nil {
		return nil, err
	}
	if err := p.wait(ctx, ready); err != nil {
		p.stop()
		return nil, fmt.Errorf("cannot start %s: %w; it said:\n%s", name, err, p.output.String())
	}
	return p, nil
}

func (p *process) wait(ctx context.Context, ready string) error {
	ctx, cancel := context.WithTimeout(ctx, startsWithin)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		if says200(ctx, ready) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("it ended: %w", errors.Join(p.err, errors.New("too early")))
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", ctx.Err())
		}
	}
}

func says200(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		panic("BUG: an address that is none: " + url)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// stop ends the server: it is asked, and after a while what is left of its group is killed. It returns when all is gone.
func (p *process) stop() {
	group := -p.cmd.Process.Pid
	_ = syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(endsWithin):
	}
	_ = syscall.Kill(group, syscall.SIGTERM) // those that it left behind; a zombie among them stays what it is
	for end := time.Now().Add(leavesWithin); syscall.Kill(group, 0) == nil; time.Sleep(askEvery) {
		if time.Now().After(end) {
			_ = syscall.Kill(group, syscall.SIGKILL)
			break
		}
	}
	<-p.done
}

// kill ends a process and all that it has started, at once.
func (p *process) kill() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// freePort returns a port of the loopback interface that nobody listens on.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("cannot find a free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailBytes = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if over := t.buf.Len() - tailBytes; over > 0 {
		t.buf.Next(over)
	}
	return len(b), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.buf.String())
}
