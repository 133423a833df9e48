package rpc

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/server/oip"
)

// A stream carries many requests and their answers, in the order of the requests, as Triton's streams do for a model that
// gives one answer a request. The requests run beside each other: a client that sends its images one by one has them
// batched, which is what a stream is for.
//
//	reader ──▶ queue of answers to come, in order ──▶ writer
//	   └──▶ a goroutine for each request ──▶ its answer ──┘
//
// The queue is bounded, so a client that sends and does not read is held up by gRPC's flow control, and not by our memory. An
// error is one request's: it goes into its answer, and the stream goes on. A stream ends when its client ends it, and in a
// drain once it has been silent for a moment and everything it asked is answered.

const (
	// streamAhead bounds the requests of one stream that are under way.
	streamAhead = 64

	// silence is how long a drain listens for a request that was already on its way.
	silence = 200 * time.Millisecond
)

var errShuttingDown = status.Error(codes.Unavailable, "The server is shutting down; open the stream again elsewhere.")

type answer = chan *pb.ModelStreamInferResponse

// ModelStreamInfer implements pb.GRPCInferenceServiceServer.
func (s *service) ModelStreamInfer(stream grpc.BidiStreamingServer[pb.ModelInferRequest, pb.ModelStreamInferResponse]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel() // when a Send has failed, what is under way is for nobody

	queue := make(chan answer, streamAhead)
	var end error // why the reader stopped
	go func() {
		defer close(queue)
		end = s.read(ctx, stream, func(m *pb.ModelInferRequest) bool {
			a := make(answer, 1)
			select {
			case queue <- a:
			case <-ctx.Done():
				return false
			}
			running.Go(func() { a <- s.inferOf(ctx, m) })
			return true
		})
	}()
	for a := range queue {
		if err := stream.Send(<-a); err != nil {
			cancel()
			for range queue { // the reader ends with ctx
			}
			return err
		}
	}
	return end
}

// read hands every request to f until the client ends the stream, f says no, or a drain finds it silent.
func (s *service) read(ctx context.Context, stream grpc.BidiStreamingServer[pb.ModelInferRequest, pb.ModelStreamInferResponse], f func(*pb.ModelInferRequest) bool) error {
	type received struct {
		m   *pb.ModelInferRequest
		err error
	}
	in := make(chan received)
	go func() { // Recv ends with the handler
		for {
			m, err := stream.Recv()
			select {
			case in <- received{m, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	draining := s.draining
	var silent <-chan time.Time
	for {
		select {
		case r := <-in:
			switch {
			case errors.Is(r.err, io.EOF):
				return nil
			case r.err != nil:
				return r.err
			case !f(r.m):
				return nil
			}
		case <-draining:
			draining = nil
		case <-silent:
			return errShuttingDown
		case <-ctx.Done():
			return status.FromContextError(context.Cause(ctx)).Err()
		}
		if draining == nil {
			silent = time.After(silence)
		}
	}
}

// finalResponse is the parameter by which a client asks to be told which response is a request's last, and the one that tells.
const (
	askFinal  = "triton_enable_empty_final_response"
	tellFinal = "triton_final_response"
)

// inferOf answers one request of a stream. An error names the request that it is about.
func (s *service) inferOf(ctx context.Context, m *pb.ModelInferRequest) (out *pb.ModelStreamInferResponse) {
	defer func() {
		if v := recover(); v != nil {
			s.Panicked(v)
			out = s.failed(m, status.Convert(errPanic).Message())
		}
	}()
	who := callerOf(ctx)
	who.RequestID = "" // names the stream
	resp, err := s.infer(ctx, who, m)
	if err != nil {
		return s.failed(m, s.sentenceOf(err))
	}
	if m.Parameters[askFinal].GetBoolParam() {
		resp.Parameters = parametersFor(map[string]any{tellFinal: true})
	}
	return &pb.ModelStreamInferResponse{InferResponse: resp}
}

func (s *service) failed(m *pb.ModelInferRequest, sentence string) *pb.ModelStreamInferResponse {
	return &pb.ModelStreamInferResponse{
		ErrorMessage:  sentence,
		InferResponse: &pb.ModelInferResponse{ModelName: m.ModelName, ModelVersion: m.ModelVersion, Id: m.Id},
	}
}

var _ oip.Headers = headers(nil)
