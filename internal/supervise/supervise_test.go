package supervise

import (
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/sockets"
)

// TestMain is also the worker: what it does is its argument.
func TestMain(m *testing.M) {
	if o, err := ReadOrders(); o != nil || err != nil {
		work(o, os.Args[1])
	}
	goleak.VerifyTestMain(m)
}

func work(o *Orders, kind string) {
	if kind == "broken" {
		os.Exit(7)
	}
	if _, err := sockets.Inherit(o.Sockets); err != nil {
		os.Exit(8)
	}
	if kind == "stuck" && o.Hold { // never ready
		select {}
	}
	if kind == "broken once" && o.Restarts == 0 {
		os.Exit(9)
	}
	o.Tell("READY=1")
	time.Sleep(time.Minute)
}

// running is a supervisor under test.
type running struct {
	signals chan os.Signal
	done    chan error
	mu      sync.Mutex
	states  []string
}

func run(t *testing.T, kind string) *running {
	t.Helper()
	set, err := sockets.Open([]sockets.Want{{Name: "http", Addr: "127.0.0.1:0"}}, false)
	require.NoError(t, err)
	exe, err := os.Executable()
	require.NoError(t, err)
	r := &running{signals: make(chan os.Signal, 4), done: make(chan error, 1)}
	go func() {
		r.done <- Run(Config{Path: exe, Args: []string{kind}, Sockets: set, Signals: r.signals, Logger: zap.NewNop(),
			ReadyTimeout: 200 * time.Millisecond, FirstDelay: time.Millisecond, Notify: func(s string) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.states = append(r.states, s)
			}})
	}()
	return r
}

func (r *running) await(t *testing.T, what string) {
	t.Helper()
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return strings.Contains(strings.Join(r.states, "\n"), what)
	}, 20*time.Second, time.Millisecond)
}

func TestGivesUp(t *testing.T) {
	g, ok := AsGaveUp(<-run(t, "broken").done)
	require.True(t, ok)
	assert.Equal(t, 7, g.Code)
	assert.Contains(t, g.Error(), "3 in a row")
}

func TestRestarts(t *testing.T) {
	r := run(t, "broken once")
	r.await(t, "worker died (exit code 9), restart 1")
	r.await(t, "READY=1")
	r.signals <- syscall.SIGTERM
	g, ok := AsGaveUp(<-r.done)
	require.True(t, ok, "the worker has no handler: it is killed though it was ready, and that is told")
	assert.Equal(t, 128+int(syscall.SIGTERM), g.Code)
}

func TestReplacementNotReadyInTime(t *testing.T) {
	r := run(t, "stuck")
	r.await(t, "READY=1")
	r.signals <- syscall.SIGUSR2
	r.await(t, "RELOADING=1")
	r.await(t, "the last replacement of the worker failed")
	r.signals <- syscall.SIGTERM
	<-r.done
}

func TestSocketsOutliveClose(t *testing.T) {
	set, err := sockets.Open([]sockets.Want{{Name: "http", Addr: "127.0.0.1:0"}, {Name: "grpc"}}, false)
	require.NoError(t, err)
	addr := set.Listener("http").Addr().String()
	files, err := set.Files()
	require.NoError(t, err)
	require.Len(t, files, 1)
	set.Close()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err, "the duplicate keeps it open")
	_ = nc.Close()
	_ = files[0].Close()
	_, err = net.Dial("tcp", addr)
	require.Error(t, err)
}
