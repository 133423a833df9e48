package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/vision"
)

// fronts are the servers of the two protocols over one set of models: they start together, and stop together.
type fronts struct {
	settings serveSettings
	server   *server.Server
	grpc     *grpcFront
	doors    *doors
	life     *lifecycle
	logger   *zap.Logger

	endProofs func() // nil before start
}

// start accepts connections from now on.
func (f *fronts) start() error {
	if err := f.life.listen(); err != nil {
		return err
	}
	http := f.life.set.Listener(httpSocket)
	if err := f.server.StartOn(http); err != nil {
		return err
	}
	if admin := f.life.set.Listener(adminSocket); admin != nil {
		if err := f.server.StartAdmin(admin); err != nil {
			return err
		}
		f.logger.Info("listening for administrators", zap.Stringer("admin_addr", admin.Addr()))
	}
	f.grpc = startGRPC(f.settings, f.server, f.doors, f.life.set.Listener(grpcSocket), f.logger)
	f.endProofs = f.doors.begin(f.limited(acmeSocket), f.logger)
	says := "listening; loading models"
	if f.life.late {
		says = "listening; models are loaded"
	}
	f.logger.Info(says, zap.Stringer("addr", http.Addr()), zap.String("jpeg", vision.JPEGBackend()))
	return nil
}

// limited is a socket with a bound of connections, nil if there is no such socket.
func (f *fronts) limited(name string) net.Listener {
	if ln := f.life.set.Listener(name); ln != nil {
		return f.server.Limit(ln)
	}
	return nil
}

func (f *fronts) close() {
	f.grpc.close()
	if f.endProofs != nil {
		f.endProofs()
	}
}

// drain is the answer to SIGTERM: serve on for the grace time while not ready, then finish what was accepted.
func (f *fronts) drain() error {
	f.logger.Info("stopping: finishing what was accepted", zap.Duration("grace", f.settings.DrainGrace))
	grace := make(chan struct{})
	timer := time.AfterFunc(f.settings.DrainGrace, func() { close(grace) })
	endGrace := func() {
		f.server.Hasten()
		if timer.Stop() {
			close(grace)
		}
	}
	if f.life.orphaned() { // its successor needs the port
		endGrace()
	}
	return f.finish(f.server.Drain, grace, endGrace)
}

// handOver is the answer to a supervisor that has another worker ready.
func (f *fronts) handOver() error {
	f.logger.Info("replaced: finishing what was accepted")
	grace := make(chan struct{})
	close(grace)
	return f.finish(f.server.HandOver, grace, f.server.Hasten)
}

var errThirdSignal = errors.New("a third signal came")

// closeWithin bounds what is closed in order after a third signal or the end of --drain-timeout.
const closeWithin = 5 * time.Second

// finish stops both servers, each without losing a request. A further signal ends the grace time, and one more cuts off what is left.
func (f *fronts) finish(drainHTTP func(context.Context) error, grace <-chan struct{}, endGrace func()) error {
	f.life.tell(daemon.SdNotifyStopping)
	bounded, cancel := context.WithTimeout(context.Background(), f.settings.DrainGrace+f.settings.DrainTimeout)
	defer cancel()
	ctx, cut := context.WithCancelCause(bounded)
	defer cut(nil)
	drained := make(chan error, 2)
	go func() { drained <- f.grpc.drain(ctx, grace) }()
	go func() { drained <- drainHTTP(ctx) }()
	var err error
	for left, signals := 2, 1; left > 0; {
		select {
		case e := <-drained:
			err = errors.Join(err, e)
			left--
		case <-f.life.further:
			if signals++; signals == 2 {
				f.logger.Warn("a second signal: the grace time is over; a third one cuts off what is under way")
				endGrace()
			} else {
				cut(errThirdSignal)
			}
		}
	}
	if err != nil {
		time.AfterFunc(closeWithin, func() { // a batch that never ends must not hold up the exit
			fmt.Fprintln(os.Stderr, "torchlit: cannot close what is under way; ending without")
			os.Exit(exitFailed)
		})
		return fmt.Errorf("cannot finish all requests: %w; raise --drain-timeout", err)
	}
	f.logger.Info("stopped; no request was lost")
	return nil
}
