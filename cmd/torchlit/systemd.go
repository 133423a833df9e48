package main

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/supervise"
)

// notify tells systemd what this service does, if it is one of Type=notify.
func notify(state string, logger *zap.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("systemd cannot be told", zap.String("state", state), zap.Error(err))
	}
}

// tellReady tells whoever started this process that it serves.
func tellReady(logger *zap.Logger) {
	if supervise.Supervised() {
		supervise.Ready() // the supervisor is systemd's service
		return
	}
	notify(daemon.SdNotifyReady, logger)
}

func tellStopping(logger *zap.Logger) {
	if !supervise.Supervised() {
		notify(daemon.SdNotifyStopping, logger)
	}
}

// watchdog tells systemd's watchdog, if the unit has WatchdogSec=, that this process is well, as long as it is. The function returned ends
// that. Under a supervisor it is that one's to tell.
func watchdog(well func() bool, logger *zap.Logger) (end func()) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 || supervise.Supervised() {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every / 2)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				if well() {
					notify(daemon.SdNotifyWatchdog, logger)
				}
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}
