package main

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/server/rpc"
)

// grpcFront is the gRPC server of --grpc-addr. Without that flag its server is nil, and it does nothing.
type grpcFront struct {
	server *rpc.Server
	addr   net.Addr
	served chan error // what Serve ended with
}

// startGRPC serves s over gRPC in the background. It returns once the port is taken.
func startGRPC(settings serveSettings, s *server.Server, logger *zap.Logger) (*grpcFront, error) {
	if settings.GRPCAddr == "" {
		return &grpcFront{}, nil
	}
	ln, err := net.Listen("tcp", settings.GRPCAddr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w; choose another address with --grpc-addr", settings.GRPCAddr, err)
	}
	f := &grpcFront{addr: ln.Addr(), served: make(chan error, 1), server: rpc.New(rpc.Config{
		Backend: s.Backend(), Admin: s.AuthorizeAdmin, DefaultTimeout: settings.Timeout, MaxTimeout: settings.MaxTimeout,
		MaxMessage: settings.MaxBodyBytes, Memory: s.RequestMemory(), Refused: s.RefusedForMemory,
		Panicked: func(v any) {
			logger.Error("panic while serving gRPC; the call was answered INTERNAL", zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
		},
	})}
	go func() { f.served <- f.server.Serve(s.Limit(ln)) }()
	logger.Info("listening for gRPC", zap.Stringer("grpc_addr", f.addr))
	return f, nil
}

// failed yields an error when the listener breaks.
func (f *grpcFront) failed() <-chan error { return f.served }

// drain serves on for grace, then finishes what was accepted.
func (f *grpcFront) drain(ctx context.Context, grace time.Duration) error {
	if f.server == nil {
		return nil
	}
	select {
	case <-time.After(grace):
	case <-ctx.Done():
	}
	return f.server.Drain(ctx)
}

func (f *grpcFront) close() {
	if f.server != nil {
		f.server.Close()
	}
}

// drainAll stops both servers, each without losing a request.
func drainAll(ctx context.Context, s *server.Server, grpc *grpcFront, grace time.Duration) error {
	drained := make(chan error, 1)
	go func() { drained <- grpc.drain(ctx, grace) }()
	err := s.Drain(ctx)
	if grpcErr := <-drained; err == nil {
		err = grpcErr
	}
	return err
}
