package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/cpus"
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

	// AdminKey is what admin routes ask for. Empty: they answer callers on this machine only. Default empty.
	AdminKey string

	// MaxBodyBytes bounds one request's body; a larger one is refused with 413. Default 32 MiB.
	MaxBodyBytes int

	// MaxImagesPerRequest bounds the images in one form or one JSON list. Default 32.
	MaxImagesPerRequest int

	// MaxConns bounds the open connections; one more is told 503 and closed. Default 8192.
	MaxConns int

	// DecodeWorkers is how many images are decoded at once, at most: see Model.Rate. Default: one for each CPU.
	DecodeWorkers int

	// MaxDecodeQueue bounds the images that wait for a decode worker; one more is refused with 503. Default 1024.
	MaxDecodeQueue int

	// DefaultTimeout is the deadline of a request that names none, counted from its last byte. Default 30 s.
	DefaultTimeout time.Duration

	// MaxTimeout is the longest deadline a request may ask for. Default 5 min.
	MaxTimeout time.Duration

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

	// Logger takes the log. Requests are logged at debug level, slow ones and client-visible failures of ours above
	// it. Default: no log.
	Logger *zap.Logger
}

const (
	defaultAddr           = ":8080"
	defaultMaxBodyBytes   = 32 << 20
	defaultMaxImages      = 32
	defaultMaxConns       = 8192
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
	setDefault(&c.MaxConns, defaultMaxConns)
	setDefault(&c.DecodeWorkers, cpus.Count())
	setDefault(&c.MaxDecodeQueue, defaultMaxDecodeQueue)
	setDefault(&c.MaxShadows, defaultMaxShadows)
	setDefault(&c.DefaultTimeout, defaultTimeout)
	setDefault(&c.MaxTimeout, defaultMaxTimeout)
	setDefault(&c.ReadTimeout, defaultReadTimeout)
	setDefault(&c.WriteTimeout, defaultWriteTimeout)
	setDefault(&c.IdleTimeout, defaultIdleTimeout)
	setDefault(&c.SlowRequest, defaultSlowRequest)
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
		{"MaxBodyBytes", c.MaxBodyBytes}, {"MaxImagesPerRequest", c.MaxImagesPerRequest}, {"MaxConns", c.MaxConns},
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
		{"DefaultTimeout", c.DefaultTimeout}, {"MaxTimeout", c.MaxTimeout}, {"ReadTimeout", c.ReadTimeout},
		{"WriteTimeout", c.WriteTimeout}, {"IdleTimeout", c.IdleTimeout}, {"DrainGrace", c.DrainGrace}, {"CacheTTL", c.CacheTTL},
	} {
		if d.v < 0 {
			return fmt.Errorf("cannot use %s = %s: it must not be negative; leave it at 0 for the default", d.name, d.v)
		}
	}
	if c.CacheBytes < 0 {
		return fmt.Errorf("cannot use CacheBytes = %d: it must not be negative; leave it at 0 for no cache", c.CacheBytes)
	}
	if c.MaxTimeout > 0 && c.DefaultTimeout > c.MaxTimeout {
		return errors.New("cannot use a DefaultTimeout above MaxTimeout: lower the first or raise the second")
	}
	for name, t := range c.Traffic {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("cannot use the traffic of model %q: %w", name, err)
		}
	}
	return nil
}
