// Package rpc is the Open Inference Protocol over gRPC: inference.GRPCInferenceService, as clients of Triton and KServe
// know it, in front of an oip.Backend. The standard health service and reflection are beside it.
//
// What the protocol means, package oip says; here its messages are turned into oip's and back. So an answer over gRPC is
// the one over HTTP in another form, and is counted and logged by the backend in the same way.
package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/reflection"

	"github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/server/oip"
)

// Config is what a Server is made of.
type Config struct {
	Backend oip.Backend

	// Admin refuses whoever may not change what is served. authorization is "Bearer <key>", or empty.
	Admin func(remote net.Addr, authorization string) error

	DefaultTimeout time.Duration // of a call that names neither a deadline nor a timeout; default 30 s
	MaxTimeout     time.Duration // bounds the parameter "timeout"; default 5 min
	ReadTimeout    time.Duration // for the message of a call that is no stream to come; default 1 min
	MaxMessage     int           // bytes of a request, unpacked; default 32 MiB

	// Memory bounds the bytes of requests, with those of other front ends if they share it. nil is no bound.
	Memory Memory

	// TLS encrypts the connections; it must offer h2, and those that settle on another protocol are closed. nil: they are plain.
	TLS *tls.Config

	// Check is asked before the message of a call for an answer is read, and must be quick. Its error refuses the call, and is for
	// Backend.Describe. nil lets everybody.
	Check func(key string) error

	// Enter lets a caller with that key, "" for none, ask a request, and returns the key's name; leave follows the request. Its error is
	// for Backend.Describe. nil lets everybody.
	Enter func(key string) (name string, leave func(), err error)

	// Refused is told of each call that Memory had no room for. nil ignores it.
	Refused func()

	// Panicked is told what a handler panicked with; the call is answered INTERNAL. nil ignores it.
	Panicked func(value any)
}

func (c *Config) setDefaults() {
	if c.DefaultTimeout == 0 {
		c.DefaultTimeout = 30 * time.Second
	}
	if c.MaxTimeout == 0 {
		c.MaxTimeout = 5 * time.Minute
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = time.Minute
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = 32 << 20
	}
	if c.Check == nil {
		c.Check = func(string) error { return nil }
	}
	if c.Enter == nil {
		c.Enter = func(string) (string, func(), error) { return "", func() {}, nil }
	}
	if c.Refused == nil {
		c.Refused = func() {}
	}
	if c.Panicked == nil {
		c.Panicked = func(any) {}
	}
}

const (
	// maxStreams bounds the calls of one connection that are under way; more wait in the client.
	maxStreams = 1024

	// window is how much a client may send ahead on a connection. gRPC's own 64 KiB make an image of a few hundred kilobytes wait
	// for the network's round trip several times.
	window = 1 << 20

	// pingEvery is how often a client may ping. Behind load balancers many do so every ten seconds.
	pingEvery = 5 * time.Second

	// handshakeTimeout bounds the beginning of a connection, and probeEvery and probeTimeout the life of one whose client has gone without a word.
	handshakeTimeout = 10 * time.Second
	probeEvery       = time.Minute
	probeTimeout     = 20 * time.Second
)

// Server serves the protocol. New makes one; every method may be called from any goroutine.
type Server struct {
	grpc     *grpc.Server
	draining chan struct{} // closed by Drain and Close
	stop     sync.Once
	active   atomic.Int64 // calls under way
	service  *service
}

// New makes a server of cfg. It has no port yet.
func New(cfg Config) *Server {
	cfg.setDefaults()
	s := &Server{draining: make(chan struct{})}
	s.service = &service{Config: cfg, draining: s.draining}
	guard := guard{cfg.Panicked, &s.active}
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(cfg.MaxMessage), grpc.MaxConcurrentStreams(maxStreams),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingEvery, PermitWithoutStream: true}),
		grpc.ConnectionTimeout(handshakeTimeout), grpc.KeepaliveParams(keepalive.ServerParameters{Time: probeEvery, Timeout: probeTimeout}),
		grpc.UnaryInterceptor(guard.unary), grpc.StreamInterceptor(guard.stream), grpc.InTapHandle(s.admit),
	}
	if cfg.TLS != nil {
		options = append(options, grpc.Creds(http2Only{credentials.NewTLS(cfg.TLS)}))
	}
	if cfg.Memory != nil {
		options = append(options, experimental.BufferPool(&meteredPool{mem.DefaultBufferPool(), cfg.Memory}))
	}
	s.grpc = grpc.NewServer(options...)
	inferencepb.RegisterGRPCInferenceServiceServer(s.grpc, s.service)
	grpc_health_v1.RegisterHealthServer(s.grpc, &healthService{ready: cfg.Backend.Ready, draining: s.draining})
	reflection.Register(s.grpc)
	return s
}

// Serve serves the connections of ln until Drain or Close, then returns nil. It owns ln and closes it.
func (s *Server) Serve(ln net.Listener) error {
	err := s.grpc.Serve(ln)
	if err == nil || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return fmt.Errorf("cannot accept gRPC connections: %w", err)
}

const (
	drainTick = 50 * time.Millisecond
	idleTicks = 20 // with no call under way, after which whoever still holds a connection is cut off
)

// Drain stops the server without losing a call: connections are told to make no more, and those under way are answered.
// Streams end when what they have asked is answered. When ctx ends first, what is left is cut off and Drain says so.
func (s *Server) Drain(ctx context.Context) error {
	s.stop.Do(func() { close(s.draining) })
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for idle := 0; idle < idleTicks; {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			left := s.active.Load()
			s.grpc.Stop()
			<-done
			return fmt.Errorf("cannot finish the drain, %d gRPC calls are still under way: %w; allow it more time", left, context.Cause(ctx))
		case <-tick.C:
			idle++
			if s.active.Load() > 0 {
				idle = 0
			}
		}
	}
	s.grpc.Stop()
	<-done
	return nil
}

// Close ends all calls and connections at once.
func (s *Server) Close() {
	s.stop.Do(func() { close(s.draining) })
	s.grpc.Stop()
}
