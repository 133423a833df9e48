package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/torchlit/torchlit/server"
)

// errCutOff is the end of a drain that a third signal has cut short.
var errCutOff = errors.New("a third signal came")

// stop finishes what was accepted. A second signal ends the grace time, a third all patience.
func stop(settings serveSettings, s *server.Server, grpc *grpcFront, logger *zap.Logger) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	logger.Info("stopping: finishing what was accepted", zap.Duration("grace", settings.DrainGrace))

	grace, endGrace := context.WithTimeout(context.Background(), settings.DrainGrace)
	defer endGrace()
	// The patience begins when the grace time ends, whichever way it does.
	drain, cutOff := context.WithCancelCause(context.Background())
	defer cutOff(nil)
	done := make(chan error, 1)
	go func() { done <- drainAll(drain, grace, s, grpc) }()
	patience := grace.Done()
	var timeout <-chan time.Time
	for asked := 1; ; {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("cannot finish all requests: %w; raise --drain-timeout", err)
			}
			logger.Info("stopped; no request was lost")
			return nil
		case <-patience:
			patience, timeout = nil, time.After(settings.DrainTimeout)
		case <-timeout:
			cutOff(context.DeadlineExceeded)
		case <-signals:
			if asked++; asked == 2 {
				logger.Info("a second signal: no more grace, what was accepted is finished; a third cuts it off")
				endGrace()
				continue
			}
			cutOff(errCutOff)
		}
	}
}

// drainAll stops both servers, each without losing a request. grace ends when nobody is served any more who comes now.
func drainAll(ctx, grace context.Context, s *server.Server, grpc *grpcFront) error {
	drained := make(chan error, 1)
	go func() { drained <- grpc.drain(ctx, grace) }()
	err := s.DrainAfter(ctx, grace.Done())
	if grpcErr := <-drained; err == nil {
		err = grpcErr
	}
	return err
}
