package main

import (
	"context"
	"errors"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/torchlit/torchlit/config"
	"github.com/torchlit/torchlit/internal/cpus"
	"github.com/torchlit/torchlit/server"
)

func serveCommand() *cobra.Command {
	settings := defaultServeSettings()
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve models over HTTP and gRPC, with an upload page and a dashboard",
		Long: `Serve models over HTTP and, with --grpc-addr, gRPC, with an upload page at /, a
dashboard at /dashboard and the API's description at /docs. Uploads that come at the
same time are run as one batch. SIGTERM or Ctrl-C finishes what was accepted and exits 0;
a second one ends the grace time, a third one ends at once.

Every flag is also a key of --config's file under server: (--max-batch-size is
server.max_batch_size) and a variable (TORCHLIT_SERVER_MAX_BATCH_SIZE). A flag
wins over the variable, that over the file.`,
		Example: `  torchlit serve
  torchlit serve --models runs/2026-11-23/21-30-00/model --addr 127.0.0.1:9000
  curl -F image=@cat.jpg localhost:8080/v1/classify`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Resolve(file, "server", cmd.Flags(), &settings); err != nil {
				return usageError{err}
			}
			if err := settings.validate(); err != nil {
				return usageError{err}
			}
			logger, err := newLogger(settings.LogLevel)
			if err != nil {
				return usageError{err}
			}
			defer logger.Sync()
			return serveOrSupervise(cmd.Context(), settings, logger)
		},
	}
	config.AddFlags(cmd.Flags(), &settings)
	groupFlags(cmd)
	cmd.Flags().StringVar(&file, "config", "", "YAML file with these settings")
	return cmd
}

// serve starts in order, waits, and stops in the reverse order.
func serve(ctx context.Context, settings serveSettings, logger *zap.Logger) error {
	doors, err := openDoors(&settings, logger)
	if err != nil {
		return err
	}
	defer doors.close()
	settings.fitConns(logger)
	memory, err := openMemory(&settings, logger)
	if err != nil {
		return err
	}
	defer memory.Close()
	life, err := openLifecycle(ctx, settings)
	if err != nil {
		return err
	}
	defer life.close()
	cpus.Widen()
	registry := prometheus.NewRegistry()
	life.register(registry)
	registerNativeMetrics(registry)
	registry.MustRegister(doors.reloads)
	registerMemoryMetrics(registry, memory)
	metrics := server.NewMetrics(registry)
	models := newServedModels(settings, metrics, memory, logger)
	traffic, err := settings.traffic()
	if err != nil {
		return err
	}
	watching, err := openObservers(ctx, settings, logger)
	if err != nil {
		return err
	}
	defer watching.close()
	registerLogMetrics(registry, watching.predictions)
	watching.register(registry)
	models.drift = watching.drift
	cfg := server.Config{
		Addr:           settings.Addr,
		DefaultTimeout: settings.Timeout,
		DrainGrace:     settings.DrainGrace,
		CacheBytes:     int64(settings.CacheBytes),
		CacheTTL:       settings.CacheTTL,
		Dedup:          settings.Dedup,
		Repository:     models,
		Traffic:        traffic,
		Metrics:        metrics,
		Logger:         logger,
		Build:          map[string]string{"version": version, "commit": commit, "libtorch": libtorchVersion()},
	}
	settings.limit(&cfg)
	cfg.Room = memory.Admit
	doors.guard(&cfg, &settings)
	watching.watch(&cfg)
	decoders, err := isolateDecoding(&settings, &cfg, registry, logger)
	if err != nil {
		return err
	}
	if decoders != nil {
		defer decoders.Close()
	}
	endProfiling, err := startProfiling(settings.PprofAddr, logger)
	if err != nil {
		return err
	}
	defer endProfiling()
	s, err := server.Open(cfg)
	if err != nil {
		return err
	}
	defer models.close()
	defer s.Close()
	front := &fronts{settings: settings, server: s, grpc: &grpcFront{}, doors: doors, life: life, logger: logger}
	defer front.close()
	if !life.late {
		if err := front.start(); err != nil {
			return err
		}
	}
	if err := models.open(s, traffic); err != nil {
		return err
	}
	if life.late {
		if err := front.start(); err != nil {
			return err
		}
	}
	logger.Info("ready", zap.String("page", pageURL(cfg.TLS != nil, s.Addr().String())))
	life.ready()

	select {
	case err := <-s.Failed():
		return err
	case err := <-front.grpc.failed():
		return err
	case <-ctx.Done():
		return front.drain()
	case <-life.replaced:
		return front.handOver()
	}
}

// newLogger writes lines for a person to a terminal, and JSON elsewhere.
func newLogger(level string) (*zap.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, errors.New("--log-level must be debug, info, warn or error")
	}
	cfg := zap.NewProductionConfig()
	cfg.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	if term.IsTerminal(int(os.Stderr.Fd())) {
		cfg = zap.NewDevelopmentConfig()
		cfg.EncoderConfig.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		cfg.EncoderConfig.EncodeLevel = zapcore.CapitalColorLevelEncoder
	}
	cfg.Level = zap.NewAtomicLevelAt(l)
	cfg.DisableCaller = true
	cfg.DisableStacktrace = true // an error says what to change; a panic brings its own stack
	return cfg.Build()
}

// pageURL makes an address that one can click on of a listening address.
func pageURL(secure bool, addr string) string {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	for _, any := range []string{"[::]:", "0.0.0.0:"} {
		if len(addr) > len(any) && addr[:len(any)] == any {
			return scheme + "localhost:" + addr[len(any):]
		}
	}
	return scheme + addr
}
