package rpc

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/server/oip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is an oip.Backend that does what a test wants.
type backend struct {
	oip.Backend // nil: a call that no test expects
	ready       atomic.Bool
	infer       func(context.Context, *oip.InferRequest) (*oip.InferResponse, error)
	load        func(name string, parameters map[string]any) error
	status      map[error]oip.Status
}

func (b *backend) Ready() bool { return b.ready.Load() }

func (b *backend) Infer(ctx context.Context, req *oip.InferRequest) (*oip.InferResponse, error) {
	return b.infer(ctx, req)
}

func (b *backend) Load(_ context.Context, name string, parameters map[string]any) error {
	return b.load(name, parameters)
}

func (b *backend) Unload(_ context.Context, name string) error { return b.load(name, nil) }

func (b *backend) Describe(err error) oip.Status {
	if st, ok := b.status[err]; ok {
		return st
	}
	if e, ok := errors.AsType[*oip.Error](err); ok {
		return oip.Status{HTTP: e.HTTP, Code: e.Code, Sentence: e.Sentence}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return oip.Status{HTTP: 504, Code: "deadline_exceeded", Sentence: "The deadline passed."}
	case errors.Is(err, context.Canceled):
		return oip.Status{HTTP: 499, Code: "client_gone", Sentence: "The client has gone."}
	}
	return oip.Status{HTTP: 500, Code: "internal", Sentence: "Something went wrong."}
}

// echo answers with a row for each image: how many there are, and the first byte of it.
func echo(_ context.Context, req *oip.InferRequest) (*oip.InferResponse, error) {
	return &oip.InferResponse{Model: req.Model, Version: "1", ID: req.ID, Outputs: []oip.Tensor{
		{Name: "probabilities", Datatype: oip.FP32, Shape: []int64{1, 2}, Raw: []byte{0, 0, 0, 0x3f, 0, 0, 0x80, 0x3e}}, // 0.5, 0.25
	}}, nil
}

// start serves cfg in memory and returns a connection to it.
func start(t testing.TB, cfg Config) (*Server, *grpc.ClientConn) {
	t.Helper()
	if cfg.Admin == nil {
		cfg.Admin = func(net.Addr, string) error { return nil }
	}
	s := New(cfg)
	ln := bufconn.Listen(1 << 16)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return ln.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, conn
}

func newBackend() *backend {
	b := &backend{infer: echo, load: func(string, map[string]any) error { return nil }, status: map[error]oip.Status{}}
	b.ready.Store(true)
	return b
}

func client(conn *grpc.ClientConn) pb.GRPCInferenceServiceClient {
	return pb.NewGRPCInferenceServiceClient(conn)
}

// request asks about one 1×1 image.
func request(id string) *pb.ModelInferRequest {
	return &pb.ModelInferRequest{
		ModelName: "m", Id: id,
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "input", Datatype: "UINT8", Shape: []int64{1, 1, 1, 3}}},
		RawInputContents: [][]byte{{1, 2, 3}},
	}
}

func message(err error) string { return status.Convert(err).Message() }
