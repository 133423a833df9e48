package main

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/supervise"
)

// superviseServer opens the sockets and runs serve on them in a worker process. The worker has this one's flags and environment.
func superviseServer(settings serveSettings, logger *zap.Logger) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program's file to start it again: %w", err)
	}
	sockets, err := newSockets(settings.ReusePort)
	if err != nil {
		return err
	}
	var hand []supervise.Socket
	for _, s := range []struct{ name, addr, flag string }{{httpSocket, settings.Addr, "--addr"}, {grpcSocket, settings.GRPCAddr, "--grpc-addr"}, {adminSocket, settings.AdminAddr, "--admin-addr"}} {
		if s.addr == "" {
			continue
		}
		ln, err := sockets.listen(s.name, s.addr, s.flag)
		if err != nil {
			return err
		}
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			return fmt.Errorf("cannot hand on the socket of %s: %w", s.flag, err)
		}
		hand = append(hand, supervise.Socket{Name: s.name, File: f})
	}
	defer watchdog(func() bool { return true }, logger)()
	code, err := supervise.Run(supervise.Config{
		Command: append([]string{self}, os.Args[1:]...),
		Sockets: hand,
		Ready:   func() { notify(daemon.SdNotifyReady, logger) }, Stopping: func() { notify(daemon.SdNotifyStopping, logger) },
		Log: logger.Named("supervisor"),
	})
	if err == nil && code == 0 {
		return nil
	}
	if err == nil {
		err = errors.New("the worker did not end well")
	}
	return &workerError{err, max(code, 1), supervise.Silent(err)}
}

// workerError is the end of a supervised server, with the worker's exit code.
type workerError struct {
	error
	code   int
	silent bool // the worker has printed why
}

func (e *workerError) Unwrap() error { return e.error }
