package rpc

import (
	"context"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// guard counts the calls that are under way, and keeps a panic from ending the process. Health checks and reflection do
// not count: whoever watches for as long as the server lives is no reason to wait for him.
type guard struct {
	panicked func(any)
	active   *atomic.Int64
}

var errPanic = status.Error(codes.Internal, "Something went wrong on the server. The log has the details.")

func (g guard) begin(method string) (end func()) {
	if strings.HasPrefix(method, "/grpc.") {
		return func() {}
	}
	g.active.Add(1)
	return func() { g.active.Add(-1) }
}

func (g guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
	messageCame(ctx)
	defer g.begin(info.FullMethod)()
	defer g.recover(&err)
	return handle(ctx, req)
}

func (g guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer g.begin(info.FullMethod)()
	defer g.recover(&err)
	return handle(srv, ss)
}

func (g guard) recover(err *error) {
	if v := recover(); v != nil {
		g.panicked(v)
		*err = errPanic
	}
}
