package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/cpus"
	"github.com/torchlit/torchlit/server/access"
	"github.com/torchlit/torchlit/vision"
)

// Config says how a Server behaves. The zero value of every field stands for the default its comment ends with.
type Config struct {
	// Addr is the TCP address Start listens on, HOST:PORT. Default ":8080".
	Addr string

	// Models are served from the start; the first is the one that /v1/classify uses. It may stay empty: then the
	// server answers "loading" until SetModels. Default none.
	Models []Model

	// Repository is where models are loaded from and unloaded by callers. Nil: the models are those of SetModels, and
	// load and unload are refused. Default nil.
	Repository Repository

	// Traffic says for each model by name which versions answer; it may be changed while the server runs. Default:
	// the newest version answers.
	Traffic map[string]Traffic

	// CacheBytes bounds the memory of the response cache: the same image sent to the same loading of a model again gets
	// the same answer without being decoded or run. Zero means no cache.
	CacheBytes int64

	// CacheTTL is how long an answer is remembered at most. Zero means until there is no room for it.
	CacheTTL time.Duration

	// Dedup makes requests for the same image that are under way at once share one run.
	Dedup bool

	// MaxShadows bounds the images that shadow versions work on at once; one more is passed over. Default 64.
	MaxShadows int

	// APIKeys are what those present who ask for answers. Its owner closes it after Close. Default nil: everybody may ask.
	APIKeys *access.Keys

	// AdminKeys are what admin routes ask for. Its owner closes it after Close. Default nil: AdminKey.
	AdminKeys *access.Keys

	// AdminKey is AdminKeys with a single key. Empty: admin routes answer callers on this machine only. Default empty.
	AdminKey string

	// AdminApart takes /metrics and the admin routes off the public listeners: those of StartAdmin have them.
	AdminApart bool

	// CORSOrigins are the sites whose pages may read the answers, such as https://example.com; * is every one. Default none.
	CORSOrigins []string

	// MaxBodyBytes bounds one request's body; a larger one is refused with 413. Default 32 MiB.
	MaxBodyBytes int

	// MaxImagesPerRequest bounds the images in one form or one JSON list. Default 32.
	MaxImagesPerRequest int

	// MaxPixels bounds an image's width times height; a larger one is refused with 413 when its header is read. Default 64 Mi, vision's.
	MaxPixels int

	// MaxHeaderBytes bounds a request's line and headers together; more is refused with 431. Each connection has so much memory for
	// what it reads. Default 16 KiB.
	MaxHeaderBytes int

	// BodyMemory bounds the bytes of bodies that all requests hold together, as far as they have come; what does not fit is refused
	// with 503. A form or a JSON list is held twice for a moment, as it came and as images. Default 512 MiB.
	BodyMemory int64

	// DecodeMemory bounds the bytes that images take together while they are decoded; who finds too little free waits. An image that takes
	// more than all of it is refused with 413. Default 512 MiB.
	DecodeMemory int64

	// Room reports whether the process may take n bytes more before it meets a limit of its memory, where promised bytes were granted
	// to requests under way. What does not fit is refused with 503. It is asked several times a request and must not wait. Default nil:
	// there is room.
	Room func(promised, n int64) bool

	// MaxConns bounds the open connections; one more is told 503 and closed. Default 8192.
	MaxConns int

	// MaxConnsPerClient bounds the open connections from one address, which is the first 64 bits of an IPv6 one; one more is told 429
	// and closed. Behind a load balancer all come from a few addresses. Default: half of MaxConns, so that none alone can shut out the rest.
	MaxConnsPerClient int

	// TLS makes the server speak HTTPS. A connection that settles on acme-tls/1, as of a certificate authority, is closed after its handshake. Default
	// nil: plain HTTP.
	TLS *tls.Config

	// DecodeWorkers is how many images are decoded at once, at most: see Model.Rate. Default: one for each CPU.
	DecodeWorkers int

	// Decoder decodes images in this process's place; isolate.Pool is one. Its owner closes it after Close. Default nil: they are decoded here.
	Decoder Decoder

	// MaxDecodeQueue bounds the images that wait for a decode worker; one more is refused with 503. Default 1024.
	MaxDecodeQueue int

	// DefaultTimeout is the deadline of a request that names none, counted from its last byte. Default 30 s.
	DefaultTimeout time.Duration

	// MaxTimeout is the longest deadline a request may ask for. Default 5 min.
	MaxTimeout time.Duration

	// HeaderTimeout bounds the time from a connection's or a request's first byte to the end of its headers and the first 8 KiB of its
	// body. Default 10 s, or ReadTimeout where that is less.
	HeaderTimeout time.Duration

	// MinUploadRate is how many bytes of body must come a second, on average, beyond HeaderTimeout. Default 16 KiB; below 0, none.
	MinUploadRate int

	// ReadTimeout bounds the time from a request's first byte to its last. Default 60 s.
	ReadTimeout time.Duration

	// WriteTimeout bounds the writing of one reply. Default 30 s.
	WriteTimeout time.Duration

	// IdleTimeout closes a keep-alive connection on which nothing comes. Default 120 s.
	IdleTimeout time.Duration

	// DrainGrace is how long Drain goes on serving after readiness turned false, so that a load balancer can
	// notice. Zero means none.
	DrainGrace time.Duration

	// SlowRequest is the duration from which a request is logged as slow. Default 1 s.
	SlowRequest time.Duration

	// Build describes the binary in torchlit_build_info; keys are label names (version, commit, libtorch). Default
	// none.
	Build map[string]string

	// Metrics receives the counts and is served at /metrics. Default: NewMetrics(nil).
	Metrics *Metrics

	// Tracer makes the spans of requests. Its owner shuts it down after Close. Nil means that requests are not traced,
	// which costs nothing.
	Tracer trace.TracerProvider

	// AccessLog gets a line for each request, or a sample. Default none.
	AccessLog *AccessLog

	// Drift says how far what a version sees has moved from its reference, for /v1/stats; nil for a version that is not
	// monitored. Many goroutines may call it at once. Default: nothing is monitored.
	Drift func(model, version string) *Drift

	// DriftStatus is what is known of the drift of a version that is served, to be marshalled as JSON and not changed meanwhile; ok is
	// false for one that is not watched. Many goroutines may call it at once, and it must not wait. Default nil: nothing is watched.
	DriftStatus func(model, version string) (status any, ok bool)

	// Pictures reads the newest pictures that are kept, newest first: of a model, or of one version of it where version is not
	// empty, at most so many. Many goroutines may call it at once. What it returns is the server's. Default nil: none are shown.
	Pictures func(ctx context.Context, model, version string, newest int) ([]LoggedPicture, error)

	// PredictionLog keeps the answers, and takes the labels that come for them later. Its owner closes it after Close. Nil means
	// that nothing is kept, which costs nothing.
	PredictionLog PredictionLog

	// Logger takes the log. Requests are logged at debug level, slow ones and client-visible failures of ours above
	// it. Default: no log.
	Logger *zap.Logger
}

const (
	defaultAddr           = ":8080"
	defaultMaxBodyBytes   = 32 << 20
	defaultMaxImages      = 32
	defaultMaxConns       = 8192
	defaultMaxHeaderBytes = 16 << 10
	defaultBodyMemory     = 512 << 20
	defaultDecodeMemory   = 512 << 20
	defaultMinUploadRate  = 16 << 10
	defaultHeaderTimeout  = 10 * time.Second
	defaultMaxDecodeQueue = 1024
	defaultMaxShadows     = 64
	defaultTimeout        = 30 * time.Second
	defaultMaxTimeout     = 5 * time.Minute
	defaultReadTimeout    = 60 * time.Second
	defaultWriteTimeout   = 30 * time.Second
	defaultIdleTimeout    = 120 * time.Second
	defaultSlowRequest    = time.Second
)

// setDefaults fills in what was left zero.
func (c *Config) setDefaults() {
	setDefault(&c.Addr, defaultAddr)
	setDefault(&c.MaxBodyBytes, defaultMaxBodyBytes)
	setDefault(&c.MaxImagesPerRequest, defaultMaxImages)
	setDefault(&c.MaxPixels, vision.DefaultMaxPixels)
	setDefault(&c.MaxHeaderBytes, defaultMaxHeaderBytes)
	setDefault(&c.BodyMemory, defaultBodyMemory)
	setDefault(&c.DecodeMemory, defaultDecodeMemory)
	setDefault(&c.MaxConns, defaultMaxConns)
	setDefault(&c.MaxConnsPerClient, (c.MaxConns+1)/2)
	setDefault(&c.MinUploadRate, defaultMinUploadRate)
	setDefault(&c.DecodeWorkers, cpus.Count())
	setDefault(&c.MaxDecodeQueue, defaultMaxDecodeQueue)
	setDefault(&c.MaxShadows, defaultMaxShadows)
	setDefault(&c.DefaultTimeout, defaultTimeout)
	setDefault(&c.MaxTimeout, defaultMaxTimeout)
	setDefault(&c.ReadTimeout, defaultReadTimeout)
	setDefault(&c.HeaderTimeout, min(defaultHeaderTimeout, c.ReadTimeout))
	setDefault(&c.WriteTimeout, defaultWriteTimeout)
	setDefault(&c.IdleTimeout, defaultIdleTimeout)
	setDefault(&c.SlowRequest, defaultSlowRequest)
	if c.AdminKeys == nil && c.AdminKey != "" {
		c.AdminKeys = access.One(c.AdminKey)
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(prometheus.NewRegistry())
	}
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate reports the first setting that cannot work, and what to change.
func (c *Config) Validate() error {
	for _, n := range []struct {
		name string
		v    int
	}{
		{"MaxBodyBytes", c.MaxBodyBytes}, {"MaxImagesPerRequest", c.MaxImagesPerRequest}, {"MaxConns", c.MaxConns}, {"MaxConnsPerClient", c.MaxConnsPerClient},
		{"MaxPixels", c.MaxPixels}, {"MaxHeaderBytes", c.MaxHeaderBytes}, {"BodyMemory", int(c.BodyMemory)}, {"DecodeMemory", int(c.DecodeMemory)},
		{"DecodeWorkers", c.DecodeWorkers}, {"MaxDecodeQueue", c.MaxDecodeQueue},
		{"MaxShadows", c.MaxShadows},
	} {
		if n.v < 0 {
			return fmt.Errorf("cannot use %s = %d: it must not be negative; leave it at 0 for the default", n.name, n.v)
		}
	}
	for _, d := range []struct {
		name string
		v    time.Duration
	}{
		{"DefaultTimeout", c.DefaultTimeout}, {"MaxTimeout", c.MaxTimeout}, {"ReadTimeout", c.ReadTimeout}, {"HeaderTimeout", c.HeaderTimeout},
		{"WriteTimeout", c.WriteTimeout}, {"IdleTimeout", c.IdleTimeout}, {"DrainGrace", c.DrainGrace}, {"CacheTTL", c.CacheTTL},
	} {
		if d.v < 0 {
			return fmt.Errorf("cannot use %s = %s: it must not be negative; leave it at 0 for the default", d.name, d.v)
		}
	}
	if c.CacheBytes < 0 {
		return fmt.Errorf("cannot use CacheBytes = %d: it must not be negative; leave it at 0 for no cache", c.CacheBytes)
	}
	if c.HeaderTimeout > c.ReadTimeout && c.ReadTimeout > 0 {
		return errors.New("cannot use a HeaderTimeout above ReadTimeout, which covers the headers: lower the first or raise the second")
	}
	if c.BodyMemory > 0 && c.BodyMemory < int64(c.MaxBodyBytes) {
		return errors.New("cannot use a BodyMemory below MaxBodyBytes, as a largest body would never fit: lower the second or raise the first")
	}
	if c.MaxTimeout > 0 && c.DefaultTimeout > c.MaxTimeout {
		return errors.New("cannot use a DefaultTimeout above MaxTimeout: lower the first or raise the second")
	}
	for _, origin := range c.CORSOrigins {
		if err := checkOrigin(origin); err != nil {
			return err
		}
	}
	for name, t := range c.Traffic {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("cannot use the traffic of model %q: %w", name, err)
		}
	}
	return nil
}
