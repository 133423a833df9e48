package supervise

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

// The test's own binary is the supervisor and its workers, too. What a worker does the variable behave says, which workers inherit.
const behave = "TORCHLIT_TEST_WORKER"

func TestMain(m *testing.M) {
	switch mode := os.Getenv(behave); {
	case mode == "":
		os.Exit(m.Run())
	case Supervised():
		work(mode)
	default:
		os.Exit(superviseTest())
	}
}

// superviseTest is a supervisor of workers that have one socket. It prints where that is, and how it ends.
func superviseTest() int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		panic(err)
	}
	fmt.Println("addr", ln.Addr())
	code, err := Run(Config{
		Command: []string{os.Args[0]}, Sockets: []Socket{{"door", f}}, ReadyTimeout: 300 * time.Millisecond,
		Ready: func() { fmt.Println("ready") }, Stopping: func() { fmt.Println("stopping") }, Log: zap.NewNop(),
	})
	if err != nil && !Silent(err) {
		fmt.Println("error", err)
	}
	fmt.Println("end")
	return code
}

// work is a worker: it says its number to whoever connects.
func work(mode string) {
	number := Restarts()
	switch {
	case mode == "useless", mode == "once" && number > 0:
		os.Exit(3)
	case mode == "hangs" && number > 0:
		time.Sleep(time.Minute)
	}
	ln, err := Listener("door")
	if err != nil || ln == nil {
		panic(fmt.Sprint("no door: ", err))
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		_ = ln.Close()
	}()
	Ready()
	for {
		nc, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			os.Exit(0)
		}
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(nc, "%d %d\n", number, os.Getpid())
		_ = nc.Close()
	}
}

// run is a supervisor that runs.
type run struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	addr  string
}

func begin(t *testing.T, mode string) *run {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), behave+"="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	r := &run{t: t, cmd: cmd, lines: bufio.NewScanner(out)}
	r.addr = strings.TrimPrefix(r.line(), "addr ")
	return r
}

func (r *run) line() string {
	r.t.Helper()
	if !r.lines.Scan() {
		r.t.Fatal("the supervisor says no more")
	}
	return r.lines.Text()
}

func (r *run) want(lines ...string) {
	r.t.Helper()
	for _, want := range lines {
		if got := r.line(); !strings.HasPrefix(got, want) {
			r.t.Fatalf("got %q; want %q", got, want)
		}
	}
}

// ask returns the number and the process of the worker that answers.
func (r *run) ask() (number, pid int) {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	text, err := io.ReadAll(nc)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &number, &pid); err != nil {
		r.t.Fatal(err)
	}
	return number, pid
}

func (r *run) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

func (r *run) end(code int) {
	r.t.Helper()
	_ = r.cmd.Wait()
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		r.t.Errorf("got exit code %d; want %d", got, code)
	}
}

// A worker that is killed is followed by another, and who connects meanwhile is answered by that.
func TestRestart(t *testing.T) {
	r := begin(t, "good")
	r.want("ready")
	for i := range 3 {
		number, pid := r.ask()
		if number != i {
			t.Errorf("worker %d answers; want %d", number, i)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.want("ready")
	}
	r.signal(syscall.SIGTERM)
	r.want("stopping", "end")
	r.end(0)
}

// SIGUSR2 replaces the worker; one that does not become ready, or ends before, changes nothing.
func TestReplace(t *testing.T) {
	r := begin(t, "good")
	r.want("ready")
	r.signal(syscall.SIGUSR2)
	r.want("ready")
	for end := time.Now().Add(10 * time.Second); ; { // the old one may still accept for a moment
		number, _ := r.ask()
		if number == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the old worker answers on")
		}
	}
	r.signal(syscall.SIGTERM)
	r.want("stopping", "end")
	r.end(0)

	for _, mode := range []string{"once", "hangs"} {
		r := begin(t, mode)
		r.want("ready")
		r.signal(syscall.SIGUSR2)
		time.Sleep(600 * time.Millisecond)
		if number, _ := r.ask(); number != 0 {
			t.Errorf("%s: worker %d answers", mode, number)
		}
		r.signal(syscall.SIGTERM)
		r.want("stopping", "end")
		r.end(0)
	}
}

// What cannot be kept alive is given up, with the worker's exit code.
func TestGiveUp(t *testing.T) {
	r := begin(t, "useless")
	r.want("end")
	r.end(3)

	r = begin(t, "once")
	r.want("ready")
	_, pid := r.ask()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.want("error cannot keep a worker alive", "end")
	r.end(3)
}

// Without a supervisor there is nothing to inherit.
func TestNotSupervised(t *testing.T) {
	ln, err := Listener("door")
	if ln != nil || err != nil || Supervised() || Restarts() != 0 {
		t.Error(ln, err)
	}
	Ready()
}
