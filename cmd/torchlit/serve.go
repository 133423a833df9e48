package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/torchlit/torchlit/config"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/vision"
)

// serveSettings is the group server of a configuration file; see config.AddFlags
// for the flags and variables that its fields are, too.
type serveSettings struct {
	Models       string        `yaml:"models" help:"folder of models, or one model folder (default: the bundled model)"`
	Addr         string        `yaml:"addr" help:"address of the HTTP server"`
	Device       string        `yaml:"device" help:"auto or cpu"`
	Precision    string        `yaml:"precision" help:"auto or fp32"`
	MaxBatchSize int           `yaml:"max_batch_size" help:"most images in one batch"`
	MaxQueue     int           `yaml:"max_queue" help:"most images that wait; 0 for four batches a runner"`
	Runners      int           `yaml:"runners" help:"batches that run at once; 0 for one for each eight CPUs"`
	Threads      int           `yaml:"threads" help:"threads of each runner; 0 to share the CPUs out"`
	Timeout      time.Duration `yaml:"timeout" help:"deadline of a request that names none"`
	DrainGrace   time.Duration `yaml:"drain_grace" help:"after SIGTERM, how long to go on serving while not ready"`
	DrainTimeout time.Duration `yaml:"drain_timeout" help:"after the grace time, how long to wait for accepted requests"`
	LogLevel     string        `yaml:"log_level" help:"debug, info, warn or error"`
}

func defaultServeSettings() serveSettings {
	return serveSettings{
		Addr: ":8080", Device: "auto", Precision: "auto", MaxBatchSize: 32,
		Timeout: 30 * time.Second, DrainTimeout: time.Minute, LogLevel: "info",
	}
}

func serveCommand() *cobra.Command {
	settings := defaultServeSettings()
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve models over HTTP, with an upload page at /",
		Long: `Serve models over HTTP, with an upload page at /. Uploads that come at the same
time are run as one batch. SIGTERM or Ctrl-C finishes what was accepted and exits 0.

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
			logger, err := newLogger(settings.LogLevel)
			if err != nil {
				return usageError{err}
			}
			defer logger.Sync()
			return serve(cmd.Context(), settings, logger)
		},
	}
	config.AddFlags(cmd.Flags(), &settings)
	cmd.Flags().StringVar(&file, "config", "", "YAML file with these settings")
	return cmd
}

// serve starts in order, waits, and stops in the reverse order.
func serve(ctx context.Context, settings serveSettings, logger *zap.Logger) error {
	metrics := server.NewMetrics(nil)
	s, err := server.Open(server.Config{
		Addr:           settings.Addr,
		DefaultTimeout: settings.Timeout,
		DrainGrace:     settings.DrainGrace,
		Metrics:        metrics,
		Logger:         logger,
		Build:          map[string]string{"version": version, "commit": commit, "libtorch": libtorchVersion()},
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Start(); err != nil {
		return err
	}
	logger.Info("listening; loading models", zap.Stringer("addr", s.Addr()), zap.String("jpeg", vision.JPEGBackend()))

	pipelines, models, err := loadModels(settings, metrics, logger)
	defer closeAll(pipelines)
	if err != nil {
		return err
	}
	if err := s.SetModels(models); err != nil {
		return err
	}
	logger.Info("ready", zap.String("page", pageURL(s.Addr().String())))

	select {
	case err := <-s.Failed():
		return err
	case <-ctx.Done():
	}
	logger.Info("stopping: finishing what was accepted", zap.Duration("grace", settings.DrainGrace))
	drain, cancel := context.WithTimeout(context.Background(), settings.DrainGrace+settings.DrainTimeout)
	defer cancel()
	if err := s.Drain(drain); err != nil {
		return fmt.Errorf("cannot finish all requests: %w; raise --drain-timeout", err)
	}
	logger.Info("stopped; no request was lost")
	return nil
}

func loadModels(settings serveSettings, metrics *server.Metrics, logger *zap.Logger) ([]*pipeline, []server.Model, error) {
	dir := settings.Models
	if dir == "" {
		var err error
		if dir, err = bundled(); err != nil {
			return nil, nil, err
		}
	}
	entries, err := modeldir.List(dir)
	if err != nil {
		return nil, nil, err
	}
	if len(entries) == 0 {
		return nil, nil, fmt.Errorf("cannot serve %q: it holds no model folder; see 'torchlit serve --help'", dir)
	}
	opts := predict.Options{
		Device: settings.Device, Precision: settings.Precision, MaxBatch: settings.MaxBatchSize,
		Threads: settings.Threads, Runners: settings.Runners,
	}
	var pipelines []*pipeline
	var models []server.Model
	for _, e := range entries {
		m := metrics.Model(e.Name, e.Version)
		p, err := openPipeline(e.Dir, opts, settings.MaxQueue, m.Observer())
		if err != nil {
			return pipelines, nil, fmt.Errorf("cannot serve model %q version %s: %w", e.Name, e.Version, err)
		}
		m.Loaded(p.loadTime)
		chosen := p.model.Options()
		logger.Info("model loaded", zap.String("model", e.Name), zap.String("version", e.Version),
			zap.String("precision", chosen.Precision), zap.Int("runners", chosen.Runners),
			zap.Int("threads", chosen.Threads), zap.Duration("took", p.loadTime))
		pipelines = append(pipelines, p)
		models = append(models, servedModel(e, p))
	}
	return pipelines, models, nil
}

func servedModel(e modeldir.Entry, p *pipeline) server.Model {
	chosen := p.model.Options()
	d := server.Description{
		Architecture: p.folder.Config.Architecture, Precision: chosen.Precision, Device: chosen.Device,
		AccuracyOn: p.folder.Extras.AccuracyOn,
	}
	if a := p.folder.Extras.Accuracy; a != nil {
		d.Accuracy = *a
	}
	return server.Model{
		Name: e.Name, Version: e.Version, Labels: p.folder.Labels(),
		Preprocess: p.preprocess, Resizer: predict.Resize,
		Infer: p.batcher.DoPriority, MaxBatch: chosen.MaxBatch,
		Description: d,
	}
}

func closeAll(pipelines []*pipeline) {
	for _, p := range pipelines {
		p.close(context.Background())
	}
}

// newLogger writes lines for a person to a terminal, and JSON elsewhere.
func newLogger(level string) (*zap.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, errors.New("--log-level must be debug, info, warn or error")
	}
	cfg := zap.NewProductionConfig()
	if term.IsTerminal(int(os.Stderr.Fd())) {
		cfg = zap.NewDevelopmentConfig()
		cfg.DisableStacktrace = true
		cfg.EncoderConfig.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		cfg.EncoderConfig.EncodeLevel = zapcore.CapitalColorLevelEncoder
	}
	cfg.Level = zap.NewAtomicLevelAt(l)
	cfg.DisableCaller = true
	return cfg.Build()
}

// pageURL makes an address that one can click on of a listening address.
func pageURL(addr string) string {
	for _, any := range []string{"[::]:", "0.0.0.0:"} {
		if len(addr) > len(any) && addr[:len(any)] == any {
			return "http://localhost:" + addr[len(any):]
		}
	}
	return "http://" + addr
}
