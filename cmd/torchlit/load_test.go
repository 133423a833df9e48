package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
)

// tally counts what became of a load's requests.
type tally struct {
	answered  atomic.Int64 // in full, with the right status
	notReady  atomic.Int64 // 503 or UNAVAILABLE, in full
	refused   atomic.Int64 // nobody listens any more: nothing was accepted
	unread    atomic.Int64 // a fresh connection, reset or closed before a byte of a reply
	crossed   atomic.Int64 // the same of a kept connection: the request met the closing of an idle one
	lost      atomic.Int64 // anything else
	mu        sync.Mutex
	complaint []string
}

func (c *tally) lose(format string, args ...any) {
	c.lost.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.complaint) < 20 {
		c.complaint = append(c.complaint, fmt.Sprintf(format, args...))
	}
}

func (c *tally) String() string {
	return fmt.Sprintf("%d answered, %d answered 503, %d refused, %d reset unread, %d crossed, %d lost", c.answered.Load(), c.notReady.Load(),
		c.refused.Load(), c.unread.Load(), c.crossed.Load(), c.lost.Load())
}

// request is one kind of the mix.
type request struct {
	name, path, contentType, wants string
	body                           []byte
}

func mix(t testing.TB) []request {
	photo := photo(t, 120, 90, 7)
	multi, multiType := form(t, photo, 3)
	base64ed, err := json.Marshal(map[string]string{"image": base64.StdEncoding.EncodeToString(photo)})
	require.NoError(t, err)
	v2, err := json.Marshal(map[string]any{"inputs": []any{map[string]any{"name": "image", "datatype": "BYTES", "shape": []int{1},
		"parameters": map[string]any{"content_type": "base64"}, "data": []string{base64.StdEncoding.EncodeToString(photo)}}}})
	require.NoError(t, err)
	return []request{
		{"single", "/v1/classify", "image/jpeg", `"predictions"`, photo},
		{"multipart", "/v1/classify", multiType, `"results"`, multi},
		{"json", "/v1/classify", "application/json", `"predictions"`, base64ed},
		{"v2", "/v2/models/cifar10-resnet18/infer", "application/json", `"outputs"`, v2},
	}
}

// load asks without pause by n HTTP clients, of which every second opens a connection for each request, and by gRPC where grpcAddr is
// given, until ctx ends or, unless stay is set, the port is closed. No client repeats a request by itself.
func load(ctx context.Context, t testing.TB, url, grpcAddr string, n int, stay bool) (*tally, *sync.WaitGroup) {
	c, wg := &tally{}, &sync.WaitGroup{}
	requests := mix(t)
	for i := range n {
		wg.Go(func() {
			tr := &http.Transport{DisableKeepAlives: i%2 == 1}
			defer tr.CloseIdleConnections()
			for k := i; ctx.Err() == nil; k++ {
				if gone := c.ask(ctx, tr, url, requests[k%len(requests)]); gone && !stay {
					return
				}
			}
		})
	}
	if grpcAddr != "" {
		for range 2 {
			wg.Go(func() { c.askGRPC(ctx, t, grpcAddr, requests[0].body, stay) })
		}
	}
	return c, wg
}

// ask sends one request and judges its end. It reports whether the port was closed.
func (c *tally) ask(ctx context.Context, tr *http.Transport, url string, r request) (gone bool) {
	traced, kept := withKept(context.WithoutCancel(ctx))
	req, _ := http.NewRequestWithContext(traced, http.MethodPost, url+r.path, bytes.NewReader(r.body))
	req.GetBody = nil // or the transport would repeat a lost request
	req.Header.Set("Content-Type", r.contentType)
	resp, err := tr.RoundTrip(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		c.refused.Add(1)
		return true
	case err != nil && kept.Load():
		c.crossed.Add(1)
		return false
	case err != nil:
		c.unread.Add(1)
		c.mu.Lock()
		c.complaint = append(c.complaint, "unread: "+err.Error())
		c.mu.Unlock()
		return true
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		c.lose("%s: reply cut off after %d bytes: %v", r.name, len(data), err)
	case resp.StatusCode == http.StatusServiceUnavailable && json.Valid(data):
		c.notReady.Add(1)
	case resp.StatusCode != http.StatusOK || !bytes.Contains(data, []byte(r.wants)) || !json.Valid(data):
		c.lose("%s: %d %s", r.name, resp.StatusCode, data)
	default:
		c.answered.Add(1)
	}
	return false
}

func (c *tally) askGRPC(ctx context.Context, t testing.TB, addr string, image []byte, stay bool) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	require.NoError(t, err)
	defer conn.Close()
	client := pb.NewGRPCInferenceServiceClient(conn)
	req := &pb.ModelInferRequest{
		ModelName:        "cifar10-resnet18",
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "image", Datatype: "BYTES", Shape: []int64{1}}},
		RawInputContents: [][]byte{append(binary.LittleEndian.AppendUint32(nil, uint32(len(image))), image...)},
	}
	for ctx.Err() == nil {
		resp, err := client.ModelInfer(context.WithoutCancel(ctx), req)
		switch {
		case err == nil && len(resp.RawOutputContents) == 1 && len(resp.RawOutputContents[0]) == 40:
			c.answered.Add(1)
		case err == nil:
			c.lose("gRPC: a reply of %d outputs", len(resp.RawOutputContents))
		case status.Code(err) == codes.Unavailable && strings.Contains(err.Error(), "connect"):
			c.refused.Add(1)
			if !stay {
				return
			}
			time.Sleep(10 * time.Millisecond)
		case status.Code(err) == codes.Unavailable && (strings.Contains(err.Error(), "not ready") || strings.Contains(err.Error(), "server is busy")):
			c.notReady.Add(1)
		default:
			c.lose("gRPC: %v", err)
		}
	}
}
