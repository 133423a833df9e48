package bench

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/torchlit/torchlit/internal/inferencepb"
)

// fakeInference is a gRPC server with one model.
type fakeInference struct {
	inferencepb.UnimplementedGRPCInferenceServiceServer
	answer func(context.Context, *inferencepb.ModelInferRequest) error
}

func (f *fakeInference) RepositoryIndex(context.Context, *inferencepb.RepositoryIndexRequest) (*inferencepb.RepositoryIndexResponse, error) {
	return &inferencepb.RepositoryIndexResponse{Models: []*inferencepb.RepositoryIndexResponse_ModelIndex{{Name: "m", Version: "1"}, {Name: "m", Version: "2"}}}, nil
}

func (f *fakeInference) ModelMetadata(_ context.Context, q *inferencepb.ModelMetadataRequest) (*inferencepb.ModelMetadataResponse, error) {
	if q.Name != "m" {
		return nil, status.Error(codes.NotFound, "no such model")
	}
	return &inferencepb.ModelMetadataResponse{Inputs: []*inferencepb.ModelMetadataResponse_TensorMetadata{
		{Name: "input", Datatype: "FP32", Shape: []int64{-1, 3, 4, 5}}, {Name: "image", Datatype: "BYTES", Shape: []int64{-1}},
	}}, nil
}

func (f *fakeInference) ServerMetadata(context.Context, *inferencepb.ServerMetadataRequest) (*inferencepb.ServerMetadataResponse, error) {
	return &inferencepb.ServerMetadataResponse{Name: "fake", Version: "7"}, nil
}

func (f *fakeInference) ModelInfer(ctx context.Context, q *inferencepb.ModelInferRequest) (*inferencepb.ModelInferResponse, error) {
	if err := f.answer(ctx, q); err != nil {
		return nil, err
	}
	return &inferencepb.ModelInferResponse{ModelName: "m", RawOutputContents: [][]byte{make([]byte, 400)}}, nil
}

func fakeGRPC(t *testing.T, answer func(context.Context, *inferencepb.ModelInferRequest) error) Options {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	inferencepb.RegisterGRPCInferenceServiceServer(server, &fakeInference{answer: answer})
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return Options{URL: "127.0.0.1:1", Protocol: GRPC, Images: twoImages, Dial: func() (net.Conn, error) { return listener.Dial() }}
}

func TestGRPC(t *testing.T) {
	var got []*inferencepb.ModelInferRequest
	o := fakeGRPC(t, func(ctx context.Context, q *inferencepb.ModelInferRequest) error {
		got = append(got, q)
		md, _ := metadata.FromIncomingContext(ctx)
		assert.Equal(t, []string{"secret"}, md.Get("x-api-key"))
		deadline, ok := ctx.Deadline()
		assert.True(t, ok)
		assert.LessOrEqual(t, time.Until(deadline), 2*time.Second)
		return nil
	})
	o.Batch, o.Deadline, o.Header = 2, 2*time.Second, []string{"X-Api-Key: secret"}
	replies, info := sendEach(t, o, 2)
	assert.Equal(t, []Reply{{Images: 2}, {Images: 2}}, replies)
	assert.Equal(t, "fake 7", info.Server)
	assert.Equal(t, "m", info.Model)
	require.Len(t, got, 2)
	assert.Equal(t, "m", got[0].ModelName)
	assert.Equal(t, "image", got[0].Inputs[0].Name)
	assert.Equal(t, "BYTES", got[0].Inputs[0].Datatype)
	assert.Equal(t, []int64{2}, got[0].Inputs[0].Shape)
	raw := "\x06\x00\x00\x00" + string(twoImages.Files[0]) + "\x0c\x00\x00\x00" + string(twoImages.Files[1])
	assert.Equal(t, raw, string(got[0].RawInputContents[0]))

	o.Input, o.Batch = Tensor, 1
	sendEach(t, o, 1)
	assert.Equal(t, []int64{1, 3, 4, 5}, got[2].Inputs[0].Shape)
	assert.Len(t, got[2].RawInputContents[0], 240)
}

func TestGRPCOutcomes(t *testing.T) {
	var answer error
	o := fakeGRPC(t, func(context.Context, *inferencepb.ModelInferRequest) error { return answer })
	f := func(code codes.Code, want Reply) {
		t.Helper()
		answer = status.Error(code, "as the server says")
		replies, _ := sendEach(t, o, 1)
		assert.Equal(t, want, replies[0])
	}
	f(codes.OK, Reply{Images: 1})
	f(codes.Unavailable, Reply{Outcome: Refused})
	f(codes.ResourceExhausted, Reply{Outcome: Refused})
	f(codes.DeadlineExceeded, Reply{Outcome: Expired})
	f(codes.InvalidArgument, Reply{Outcome: Failed, Kind: "grpc_invalidargument"})
	f(codes.Internal, Reply{Outcome: Failed, Kind: "grpc_internal"})
}

// Who sets a deadline gives up at it; who sets none gives up at the timeout.
func TestGRPCGivesUp(t *testing.T) {
	f := func(want Reply, deadline time.Duration) {
		t.Helper()
		o := fakeGRPC(t, func(ctx context.Context, _ *inferencepb.ModelInferRequest) error { <-ctx.Done(); return ctx.Err() })
		o.Deadline = deadline
		target, err := Open(context.Background(), o)
		require.NoError(t, err)
		defer target.Close()
		target.(*grpcTarget).timeout = 100 * time.Millisecond // only now: a busy machine takes its time to open
		assert.Equal(t, want, target.Sender().Send(0, time.Now()))
	}
	f(Reply{Outcome: Expired}, time.Second)
	f(Reply{Outcome: Failed, Kind: "timeout"}, 0)
}

func TestGRPCWithoutServer(t *testing.T) {
	_, err := Open(context.Background(), Options{URL: "127.0.0.1:1", Protocol: GRPC, Images: twoImages, Timeout: 2 * time.Second})
	assert.ErrorContains(t, err, "if gRPC is served at 127.0.0.1:1, name one")
	o := fakeGRPC(t, nil)
	o.Model = "other"
	_, err = Open(context.Background(), o)
	assert.ErrorContains(t, err, "no such model")
	f := func(says, address string) {
		t.Helper()
		_, err := Open(context.Background(), Options{URL: address, Protocol: GRPC, Images: twoImages})
		assert.ErrorContains(t, err, says)
	}
	f("give HOST:PORT", "host")
	f("give HOST:PORT", "host:1/v2")
	f("give grpc://HOST:PORT", "unix://host:1")

	assert.Equal(t, Reply{Outcome: Failed, Kind: "connection"}, (&grpcTarget{}).failure(status.New(codes.Unavailable, "connection error: desc = \"transport: Error while dialing\""), time.Second))
}

func TestGRPCAbort(t *testing.T) {
	arrived := make(chan struct{})
	o := fakeGRPC(t, func(ctx context.Context, _ *inferencepb.ModelInferRequest) error {
		close(arrived)
		<-ctx.Done()
		return ctx.Err()
	})
	target, err := Open(context.Background(), o)
	require.NoError(t, err)
	defer target.Close()
	reply := make(chan Reply)
	go func() { reply <- target.Sender().Send(0, time.Now()) }()
	<-arrived
	target.Abort()
	assert.Equal(t, Failed, (<-reply).Outcome)
}
