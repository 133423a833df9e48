package main

import (
	"context"
	"net"

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

// startGRPC serves s over gRPC in the background, on ln, if that is not nil.
func startGRPC(settings serveSettings, s *server.Server, doors *doors, ln net.Listener, logger *zap.Logger) *grpcFront {
	if ln == nil {
		return &grpcFront{}
	}
	f := &grpcFront{addr: ln.Addr(), served: make(chan error, 1), server: rpc.New(rpc.Config{
		Backend: s.Backend(), Admin: s.AuthorizePublicAdmin, DefaultTimeout: settings.Timeout, MaxTimeout: settings.MaxTimeout, ReadTimeout: settings.ReadTimeout,
		MaxMessage: settings.MaxBodyBytes, Memory: s.RequestMemory(), Refused: s.RefusedForMemory, Check: s.CheckKey, Enter: s.Enter, TLS: doors.grpcTLS(),
		Panicked: s.Panicked,
	})}
	go func() { f.served <- f.server.Serve(s.Limit(ln)) }()
	logger.Info("listening for gRPC", zap.Stringer("grpc_addr", f.addr))
	return f
}

// failed yields an error when the listener breaks.
func (f *grpcFront) failed() <-chan error { return f.served }

// drain waits for the end of the grace time, then finishes what was accepted.
func (f *grpcFront) drain(ctx context.Context, grace <-chan struct{}) error {
	if f.server == nil {
		return nil
	}
	select {
	case <-grace:
	case <-ctx.Done():
	}
	return f.server.Drain(ctx)
}

func (f *grpcFront) close() {
	if f.server != nil {
		f.server.Close()
	}
}
