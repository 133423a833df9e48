//go:build interop

package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropKServe puts load on the real KServe model server, whose model fails on anything but what it asked for.
func TestInteropKServe(t *testing.T) {
	python := interop.Python(t, "kserve")
	ports := freePorts(t, 2)
	server := exec.Command(python, filepath.Join("testdata", "kserve_server.py"), ports[0], ports[1])
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(10*time.Second, func() { server.Process.Kill() })
		defer kill.Stop()
		server.Wait()
	})
	for _, port := range ports {
		awaitPort(t, port)
	}

	f := func(o Options) {
		t.Helper()
		o.Images, o.URL = Synthetic(3, 1), "127.0.0.1:"+ports[0]
		if o.Protocol == GRPC {
			o.URL, o.Model = "127.0.0.1:"+ports[1], "checker"
		}
		target, err := Open(context.Background(), o)
		require.NoError(t, err)
		defer target.Close()
		r, err := Run(context.Background(), target, Load{Clients: 2, Duration: 300 * time.Millisecond})
		require.NoError(t, err)
		assert.NotNil(t, r.Latency)
		assert.Zero(t, r.Errors+r.Refused.Count+r.Expired.Count, fmt.Sprint(r.ErrorsByKind))
	}
	f(Options{Protocol: V2, Input: Tensor})
	f(Options{Protocol: V2, Input: Tensor, Batch: 3, Deadline: 10 * time.Second})
	f(Options{Protocol: V2, Input: Tensor, JSON: true})
	f(Options{Protocol: V2, Input: Image, Batch: 2, JSON: true})
	f(Options{Protocol: GRPC, Input: Image, Batch: 2})
	f(Options{Protocol: GRPC, Input: Tensor})
	if t.Failed() {
		t.Logf("%.4000s", log.String())
	}
}

// freePorts returns ports of the loopback that nobody listens on.
func freePorts(t *testing.T, n int) (ports []string) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		ports = append(ports, port)
	}
	return ports
}

func awaitPort(t *testing.T, port string) {
	for range 600 {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the server does not listen after a minute")
}
