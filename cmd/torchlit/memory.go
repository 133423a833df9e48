package main

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/memlimit"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// openMemory finds the limit that the process runs under and makes the budgets fit it. It returns nil where there is none.
func openMemory(s *serveSettings, logger *zap.Logger) (*memlimit.Gate, error) {
	source, err := s.memorySource(logger)
	if err != nil || source == nil {
		return nil, err
	}
	g, err := memlimit.Open(memlimit.Config{
		Source: source, Logger: logger,
		Relieve: func() { _ = torch.EmptyCache(torch.Device{}) },
	})
	if err != nil {
		return nil, err
	}
	u := g.Usage()
	logger.Info("memory is limited", zap.Int64("limit", u.Limit), zap.Int64("used", u.Used), zap.Int64("reserve", g.Reserve()))
	s.fitBudgets(u.Limit-g.Reserve(), logger)
	return g, nil
}

// memorySource is what --memory-limit stands for.
func (s *serveSettings) memorySource(logger *zap.Logger) (memlimit.Source, error) {
	if s.MemoryLimit < 0 {
		return nil, nil
	}
	container, err := memlimit.Cgroup()
	if err != nil {
		logger.Info("no memory limit of a container is seen; --memory-limit sets one", zap.Error(err))
	}
	if s.MemoryLimit == 0 {
		return container, nil
	}
	own, err := memlimit.Process(int64(s.MemoryLimit))
	if err != nil {
		return nil, fmt.Errorf("cannot keep to --memory-limit: %w", err)
	}
	return memlimit.Tightest(container, own), nil
}

// fitBudgets lowers what all bodies and all decoding may take to a quarter of what there is, each: a picture that needs more
// would never find room, and its sender hears so from its header.
func (s *serveSettings) fitBudgets(there int64, logger *zap.Logger) {
	part := int(there / 4)
	decode, body := min(s.DecodeMemory, max(part, 1<<20)), min(s.BodyMemory, max(part, s.MaxBodyBytes))
	if decode == s.DecodeMemory && body == s.BodyMemory {
		return
	}
	logger.Info("budgets are lowered to fit the memory limit", zap.Int("decode_memory", decode), zap.Int("body_memory", body))
	s.DecodeMemory, s.BodyMemory = decode, body
}

// registerMemoryMetrics shows how near the process is to its limit. Without one there are none.
func registerMemoryMetrics(r prometheus.Registerer, g *memlimit.Gate) {
	if g == nil {
		return
	}
	gauge := func(name, help string, value func() int64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	gauge("torchlit_memory_limit_bytes", "Memory that the process may take, by its container or --memory-limit.", func() int64 { return g.Usage().Limit })
	gauge("torchlit_memory_used_bytes", "What it and its neighbours under the limit have taken, without page cache.", func() int64 { return g.Usage().Used })
	gauge("torchlit_memory_reserve_bytes", "The last part of the limit, which no request is granted.", g.Reserve)
}

// What loading takes beside the weights in fp32, which is how they are folded: they are there as read, as folded and as packed for
// the sizes of batches, of which some are given back when it is done; and the buffers of the runners. A ResNet18 of 43 MiB was seen to take
// about 100 MiB at the peak, 160 MiB by this: other processors and precisions pack more, and being killed costs more than waiting for room.
const (
	copiesOfWeights = 3
	besideWeights   = 32 << 20
)

// loadNeeds is how many bytes loading f takes at its peak, about.
func loadNeeds(f *modeldir.Folder) int64 {
	weights := int64(0)
	spec, err := resnet.Describe(f.Config.Architecture, resnet.Stem(f.Extras.Stem), int64(f.Config.NumClasses))
	if err == nil && f.Weights.Format != modeldir.TorchScript {
		for _, t := range spec.Tensors() {
			n := int64(4)
			for _, side := range t.Shape {
				n *= side
			}
			weights += n
		}
	} else if st, err := os.Stat(f.Weights.Path); err == nil {
		weights = st.Size()
	}
	return copiesOfWeights*weights + besideWeights
}

// roomFor refuses to load a model that the process would be killed for.
func roomFor(g *memlimit.Gate, f *modeldir.Folder) error {
	need := loadNeeds(f)
	u, fits := g.Fits(need)
	if fits {
		return nil
	}
	return fmt.Errorf("cannot load model folder %q: it takes about %d MiB, and of the memory limit of %d MiB only %d MiB are left to be granted; raise the limit, or unload another model first",
		f.Dir, need>>20, u.Limit>>20, max(0, u.Room()-g.Reserve())>>20)
}
