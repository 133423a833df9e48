package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/memlimit"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/monitor/reference"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/repository"
	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/torch"
)

// loadedModel is one loading of a model version, as the repository keeps it.
type loadedModel struct {
	*pipeline
	server.Model
	reference *reference.Reference // nil for none, or where nobody asks for it
}

// Close answers what the model accepted, and frees it.
func (m *loadedModel) Close() {
	m.Holds.LetGo() // for the one that was never served; else SetModels did
	<-m.Holds.Released()
	_ = m.pipeline.close(context.Background()) // nobody waits in its queue
	_ = torch.EmptyCache(torch.Device{})       // what a whole model took is worth giving back
}

// servedModels is the repository of models as the server asks it. The server is there first: what comes before the
// models are loaded waits for that.
type servedModels struct {
	opened     chan struct{} // closed when repository is set
	repository *repository.Repository[*loadedModel]

	settings serveSettings
	metrics  *server.Metrics
	memory   *memlimit.Gate // nil without a limit
	drift    *driftWatch    // nil without a prediction log
	loading  sync.Mutex     // with a limit, over load: two that fit may not fit together
	log      *zap.Logger
}

func newServedModels(settings serveSettings, metrics *server.Metrics, memory *memlimit.Gate, logger *zap.Logger) *servedModels {
	return &servedModels{opened: make(chan struct{}), settings: settings, metrics: metrics, memory: memory, log: logger}
}

// open loads the models and puts them into s.
func (m *servedModels) open(s *server.Server, traffic map[string]server.Traffic) error {
	root := m.settings.Models
	if root == "" {
		var err error
		if root, err = bundled(); err != nil {
			return err
		}
	}
	general, byName, err := repository.ParsePolicies(m.settings.VersionPolicy)
	if err != nil {
		return err // checked before
	}
	cfg := repository.Config[*loadedModel]{
		Root: root, Name: m.settings.ModelName, Policy: general, Policies: byName, Strict: m.settings.Strict,
		Load:     m.load,
		Keep:     map[string]repository.Kept{},
		Observer: m.observer(),
		Publish: func(live []*loadedModel) {
			models := make([]server.Model, len(live))
			for i, l := range live {
				models[i] = l.Model
			}
			if err := s.SetModels(models); err != nil {
				panic("BUG: a model that was checked cannot be served: " + err.Error())
			}
			m.drift.follow(live)
		},
	}
	if m.settings.Watch {
		cfg.Interval = m.settings.WatchInterval
	}
	for name, t := range traffic {
		cfg.Keep[name] = kept(t)
	}
	r, err := repository.Open(cfg)
	if err != nil {
		return err
	}
	m.repository = r
	close(m.opened)
	return nil
}

// close frees the models. The server has let go of all requests before.
func (m *servedModels) close() {
	if m.repository != nil {
		m.repository.Close()
	}
}

// load makes a version ready: its weights folded and packed, its runners warm.
//
// The weights file is mapped into memory while it is read. Whoever cuts it short in that time, such as a cp over it,
// makes the processor fault where it ends; that is made an error here, because the models that serve must not die of it.
func (m *servedModels) load(e modeldir.Entry) (l *loadedModel, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			m.log.Error("panic while loading a model", zap.String("folder", e.Dir), zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			l, err = nil, fmt.Errorf("cannot read model folder %q: its files changed or cannot be read: %v", e.Dir, v)
		}
	}()
	s := m.settings
	counts := m.metrics.Model(e.Name, e.Version)
	folder, err := modeldir.Open(e.Dir)
	if err != nil {
		return nil, err
	}
	if m.memory != nil {
		m.loading.Lock()
		defer m.loading.Unlock()
		if err := roomFor(m.memory, folder); err != nil {
			return nil, err
		}
	}
	p, err := openFolder(folder, predict.Options{
		Device: s.Device, Precision: s.Precision, MaxBatch: s.MaxBatchSize, Threads: s.Threads, Runners: s.Runners,
		Embed:      s.Monitor && s.MonitorVectors > 0,
		OnFallback: func(f predict.Fallback) { m.fellBack(e, f) },
	}, queueSettings{s.MaxQueue, s.LatencyTarget}, counts.Observer())
	if err != nil {
		return nil, err
	}
	if takes := p.model.Options().MaxBatch; takes == 1 && s.MaxBatchSize != 1 {
		m.log.Warn("the module takes one image at a time, so nothing is batched; export it with a batch of any size",
			zap.String("model", e.Name), zap.String("version", e.Version))
	}
	device, why := p.model.Device()
	m.log.Info("device", zap.String("model", e.Name), zap.String("version", e.Version), zap.String("device", device), zap.String("why", why))
	precision, why := p.model.Precision()
	m.log.Info("precision", zap.String("model", e.Name), zap.String("version", e.Version), zap.String("precision", precision), zap.String("why", why))
	p.preprocess.Exact = s.ExactDecode
	l = &loadedModel{p, servedModel(e, p), m.loadReference(p, e.Name, e.Version)}
	if err := l.Model.Validate(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// fellBack logs that a GPU failed, or is back.
func (m *servedModels) fellBack(e modeldir.Entry, f predict.Fallback) {
	fields := []zap.Field{zap.String("model", e.Name), zap.String("version", e.Version), zap.String("from", f.From), zap.String("to", f.To)}
	if f.Err == nil {
		m.log.Info("a runner is back on its device", fields...)
		return
	}
	m.log.Warn("a device failed; its runner goes on elsewhere, and no answer is lost", append(fields, zap.Error(f.Err))...)
}

func servedModel(e modeldir.Entry, p *pipeline) server.Model {
	chosen := p.model.Options()
	d := server.Description{
		Architecture: architecture(p.folder), Precision: chosen.Precision, Device: chosen.Device,
		AccuracyOn: p.folder.Extras.AccuracyOn,
	}
	if a := p.folder.Extras.Accuracy; a != nil {
		d.Accuracy = *a
	}
	return server.Model{
		Name: e.Name, Version: e.Version, Labels: p.folder.Labels(), Embedding: p.model.Embedding(),
		Preprocess: p.preprocess, Resizer: predict.Resize,
		Infer: p.infer, Asked: p.asked, Refusal: p.batcher.Refusal, QueueStats: p.batcher.Stats, MaxBatch: chosen.MaxBatch, Rate: p.rate,
		Description: d,
		Health:      p.model.Health,
		Holds:       server.NewHolds(),
	}
}

// architecture is what clients are told. A TorchScript module's folder need not name one.
func architecture(f *modeldir.Folder) string {
	if f.Config.Architecture == "" {
		return f.Weights.Format.String()
	}
	return f.Config.Architecture
}

// observer logs and counts what the repository does.
func (m *servedModels) observer() repository.Observer {
	of := func(name, version string) []zap.Field {
		return []zap.Field{zap.String("model", name), zap.String("version", version)}
	}
	return repository.Observer{
		Loaded: func(e modeldir.Entry, took time.Duration) {
			m.metrics.Model(e.Name, e.Version).Loaded(took)
			m.metrics.CountLoad(e.Name, true)
			m.log.Info("model loaded", append(of(e.Name, e.Version), zap.String("folder", e.Dir), zap.Duration("took", took))...)
		},
		Failed: func(e modeldir.Entry, err error) {
			m.metrics.CountLoad(e.Name, false)
			m.log.Error("model cannot be loaded; what served before goes on serving",
				append(of(e.Name, e.Version), zap.String("folder", e.Dir), zap.Error(err))...)
		},
		Unloaded: func(name, version string) {
			m.metrics.Forget(name, version)
			m.log.Info("model unloaded", of(name, version)...)
		},
		Trouble: func(err error) { m.log.Warn("the models folder is not as it should be", zap.Error(err)) },
	}
}

// Index implements server.Repository. It is empty until the models are loaded.
func (m *servedModels) Index() []server.VersionState {
	select {
	case <-m.opened:
	default:
		return nil
	}
	var out []server.VersionState
	for _, s := range m.repository.Index() {
		out = append(out, server.VersionState{Name: s.Name, Version: s.Version, State: server.State(s.State), Reason: s.Reason})
	}
	return out
}

// Load implements server.Repository.
func (m *servedModels) Load(ctx context.Context, name string, parameters map[string]any) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	return forServer(m.repository.Load(ctx, name, parameters))
}

// Unload implements server.Repository.
func (m *servedModels) Unload(ctx context.Context, name string) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	return forServer(m.repository.Unload(ctx, name))
}

// Keep implements server.Repository.
func (m *servedModels) Keep(name string, t server.Traffic) {
	if m.wait(context.Background()) == nil {
		m.repository.Keep(name, kept(t))
	}
}

func (m *servedModels) wait(ctx context.Context) error {
	select {
	case <-m.opened:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the models are still being loaded: %w", context.Cause(ctx))
	}
}

func kept(t server.Traffic) repository.Kept {
	k := repository.Kept{Default: t.Default}
	for _, share := range []*server.Share{t.Canary, t.Shadow} {
		if share != nil {
			k.Side = append(k.Side, share.Version)
		}
	}
	return k
}

// repositoryError is an error of the repository with the server's word for its kind.
type repositoryError struct{ err, kind error }

func (e *repositoryError) Error() string   { return e.err.Error() }
func (e *repositoryError) Unwrap() []error { return []error{e.err, e.kind} }

// forServer translates the kinds of the repository's errors to the server's.
func forServer(err error) error {
	for _, t := range []struct{ is, as error }{
		{repository.ErrUnknown, server.ErrUnknownModel},
		{repository.ErrCannotLoad, server.ErrCannotLoad},
		{repository.ErrParameter, server.ErrBadParameter},
	} {
		if errors.Is(err, t.is) {
			return &repositoryError{err, t.as}
		}
	}
	return err
}
