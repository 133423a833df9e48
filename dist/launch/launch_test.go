package launch

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/dist/store"
)

// TestMain runs the tests, or, started by one of them, what its arguments say.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "rank" {
		os.Exit(rankMain(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

func rankMain(what string) int {
	rank := os.Getenv("RANK")
	switch what {
	case "env":
		fmt.Print("an unfinished line of rank ", rank)
		for _, name := range []string{"WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RESTART_COUNT"} {
			fmt.Fprintf(os.Stderr, "%s=%s\n", name, os.Getenv(name))
		}
		c, err := store.Dial(context.Background(), net.JoinHostPort(os.Getenv("MASTER_ADDR"), os.Getenv("MASTER_PORT")))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer c.Close()
		n, _ := c.Add(context.Background(), "ranks", 1)
		fmt.Fprintln(os.Stderr, "store:", n)
	case "second fails":
		if rank == "1" {
			return 7
		}
		time.Sleep(time.Minute)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		if rank == "1" {
			return 7
		}
		fmt.Println("ignores SIGTERM")
		time.Sleep(time.Minute)
	case "once":
		if os.Getenv("TORCHELASTIC_RESTART_COUNT") == "0" {
			return 5
		}
		fmt.Println("done")
	case "waits for signals":
		got := make(chan os.Signal, 1)
		signal.Notify(got, handedOn...)
		fmt.Println("ready")
		for {
			s := <-got
			fmt.Println("got", s)
			if s == syscall.SIGINT || s == syscall.SIGTERM {
				return 4
			}
		}
	case "killed":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return 0
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func config(what string, n int) (Config, *buffer, *buffer) {
	var out, errs buffer
	return Config{Command: []string{os.Args[0], "rank", what}, NProc: n, Grace: 10 * time.Second, Stdout: &out, Stderr: &errs}, &out, &errs
}

func TestEnvironmentAndOutput(t *testing.T) {
	c, out, errs := config("env", 2)
	require.NoError(t, Run(t.Context(), c))
	assert.ElementsMatch(t, []string{"[rank 0] an unfinished line of rank 0", "[rank 1] an unfinished line of rank 1"},
		strings.Split(strings.TrimSpace(out.String()), "\n"))
	for rank := range 2 {
		for _, want := range []string{"WORLD_SIZE=2", "LOCAL_RANK=" + strconv.Itoa(rank), "LOCAL_WORLD_SIZE=2", "GROUP_RANK=0",
			"MASTER_ADDR=127.0.0.1", "TORCHELASTIC_USE_AGENT_STORE=True", "TORCHELASTIC_RESTART_COUNT=0"} {
			assert.Contains(t, errs.String(), fmt.Sprintf("[rank %d] %s\n", rank, want))
		}
	}
	assert.Contains(t, errs.String(), "store: 2\n", "both use the same store")
}

// Two launchers, as on two machines: ranks count through, and node 0 keeps the store
// until both are done.
func TestTwoNodes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	all := make([]string, 2)
	var wg sync.WaitGroup
	for node := range 2 {
		wg.Go(func() {
			c, _, errs := config("env", 2)
			c.Nodes, c.NodeRank, c.Addr, c.Port = 2, node, "127.0.0.1", port
			assert.NoError(t, Run(t.Context(), c))
			all[node] = errs.String()
		})
	}
	wg.Wait()
	assert.Contains(t, all[0], "[rank 1] WORLD_SIZE=4\n")
	assert.Contains(t, all[1], "[rank 3] LOCAL_RANK=1\n")
	assert.Contains(t, all[1], "[rank 2] GROUP_RANK=1\n")
	assert.Contains(t, all[0]+all[1], "store: 4\n")
}

func TestFailure(t *testing.T) {
	f := func(what string, n, rank, code int) {
		t.Helper()
		c, _, _ := config(what, n)
		start := time.Now()
		err := Run(t.Context(), c)
		var failed *ExitError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, rank, failed.Rank)
		assert.Equal(t, code, failed.Code)
		assert.Less(t, time.Since(start), 9*time.Second, "the others are ended")
	}
	f("second fails", 3, 1, 7)
	f("killed", 1, 0, 128+int(syscall.SIGKILL))
}

// A rank that does not end when asked is killed after the grace.
func TestStubborn(t *testing.T) {
	c, _, _ := config("stubborn", 2)
	c.Grace = 100 * time.Millisecond
	var failed *ExitError
	require.ErrorAs(t, Run(t.Context(), c), &failed)
	assert.Equal(t, 7, failed.Code)
}

func TestRestart(t *testing.T) {
	c, out, errs := config("once", 2)
	c.MaxRestarts = 1
	require.NoError(t, Run(t.Context(), c))
	assert.Equal(t, 2, strings.Count(out.String(), "done\n"))
	assert.Contains(t, errs.String(), "failed: exit status 5; restart 1 of 1\n")

	c, _, _ = config("second fails", 2)
	c.MaxRestarts = 1
	var failed *ExitError
	require.ErrorAs(t, Run(t.Context(), c), &failed)
	assert.Equal(t, 7, failed.Code)
}

func TestSignals(t *testing.T) {
	f := func(act func(cancel func()), want string) {
		t.Helper()
		c, out, _ := config("waits for signals", 2)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error)
		go func() { done <- Run(ctx, c) }()
		require.Eventually(t, func() bool { return strings.Count(out.String(), "ready\n") == 2 }, 20*time.Second, time.Millisecond)
		act(cancel)
		var failed *ExitError
		require.ErrorAs(t, <-done, &failed)
		assert.Equal(t, 4, failed.Code)
		for rank := range 2 {
			assert.Contains(t, out.String(), fmt.Sprintf("[rank %d] got %s\n", rank, want))
		}
	}
	self := func(s syscall.Signal) func(func()) {
		return func(func()) { syscall.Kill(os.Getpid(), s) }
	}
	f(self(syscall.SIGTERM), "terminated")
	f(self(syscall.SIGINT), "interrupt")
	f(func(cancel func()) { cancel() }, "terminated")
	f(func(func()) {
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		time.Sleep(50 * time.Millisecond) // signals of different kinds have no order
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}, "user defined signal 1")
}

func TestValidate(t *testing.T) {
	f := func(c Config, why string) {
		t.Helper()
		assert.ErrorContains(t, Run(t.Context(), c), why)
	}
	cmd := []string{"true"}
	f(Config{NProc: 1}, "cannot launch nothing")
	f(Config{Command: cmd}, "cannot launch 0 processes")
	f(Config{Command: cmd, NProc: 1, Nodes: 2, NodeRank: 2}, "cannot launch as node 2 of 2")
	f(Config{Command: cmd, NProc: 1, Nodes: 2}, "give --master-addr and --master-port")
	f(Config{Command: cmd, NProc: 1, MaxRestarts: -1}, "cannot restart -1 times")
	f(Config{Command: []string{"no such program"}, NProc: 2}, "cannot start rank 0")
}
