package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	health "google.golang.org/grpc/health/grpc_health_v1"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/server/oip"
)

// Requests of a stream run beside each other, up to a bound, and are answered in their order; an error is one request's.
func TestStream(t *testing.T) {
	b := newBackend()
	var running, most atomic.Int64
	b.infer = func(ctx context.Context, req *oip.InferRequest) (*oip.InferResponse, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Duration(len(req.ID)%3) * time.Millisecond) // out of order
		if req.ID == "7" {
			return nil, &oip.Error{HTTP: 400, Code: "bad", Sentence: "Seven is bad."}
		}
		return echo(ctx, req)
	}
	_, conn := start(t, Config{Backend: b})
	stream, err := client(conn).ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const n = 500
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			req := request(fmt.Sprint(i))
			if i == 3 {
				req.Parameters = map[string]*pb.InferParameter{askFinal: {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}}}
			}
			if err := stream.Send(req); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	for i := range n {
		r, err := stream.Recv()
		if err != nil || r.InferResponse.Id != fmt.Sprint(i) {
			t.Fatalf("answer %d: got %v, %v", i, r, err)
		}
		want := ""
		if i == 7 {
			want = "Seven is bad."
		}
		if r.ErrorMessage != want || r.InferResponse.Parameters[tellFinal].GetBoolParam() != (i == 3) {
			t.Errorf("answer %d: got %v", i, r)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v at the end", err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if m := most.Load(); m < 2 || m > streamAhead+2 {
		t.Errorf("%d requests ran at once", m)
	}
}

// A client that leaves ends what its stream has under way.
func TestStreamEndsWithItsClient(t *testing.T) {
	b := newBackend()
	began, ended := make(chan struct{}), make(chan struct{})
	b.infer = func(ctx context.Context, _ *oip.InferRequest) (*oip.InferResponse, error) {
		close(began)
		<-ctx.Done()
		close(ended)
		return nil, context.Cause(ctx)
	}
	_, conn := start(t, Config{Backend: b})
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client(conn).ModelStreamInfer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(request("")); err != nil {
		t.Fatal(err)
	}
	<-began
	cancel()
	<-ended
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
}

// A drain answers the call and the stream's request that are under way, ends the idle stream, and says so to the watchers.
func TestDrain(t *testing.T) {
	b := newBackend()
	began, pass := make(chan struct{}, 2), make(chan struct{})
	b.infer = func(ctx context.Context, req *oip.InferRequest) (*oip.InferResponse, error) {
		began <- struct{}{}
		<-pass
		return echo(ctx, req)
	}
	s, conn := start(t, Config{Backend: b})
	answered := make(chan error, 1)
	go func() {
		_, err := client(conn).ModelInfer(t.Context(), request(""))
		answered <- err
	}()
	stream, err := client(conn).ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(request("last")); err != nil {
		t.Fatal(err)
	}
	<-began
	<-began
	watch, err := health.NewHealthClient(conn).Watch(t.Context(), &health.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := watch.Recv(); err != nil || r.Status != health.HealthCheckResponse_SERVING {
		t.Fatalf("got %v, %v", r, err)
	}
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background()) }()
	for { // until the connection knows
		if _, err := watch.Recv(); err != nil {
			break
		}
	}
	close(pass)
	if err := <-answered; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	if r, err := stream.Recv(); err != nil || r.InferResponse.Id != "last" {
		t.Errorf("the stream's request: %v, %v", r, err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainGivesUp(t *testing.T) {
	b := newBackend()
	began := make(chan struct{})
	b.infer = func(ctx context.Context, _ *oip.InferRequest) (*oip.InferResponse, error) {
		close(began)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	s, conn := start(t, Config{Backend: b})
	go client(conn).ModelInfer(t.Context(), request(""))
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestHealth(t *testing.T) {
	b := newBackend()
	_, conn := start(t, Config{Backend: b})
	c := health.NewHealthClient(conn)
	f := func(service string, ready bool, want health.HealthCheckResponse_ServingStatus) {
		t.Helper()
		b.ready.Store(ready)
		if r, err := c.Check(t.Context(), &health.HealthCheckRequest{Service: service}); err != nil || r.Status != want {
			t.Errorf("%q: got %v, %v; want %v", service, r, err, want)
		}
	}
	f("", true, health.HealthCheckResponse_SERVING)
	f("inference.GRPCInferenceService", false, health.HealthCheckResponse_NOT_SERVING)
	if _, err := c.Check(t.Context(), &health.HealthCheckRequest{Service: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v", err)
	}
	if l, err := c.List(t.Context(), &health.HealthListRequest{}); err != nil || len(l.Statuses) != 2 {
		t.Errorf("got %v, %v", l, err)
	}
	watch, err := c.Watch(t.Context(), &health.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []health.HealthCheckResponse_ServingStatus{health.HealthCheckResponse_NOT_SERVING, health.HealthCheckResponse_SERVING} {
		b.ready.Store(i > 0)
		if r, err := watch.Recv(); err != nil || r.Status != want {
			t.Errorf("got %v, %v; want %v", r, err, want)
		}
	}
	unknown, err := c.Watch(t.Context(), &health.HealthCheckRequest{Service: "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := unknown.Recv(); err != nil || r.Status != health.HealthCheckResponse_SERVICE_UNKNOWN {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestReflection(t *testing.T) {
	_, conn := start(t, Config{Backend: newBackend()})
	stream, err := reflection.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.CloseSend()
	ask := func(req *reflection.ServerReflectionRequest) *reflection.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(req); err != nil {
			t.Fatal(err)
		}
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var names []string
	for _, s := range ask(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_ListServices{}}).GetListServicesResponse().GetService() {
		names = append(names, s.Name)
	}
	if got := fmt.Sprint(names); got != "[grpc.health.v1.Health grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection inference.GRPCInferenceService]" {
		t.Errorf("got %s", got)
	}
	files := ask(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "inference.GRPCInferenceService"}})
	if len(files.GetFileDescriptorResponse().GetFileDescriptorProto()) != 2 {
		t.Errorf("got %v", files)
	}
}
