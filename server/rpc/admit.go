package rpc

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
)

var errNoMemory = status.Error(codes.Unavailable, "The server is busy: it holds as much of other requests as it may. Try again shortly.")

// admit looks at a call's headers before anything of its message is read. It refuses whoever has no key, and a call for whose message
// there is no memory; and gives the message of a unary call a time to come. gRPC calls it with a lock of the connection held.
//
// Those that were admitted may bring the largest message each, so the bound of memory can be passed by as many of these as there are calls
// under way.
func (s *Server) admit(ctx context.Context, call *tap.Info) (context.Context, error) {
	if s.service.Memory != nil && !s.service.Memory.Fits(1) {
		s.service.Refused()
		return nil, errNoMemory
	}
	switch call.FullMethodName {
	case pb.GRPCInferenceService_ModelInfer_FullMethodName, pb.GRPCInferenceService_ModelStreamInfer_FullMethodName:
		if err := s.service.Check(keyOf(headers(metadata.MD(call.Header)))); err != nil {
			return nil, s.service.fail(err, "")
		}
	}
	if !open(call.FullMethodName) {
		ctx = withMessageIn(ctx, s.service.ReadTimeout)
	}
	return ctx, nil
}

// open reports whether a call may be open for as long as its client likes.
func open(method string) bool {
	return method == pb.GRPCInferenceService_ModelStreamInfer_FullMethodName || strings.HasPrefix(method, "/grpc.")
}

type messageTimer struct{}

// withMessageIn ends a call whose message has not come after d: without this a client that sends a byte a minute, to each of a thousand
// calls on each of its connections, holds them for ever. messageCame stops the clock.
func withMessageIn(ctx context.Context, d time.Duration) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	return context.WithValue(ctx, messageTimer{}, time.AfterFunc(d, cancel))
}

func messageCame(ctx context.Context) {
	if timer, ok := ctx.Value(messageTimer{}).(*time.Timer); ok {
		timer.Stop()
	}
}
