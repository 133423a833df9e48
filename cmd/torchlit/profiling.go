package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"go.uber.org/zap"
)

// startProfiling serves Go's profiles under /debug/pprof/ at an address of its own: they tell of the program's inside, and a CPU profile
// takes its time, so they are none of the public routes. stop ends it; without an address it does nothing.
func startProfiling(addr string, logger *zap.Logger) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot serve profiles on --pprof-addr %q: %w", addr, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop = serveAside(s, ln, "profiles are no longer served", logger)
	logger.Info("serving profiles", zap.Stringer("addr", ln.Addr()))
	return stop, nil
}

// serveAside serves on ln beside the server, and returns what ends that. Who waits for an answer then goes without.
func serveAside(s *http.Server, ln net.Listener, broken string, logger *zap.Logger) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			logger.Error(broken, zap.Error(err))
		}
	}()
	return func() {
		_ = s.Close()
		<-done
	}
}
