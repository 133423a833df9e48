package main

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/cpus"
	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/vision/isolate"
)

// Where images are decoded.
const (
	isolationNone    = "none"    // in the server's own process
	isolationProcess = "process" // in processes that can do nothing else
)

// decodeWorker is the command that a decoder in a process of its own is started by.
const decodeWorker = "decode-worker"

// sameProgram is the file that this process was started from, also when another has been put in its place: a decoder must be of the server's own
// version. (There are decoders on Linux only.)
const sameProgram = "/proc/self/exe"

// decodeWorkerCommand is for the server alone.
func decodeWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:                decodeWorker,
		Short:              "Decode images for a server that started this process",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return isolate.Work(args) },
	}
}

// checkIsolation finds settings of the decoders that cannot work.
func (s *serveSettings) checkIsolation() error {
	if s.DecodeIsolation != isolationNone && s.DecodeIsolation != isolationProcess {
		return fmt.Errorf("--decode-isolation must be %s or %s", isolationNone, isolationProcess)
	}
	if s.DecodeTimeout <= 0 {
		return errors.New("--decode-timeout must be positive")
	}
	return nil
}

// isolateDecoding starts the decoders, if they are to be processes of their own, and puts them into cfg. The pool is nil if they are not.
func isolateDecoding(s *serveSettings, cfg *server.Config, registry prometheus.Registerer, logger *zap.Logger) (*isolate.Pool, error) {
	if s.DecodeIsolation != isolationProcess {
		return nil, nil
	}
	restarts := newDecoderRestarts()
	cfg.DecodeWorkers = cpus.Count()
	pool, err := isolate.Open(isolate.Config{
		Command: []string{sameProgram, decodeWorker}, Workers: cfg.DecodeWorkers,
		MaxBytes: s.MaxBodyBytes, MaxPixels: s.MaxPixels, Memory: int64(s.DecodeMemory), Timeout: s.DecodeTimeout,
		Ended: func(e isolate.End) {
			restarts.WithLabelValues(e.Reason).Inc()
			logger.Warn("a decoder ended; another is started", zap.String("reason", e.Reason), zap.Int("pid", e.PID),
				zap.String("ended", e.Detail), zap.Duration("after", e.Rest))
		},
	})
	if err != nil {
		return nil, err
	}
	registry.MustRegister(restarts, newDecoderGauge(pool.Alive))
	logger.Info("images are decoded in processes of their own", zap.Int("decoders", cfg.DecodeWorkers), zap.String("each", pool.Says()))
	cfg.Decoder = pool
	return pool, nil
}

func newDecoderRestarts() *prometheus.CounterVec {
	restarts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "torchlit_decoder_restarts_total", Help: "Decoders in processes of their own that ended and were started anew, by reason.",
	}, []string{"reason"})
	for _, reason := range isolate.Reasons() {
		restarts.WithLabelValues(reason)
	}
	return restarts
}

func newDecoderGauge(alive func() int) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "torchlit_decoders", Help: "Decoders in processes of their own that are running.",
	}, func() float64 { return float64(alive()) })
}
