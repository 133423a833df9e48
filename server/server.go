package server

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/server/oip"
	"github.com/torchlit/torchlit/vision"
)

// Server answers HTTP for a set of models. Open makes one; every method may be called from any goroutine.
type Server struct {
	cfg    Config
	log    *zap.Logger
	fast   *fasthttp.Server
	router *router.Router
	admin  *fasthttp.Server // of StartAdmin

	adminRouter *router.Router
	protocol    *oip.Handler
	catalog     atomic.Pointer[catalog]
	changing    sync.Mutex          // held while another catalog is made
	traffic     map[string]*traffic // by model; guarded by changing
	tracer      trace.Tracer        // nil when requests are not traced
	shared      *shared             // nil when each image is asked about alone
	shadows     *shadows
	decode      *decodePool
	decoders    *decodeCrew
	watch       *watcher
	samples     *sampler
	conns       *connSet
	bodies      byteBudget
	decoding    *vision.Memory

	draining atomic.Bool
	closed   atomic.Bool
	hasten   chan struct{} // closed to end a drain's grace time
	hastened sync.Once

	mu        sync.Mutex
	listeners []*listener
	serving   sync.WaitGroup // one for each Serve
	failed    chan error     // what a Serve started by Start ended with, if not nil
}

// Open makes a server of cfg. It takes no port yet.
func Open(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cannot open the server: %w", err)
	}
	cfg.setDefaults()
	s := &Server{
		cfg:    cfg,
		log:    cfg.Logger,
		conns:  newConnSet(&cfg),
		failed: make(chan error, 2),
		hasten: make(chan struct{}),

		bodies:   byteBudget{limit: cfg.BodyMemory},
		decoding: vision.NewMemory(cfg.DecodeMemory),

		traffic: map[string]*traffic{},
		shadows: newShadows(cfg.MaxShadows),
	}
	s.decoding.Guard(s.guardDecoding)
	cfg.Metrics.limits.of.Store(s)
	s.decode = newDecodePool(cfg.DecodeWorkers, cfg.MaxDecodeQueue, s.takes)
	s.protocol = s.newProtocol()
	for name, t := range cfg.Traffic {
		s.setTrafficLocked(name, t)
	}
	if err := s.SetModels(cfg.Models); err != nil {
		return nil, fmt.Errorf("cannot open the server: %w", err)
	}
	cfg.Metrics.setBuild(cfg.Build)
	if cfg.Tracer != nil {
		s.tracer = cfg.Tracer.Tracer(tracerName)
	}
	how := decodeHere
	if cfg.Decoder != nil {
		how = decodeBy(cfg.Decoder)
	}
	s.decoders = startDecodeCrew(cfg.DecodeWorkers, how)
	s.watch = startWatcher(watchEvery)
	s.samples = startSampler(cfg.Metrics, s.catalog.Load, s.panicked)
	s.shared = newShared(s, &cfg)
	s.router = s.routes(true, !cfg.AdminApart)
	s.adminRouter = s.routes(false, true)
	s.fast, s.admin = s.newFast(s.handle), s.newFast(s.handleAdmin)
	return s, nil
}

// newFast makes the HTTP server of a handler.
func (s *Server) newFast(handle fasthttp.RequestHandler) *fasthttp.Server {
	cfg := &s.cfg
	fast := &fasthttp.Server{
		Name:                         "torchlit",
		Handler:                      handle,
		ErrorHandler:                 s.parseFailed,
		ExpectHandler:                s.expect,
		ConnState:                    s.conns.setState, // read timeouts as well
		Concurrency:                  cfg.MaxConns + rejectHeadroom,
		StreamRequestBody:            true, // see receive
		MaxRequestBodySize:           readAhead,
		WriteTimeout:                 cfg.WriteTimeout,
		ReadBufferSize:               cfg.MaxHeaderBytes,
		LazyRequestTime:              true, // an exchange has its own
		DisablePreParseMultipartForm: true, // body.go reads forms in place
		CloseOnShutdown:              true,
		Logger:                       fastLogger{cfg.Logger},
	}
	if cfg.TLS != nil {
		fast.NextProto(proofProtocol, func(net.Conn) error { return nil }) // fasthttp closes it
	}
	return fast
}

// proofProtocol is that of a handshake by which a certificate authority looks whether a name leads here (RFC 8737). It needs no client's
// certificate, so there is nothing to be had after it.
const proofProtocol = "acme-tls/1"

// rejectHeadroom keeps fasthttp's own limit above ours: ours answers in JSON and is counted.
const rejectHeadroom = 64

// Start listens on Config.Addr and serves in the background. It returns once the port is taken.
func (s *Server) Start() error {
	ln, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %q: %w; choose another address with --addr", s.cfg.Addr, err)
	}
	return s.StartOn(ln)
}

// StartOn is Start on a listener, which the server owns and closes.
func (s *Server) StartOn(ln net.Listener) error { return s.start(ln, s.fast) }

// StartAdmin serves administrators on a listener, which the server owns and closes: load, unload, traffic, /metrics, and whether it is alive and
// ready. They present their keys there, too.
func (s *Server) StartAdmin(ln net.Listener) error { return s.start(ln, s.admin) }

func (s *Server) start(ln net.Listener, fast *fasthttp.Server) error {
	l, err := s.register(ln)
	if err != nil {
		_ = ln.Close()
		return err
	}
	go func() {
		if err := s.serveBy(l, fast); err != nil {
			s.failed <- err
		}
	}()
	return nil
}

// Failed yields an error when the listener of Start or StartOn breaks. It stays silent through Drain and Close.
func (s *Server) Failed() <-chan error { return s.failed }

// Addr is the address of the first listener, nil before there is one.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) == 0 {
		return nil
	}
	return s.listeners[0].Addr()
}

// Serve serves the connections of ln until Drain or Close, then returns nil. It owns ln and closes it.
func (s *Server) Serve(ln net.Listener) error {
	l, err := s.register(ln)
	if err != nil {
		_ = ln.Close()
		return err
	}
	return s.serve(l)
}

var errServerClosed = errors.New("cannot serve: the server is stopping or stopped")

func (s *Server) register(ln net.Listener) (*listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() || s.draining.Load() {
		return nil, errServerClosed
	}
	l := &listener{Listener: ln, set: s.conns, tls: s.cfg.TLS, reject: s.rejectConn, trouble: s.newTrouble()}
	s.listeners = append(s.listeners, l)
	s.serving.Add(1)
	return l, nil
}

func (s *Server) serve(l *listener) error { return s.serveBy(l, s.fast) }

func (s *Server) serveBy(l *listener, fast *fasthttp.Server) error {
	defer s.serving.Done()
	if err := fast.Serve(l); err != nil && !l.stopping.Load() {
		return fmt.Errorf("cannot accept connections: %w", err)
	}
	return nil
}

// Close stops at once: it closes the listeners and every connection, and ends the requests that wait. After Drain
// there is nothing left to cut off. A second Close does nothing.
func (s *Server) Close() error {
	if !s.closed.CompareAndSwap(false, true) {
		return nil
	}
	s.draining.Store(true)
	s.stopAccepting()
	s.watch.cancelAll(errStopped)
	s.conns.closeAll()
	s.serving.Wait()
	s.conns.waitEmpty()
	s.shadows.close()
	if s.shared != nil {
		s.shared.close()
	}
	s.decoders.stop()
	s.watch.stop()
	s.samples.stop()
	return nil
}

func (s *Server) stopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		l.stop()
	}
}

// Ready reports whether /readyz says so: a model is loaded, none is recovering, and no drain has begun.
func (s *Server) Ready() bool {
	c := s.catalog.Load()
	return !s.draining.Load() && len(c.models) > 0 && !c.recovering()
}

// fastLogger takes what fasthttp itself has to say, which is about single connections.
type fastLogger struct{ log *zap.Logger }

func (l fastLogger) Printf(format string, args ...any) {
	l.log.Debug("connection", zap.String("message", fmt.Sprintf(format, args...)))
}
