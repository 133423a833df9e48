package server

import (
	"context"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/server/oip"
)

// v2Platform is Triton's name for what runs a model through libtorch.
const v2Platform = "pytorch_libtorch"

// ServerMetadata describes the server.
func (b v2) ServerMetadata() oip.ServerMetadata {
	version := b.cfg.Build["version"]
	if version == "" {
		version = "unknown"
	}
	return oip.ServerMetadata{Name: "torchlit", Version: version, Extensions: oip.Extensions}
}

// ModelReady reports whether the version answers.
func (b v2) ModelReady(name, version string) (bool, error) {
	if _, err := b.catalog.Load().lookUp(name, version); err != nil {
		for _, e := range b.states() {
			if e.Name == name && (version == "" || e.Version == version) {
				return false, nil
			}
		}
		return false, err
	}
	return b.Ready(), nil
}

// ModelMetadata describes a model: both inputs, of which a request gives one.
func (b v2) ModelMetadata(name, version string) (*oip.ModelMetadata, error) {
	c := b.catalog.Load()
	m, err := c.lookUp(name, version)
	if err != nil {
		return nil, err
	}
	p := m.Preprocess
	md := &oip.ModelMetadata{
		Name: m.Name, Platform: v2Platform,
		Inputs: []oip.TensorMetadata{
			{Name: v2Input, Datatype: oip.FP32, Shape: []int64{-1, 3, int64(p.Height), int64(p.Width)}},
			{Name: v2Image, Datatype: oip.Bytes, Shape: []int64{-1}},
		},
		Outputs: []oip.TensorMetadata{{Name: v2Output, Datatype: oip.FP32, Shape: []int64{-1, int64(len(m.Labels))}}},
	}
	for _, other := range c.models {
		if other.Name == m.Name {
			md.Versions = append(md.Versions, other.Version)
		}
	}
	return md, nil
}

// ModelConfig is the model's configuration in Triton's terms. A request gives one of the inputs; "image" is the one that it
// says is optional, so that tools which make up a request by it, such as perf_analyzer, send a tensor. A request of more than
// max_batch_size images is split.
func (b v2) ModelConfig(name, version string) (*oip.ModelConfig, error) {
	m, err := b.catalog.Load().lookUp(name, version)
	if err != nil {
		return nil, err
	}
	p := m.Preprocess
	return &oip.ModelConfig{
		Name: m.Name, Platform: v2Platform, Backend: "pytorch", MaxBatchSize: max(m.MaxBatch, 1),
		Input: []oip.ConfigTensor{
			{Name: v2Input, DataType: "TYPE_FP32", Dims: []int64{3, int64(p.Height), int64(p.Width)}},
			{Name: v2Image, DataType: "TYPE_STRING", Dims: []int64{}, Optional: true},
		},
		Output:          []oip.ConfigTensor{{Name: v2Output, DataType: "TYPE_FP32", Dims: []int64{int64(len(m.Labels))}}},
		DynamicBatching: map[string]any{},
		Parameters: map[string]any{
			"architecture": stringValue(m.Description.Architecture),
			"precision":    stringValue(m.Description.Precision),
			"device":       stringValue(m.device()),
			"labels":       stringValue(strings.Join(m.Labels, "\n")),
		},
	}, nil
}

// stringValue is how the configuration's parameters hold a text.
func stringValue(s string) map[string]string { return map[string]string{"string_value": s} }

// Statistics are those of one version, of all versions of a model, or of all models.
func (b v2) Statistics(name, version string) ([]oip.ModelStatistics, error) {
	c := b.catalog.Load()
	if name != "" {
		if _, err := c.lookUp(name, version); err != nil {
			return nil, err
		}
	}
	all := []oip.ModelStatistics{}
	for _, m := range c.models {
		if (name == "" || m.Name == name) && (version == "" || m.Version == version) {
			all = append(all, m.counts.stats.snapshot(m.Name, m.Version))
		}
	}
	return all, nil
}

// states are the repository's, or those of what is served where there is none.
func (s *Server) states() []VersionState {
	if s.cfg.Repository != nil {
		return s.cfg.Repository.Index()
	}
	var all []VersionState
	for _, m := range s.catalog.Load().models {
		all = append(all, VersionState{Name: m.Name, Version: m.Version, State: StateReady})
	}
	return all
}

// Index lists the versions in the repository.
func (b v2) Index(ready bool) ([]oip.IndexEntry, error) {
	var entries []oip.IndexEntry
	c := b.catalog.Load()
	for _, v := range b.states() {
		if !ready || v.State == StateReady {
			entries = append(entries, oip.IndexEntry{Name: v.Name, Version: v.Version, State: strings.ToUpper(string(v.State)), Reason: v.Reason, Traffic: c.routes[v.Name].roleOf(v.Version)})
		}
	}
	return entries, nil
}

var errNoRepository = &apiError{
	status: fasthttp.StatusNotImplemented, code: "no_repository",
	sentence: "This server's models are fixed: it has no repository to load from.",
}

// Load loads or reloads a model.
func (b v2) Load(ctx context.Context, name string, parameters map[string]any) error {
	if b.cfg.Repository == nil {
		return errNoRepository
	}
	return b.cfg.Repository.Load(ctx, name, parameters)
}

// Unload stops serving a model.
func (b v2) Unload(ctx context.Context, name string) error {
	if b.cfg.Repository == nil {
		return errNoRepository
	}
	return b.cfg.Repository.Unload(ctx, name)
}
