package server

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// troubled is a listener whose Accept fails in the ways of a list, and then yields connections.
type troubled struct {
	fakeListener
	fails []error
	calls int
}

type fakeListener struct{}

func (fakeListener) Close() error   { return nil }
func (fakeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *troubled) Accept() (net.Conn, error) {
	l.calls++
	if len(l.fails) == 0 {
		return fakeConn{}, nil
	}
	err := l.fails[0]
	l.fails = l.fails[1:]
	return nil, err
}

func acceptError(no syscall.Errno) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", no)}
}

// TestAcceptGoesOn: what passes is waited out, ever longer, and told of once; what does not ends the listener.
func TestAcceptGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		metrics := NewMetrics(nil)
		in := &troubled{}
		for range 10 {
			in.fails = append(in.fails, acceptError(syscall.EMFILE))
		}
		in.fails = append(in.fails, acceptError(syscall.ENOBUFS), acceptError(syscall.ECONNABORTED))
		l := &listener{Listener: in, set: connsOf(10), trouble: acceptTrouble{log: zap.New(core), metrics: &metrics.faults}}
		start := time.Now()
		if _, err := l.Accept(); err != nil {
			t.Fatalf("got %v; want a connection when the trouble is over", err)
		}
		// 5 + 10 + 20 + 40 + 80 ms, and seven times 100.
		if took := time.Since(start); took != 855*time.Millisecond {
			t.Errorf("it came after %s; want 855ms", took)
		}
		for reason, want := range map[string]float64{"descriptors": 10, "memory": 1, "other": 1} {
			if got := testutil.ToFloat64(metrics.faults.accepts.WithLabelValues(reason)); got != want {
				t.Errorf("%v errors for want of %s were counted; want %v", got, reason, want)
			}
		}
		time.Sleep(2 * time.Second)
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		if logs.Len() != 2 || logs.FilterMessageSnippet("accepted again").Len() != 1 {
			t.Errorf("the log has %v; want one line when it began and one when it was over", logs.All())
		}
		broken := errors.New("the network is gone for good")
		in.fails = []error{broken}
		if _, err := l.Accept(); !errors.Is(err, broken) {
			t.Errorf("got %v; want the error that does not pass", err)
		}
		if l.trouble.spare != nil {
			t.Error("the spare descriptor is kept when nothing is accepted any more")
		}
	})
}

// TestStopInTrouble: a drain is not held up by a listener that cannot accept.
func TestStopInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &troubled{}
		for range 1000 {
			in.fails = append(in.fails, acceptError(syscall.ENFILE))
		}
		l := &listener{Listener: in, set: connsOf(10), trouble: acceptTrouble{log: zap.NewNop(), metrics: &NewMetrics(nil).faults}}
		done := make(chan error)
		go func() {
			_, err := l.Accept()
			done <- err
		}()
		time.Sleep(3 * time.Second)
		l.stop()
		start := time.Now()
		<-done
		if took := time.Since(start); took > emptyWithin+longestAcceptPause {
			t.Errorf("Accept returned %s after stop", took)
		}
		if in.calls > 60 {
			t.Errorf("Accept was called %d times in 3 s: it spins", in.calls)
		}
	})
}
