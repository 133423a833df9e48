package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/sockets"
	"github.com/torchlit/torchlit/internal/supervise"
)

// serveOrSupervise serves, or with --supervise starts a process that does.
func serveOrSupervise(ctx context.Context, settings serveSettings, logger *zap.Logger) error {
	given, err := orders()
	if err != nil {
		return err
	}
	if !settings.Supervise || given != nil {
		return serve(ctx, settings, logger)
	}
	return superviseServer(settings, logger)
}

// superviseServer runs this program again with the same arguments, as the worker.
func superviseServer(settings serveSettings, logger *zap.Logger) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot supervise: %w", err)
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("cannot read systemd's WATCHDOG_USEC: %w", err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, superviseSignals...)
	defer signal.Stop(signals)
	set, err := sockets.Open(wantedSockets(settings), false)
	if err != nil {
		return err
	}
	logger = logger.Named("supervisor")
	logger.Info("holding the sockets", zap.Strings("sockets", set.Names()), zap.Stringer("bound", set.Listener(httpSocket).Addr()))
	return supervise.Run(supervise.Config{
		Path: exe, Args: os.Args[1:], Sockets: set, Signals: signals,
		ReadyTimeout: settings.ReadyTimeout, Watchdog: watchdog, Logger: logger,
		Notify: func(state string) {
			if _, err := daemon.SdNotify(false, state); err != nil {
				logger.Warn("cannot tell systemd", zap.Error(err))
			}
		},
	})
}
