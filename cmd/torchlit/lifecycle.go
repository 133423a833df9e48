package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/torchlit/torchlit/internal/sockets"
	"github.com/torchlit/torchlit/internal/supervise"
)

// The names of the sockets, for systemd's FileDescriptorName= and between supervisor and worker.
const (
	httpSocket  = "http"
	grpcSocket  = "grpc"
	adminSocket = "admin"
	acmeSocket  = "acme"
)

// lifecycle is a server's bond with whoever started it: where its sockets come from, who hears that it is ready or stops, and by which
// signals it is told to. That is a supervisor, systemd, or nobody in particular.
type lifecycle struct {
	orders   *supervise.Orders // nil without a supervisor
	set      *sockets.Set      // nil until listen
	wants    []sockets.Want
	reuse    bool
	late     bool             // accept nothing before the models are loaded
	further  <-chan os.Signal // signals after the first
	replaced chan os.Signal   // another worker has the service

	watchdog time.Duration
	stop     chan struct{}
	wg       sync.WaitGroup
}

// wantedSockets lists what serve listens on. Whoever adds an address adds it here, and it is handed over like the others.
func wantedSockets(settings serveSettings) []sockets.Want {
	return []sockets.Want{
		{Name: httpSocket, Addr: settings.Addr, Flag: "--addr"},
		{Name: grpcSocket, Addr: settings.GRPCAddr, Flag: "--grpc-addr"},
		{Name: adminSocket, Addr: settings.AdminAddr, Flag: "--admin-addr"},
		{Name: acmeSocket, Addr: settings.ACMEHTTPAddr, Flag: "--acme-http-addr"},
	}
}

// orders are this process's, if it is a worker.
var orders = sync.OnceValues(supervise.ReadOrders)

// openLifecycle finds out who started this process. Sockets are taken or opened at once, except with --reuse-port: who listens on a
// port of several gets its share of the connections, and has no use for it before its models are there.
func openLifecycle(ctx context.Context, settings serveSettings) (*lifecycle, error) {
	given, err := orders()
	if err != nil {
		return nil, err
	}
	l := &lifecycle{
		orders: given, wants: wantedSockets(settings), reuse: settings.ReusePort, late: settings.ReusePort,
		further: furtherSignals(ctx), replaced: make(chan os.Signal, 1), stop: make(chan struct{}),
	}
	if given != nil {
		l.late, l.watchdog = given.Hold, given.Watchdog
		signal.Notify(l.replaced, supervise.SignalReplaced)
	} else if l.watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		return nil, fmt.Errorf("cannot read systemd's WATCHDOG_USEC: %w", err)
	}
	if l.reuse {
		return l, nil
	}
	return l, l.listen()
}

// listen takes the sockets, if that has not been done.
func (l *lifecycle) listen() (err error) {
	switch {
	case l.set != nil:
	case l.orders != nil:
		l.set, err = sockets.Inherit(l.orders.Sockets)
	default:
		l.set, err = sockets.Open(l.wants, l.reuse)
	}
	return err
}

// register adds the metrics of a worker.
func (l *lifecycle) register(r prometheus.Registerer) {
	if l.orders == nil {
		return
	}
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "torchlit_worker_restarts_total", Help: "Workers that the supervisor had to start anew because one died.",
	}, func() float64 { return float64(l.orders.Restarts) }))
}

// tell says a line of sd_notify(3) to whoever started this process. That nobody listens is no error.
func (l *lifecycle) tell(state string) {
	if l.orders != nil {
		l.orders.Tell(state)
		return
	}
	_, _ = daemon.SdNotify(false, state)
}

// ready says that requests are answered, and from now on gives signs of life twice as often as the watchdog wants.
func (l *lifecycle) ready() {
	l.tell(daemon.SdNotifyReady)
	if l.watchdog <= 0 {
		return
	}
	l.wg.Go(func() {
		tick := time.NewTicker(l.watchdog / 2)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.tell(daemon.SdNotifyWatchdog)
			case <-l.stop:
				return
			}
		}
	})
}

// orphaned reports whether there was a supervisor and is none any more.
func (l *lifecycle) orphaned() bool { return l.orders != nil && l.orders.Orphaned() }

func (l *lifecycle) close() {
	signal.Stop(l.replaced)
	close(l.stop)
	l.wg.Wait()
	if l.set != nil {
		l.set.Close()
	}
}

// superviseSignals are what a supervisor reacts to.
var superviseSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR2}
