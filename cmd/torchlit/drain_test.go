package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// drainGrace is longer than any client of the test is silent, so each hears "Connection: close" before its connection is closed.
const drainGrace = 400 * time.Millisecond

// TestDrain stops the server at random moments under load.
func TestDrain(t *testing.T) { drains(t, 6) }

// drains starts the server n times, and stops it by SIGTERM at a random moment under a mixed load: every request that was sent on a
// connection that was accepted is answered whole, and the server ends in time with exit code 0.
func drains(t *testing.T, n int) {
	torchtest.Need(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	bodies := drainBodies(t)
	answers, refusals := 0, 0
	for range n {
		s := serveModel(t, "--models", bundledModels, "--grpc-addr", "127.0.0.1:0", "--max-batch-size", "8", "--drain-grace", drainGrace.String())
		d := &drainLoad{t: t, addr: strings.TrimPrefix(s.url, "http://"), grpc: s.grpc, bodies: bodies}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() { d.http(ctx, i%3 != 0, rand.New(rand.NewPCG(uint64(i), 3))) })
		}
		wg.Go(func() { d.rpc(ctx) })
		time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond)
		d.stopping.Store(true)
		begin := time.Now()
		s.stop(t) // asserts exit code 0
		took := time.Since(begin)
		cancel()
		wg.Wait()
		assert.Less(t, took, drainGrace+20*time.Second)
		answers += int(d.answered.Load())
		refusals += int(d.refused.Load())
		if t.Failed() {
			t.Fatal(s.log)
		}
	}
	assert.NotZero(t, answers)
	t.Logf("%d stops, %d answers, %d connections refused afterwards", n, answers, refusals)
}

// drainBody is a request of some kind.
type drainBody struct{ path, header, body string }

func drainBodies(t testing.TB) []drainBody {
	t.Helper()
	small, large := photo(t, 40, 30, 5), photo(t, 700, 500, 6)
	several, kind := form(t, small, 3)
	text := `{"image":"` + base64.StdEncoding.EncodeToString(small) + `"}`
	return []drainBody{
		{"/v1/classify", "Content-Type: image/jpeg", string(small)},
		{"/v1/classify", "Content-Type: image/jpeg", string(large)},
		{"/v1/classify", "Content-Type: " + kind, string(several)},
		{"/v1/classify", "Content-Type: application/json", text},
		{"/v2/models/cifar10-resnet18/infer", "Inference-Header-Content-Length: 0", string(small)},
	}
}

type drainLoad struct {
	t                 *testing.T
	addr, grpc        string
	bodies            []drainBody
	stopping          atomic.Bool
	answered, refused atomic.Int64
}

// http asks until it is refused or ctx ends: on one connection until the server says that it closes it, or on one for each request.
func (d *drainLoad) http(ctx context.Context, keep bool, rnd *rand.Rand) {
	var nc net.Conn
	var in *bufio.Reader
	for ctx.Err() == nil {
		if nc == nil {
			before := d.stopping.Load()
			var err error
			if nc, err = net.Dial("tcp", d.addr); err != nil {
				if !before && !d.stopping.Load() || !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
					d.t.Errorf("cannot connect: %v", err)
				}
				d.refused.Add(1)
				return
			}
			in = bufio.NewReader(nc)
		}
		b := d.bodies[rnd.IntN(len(d.bodies))]
		closes, err := ask(nc, in, b)
		if err != nil {
			d.t.Errorf("a request on an accepted connection was not answered: %v", err)
			_ = nc.Close()
			return
		}
		d.answered.Add(1)
		if closes || !keep {
			_ = nc.Close()
			nc = nil
		}
		time.Sleep(time.Duration(rnd.IntN(10)) * time.Millisecond)
	}
	if nc != nil {
		_ = nc.Close()
	}
}

// ask sends b and reads the answer. closes says that it is the last on nc.
func ask(nc net.Conn, in *bufio.Reader, b drainBody) (closes bool, err error) {
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n", b.path, b.header, len(b.body))
	if _, err := io.WriteString(nc, head+b.body); err != nil {
		return true, err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return true, err
	case resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte("probabilit")):
		return true, fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return resp.Close, nil
}

// rpc asks over gRPC until the server has told it to go.
func (d *drainLoad) rpc(ctx context.Context) {
	conn, err := grpc.NewClient(d.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		d.t.Error(err)
		return
	}
	defer conn.Close()
	client := pb.NewGRPCInferenceServiceClient(conn)
	for ctx.Err() == nil {
		_, err := client.ModelInfer(ctx, &pb.ModelInferRequest{
			ModelName:        "cifar10-resnet18",
			Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "input", Datatype: "UINT8", Shape: []int64{1, 32, 32, 3}}},
			RawInputContents: [][]byte{make([]byte, 32*32*3)},
		})
		switch status.Code(err) {
		case codes.OK:
			d.answered.Add(1)
			continue
		case codes.Canceled:
		case codes.Unavailable: // nobody listens any more: the call was never sent
			if !d.stopping.Load() || !strings.Contains(err.Error(), "refused") {
				d.t.Errorf("a call was not answered: %v", err)
			}
		default:
			d.t.Errorf("a call was not answered: %v", err)
		}
		return
	}
}

// A second SIGTERM ends the grace time; what was accepted is answered all the same.
func TestSecondSignalHastens(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", bundledModels, "--drain-grace", "5m")
	nc, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer nc.Close()
	in := bufio.NewReader(nc)
	b := drainBodies(t)[0]
	closes, err := ask(nc, in, b)
	require.NoError(t, err)
	assert.False(t, closes)
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	for {
		resp, err := http.Get(s.url + "/readyz")
		require.NoError(t, err, "the server serves on in its grace time")
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	closes, err = ask(nc, in, b)
	require.NoError(t, err)
	assert.True(t, closes, "a reply in the grace time closes its connection")
	begin := time.Now()
	s.stop(t)
	assert.Less(t, time.Since(begin), time.Minute)
	assert.Contains(t, s.log.String(), "a second signal")
}

// A third cuts off, and says what was lost.
func TestThirdSignalCutsOff(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", bundledModels, "--drain-grace", "5m")
	nc, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer nc.Close()
	_, err = io.WriteString(nc, "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nand no more")
	require.NoError(t, err)
	for metric(t, s.url, "torchlit_inflight_requests") < 2 {
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
		time.Sleep(300 * time.Millisecond)
	}
	s.cmd = nil
	err = <-s.done
	assert.ErrorContains(t, err, "exit status 1")
}
