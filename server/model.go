package server

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/server/oip"
	"github.com/torchlit/torchlit/vision"
)

// Model is one version of one model, as the server sees it. The server only reads it, from many goroutines at once.
type Model struct {
	// Name and Version appear in routes, replies and metric labels: letters, digits, '.', '_' and '-'. An empty
	// Version stands for "1".
	Name, Version string

	// Labels names the classes by index; its length is the number of classes.
	Labels []string

	// Limits bounds what is decoded. Fields that are zero are the server's: Config.MaxPixels and DecodeMemory.
	Limits vision.Limits

	// Preprocess makes Height×Width×3 uint8 RGB pixels of a decoded image.
	Preprocess vision.Preprocess

	// Resizer is what Preprocess resizes with. Nil means vision.NfntResizer.
	Resizer vision.Resizer

	// Embedding is how many values of the image's embedding follow the probabilities in what Infer returns, for the prediction
	// log; 0 for none.
	Embedding int

	// Infer takes one image and returns the probability of each class. The image is Height×Width×3 uint8 RGB,
	// row-major; or, four times as long, 3×Height×Width float32, little-endian, normalised already. Many goroutines
	// call it at once. The image belongs to it until it returns nil; after an error the server never uses that memory
	// again, because a batch that has started may still read it. A returned Value belongs to the server. Who holds the context when
	// it has returned must have called its Done.
	Infer func(ctx context.Context, image []byte, p batching.Priority) (batching.Result[[]float32], error)

	// QueueStats says how the queue before Infer stands; the dashboard shows it. It is called once a second, and for
	// /v1/stats. Nil when nothing is known of it.
	QueueStats func() batching.Stats

	// Refusal returns the error that Infer would return at once for want of room or time, or nil. It is asked before an image
	// is decoded; ahead is how many images are being decoded for the model, and making how long this one will wait for that. Nil
	// when Infer refuses nobody.
	Refusal func(ctx context.Context, p batching.Priority, ahead int, making time.Duration) error

	// Asked is Infer for an image that Refusal let through before it was decoded; nil stands for Infer.
	Asked func(ctx context.Context, image []byte, p batching.Priority) (batching.Result[[]float32], error)

	// Rate returns how many images a second the model takes in full batches; 0 when that is not known. No more images are decoded at
	// once than is needed for twice the rate of all models. Nil stands for 0.
	Rate func() float64

	// MaxBatch is the most images that run as one batch; a request for more is split. 0 stands for 1.
	MaxBatch int

	// Description is shown by /v1/models.
	Description Description

	// Health tells where the model computes now, in place of Description.Device, and whether it is recovering: from a device
	// that failed, say. /readyz says no meanwhile. It is called often and must not wait. Nil for a model that is always well.
	Health func() (device string, recovering bool)

	// Holds tells when the model may be freed, after a SetModels without it. Two calls of SetModels that give the same
	// Holds give the same loading of the model. Nil when the model is never freed.
	Holds *Holds
}

// Description is what /v1/models and the page tell about a model. Every field may be empty.
type Description struct {
	Architecture string  `json:"architecture,omitempty"` // for example "resnet18"
	Precision    string  `json:"precision,omitempty"`    // for example "fp32"
	Device       string  `json:"device,omitempty"`       // for example "cpu"
	Parameters   int64   `json:"parameters,omitempty"`   // number of weights
	Accuracy     float64 `json:"accuracy,omitempty"`     // share of right answers, 0 to 1
	AccuracyOn   string  `json:"accuracy_on,omitempty"`  // what it was measured on
}

// nameForm keeps names usable in a path, in a label and in a log line as they are.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// served is a Model made ready: names quoted, buffers pooled, counters looked up.
type served struct {
	Model
	instance   uint64       // another one for each loading
	labelsJSON [][]byte     // each label as a JSON string
	pixels     sync.Pool    // inputs as bytes
	planes     sync.Pool    // inputs as floats
	making     atomic.Int64 // images that are being decoded, or wait for it
	counts     *ModelMetrics
	answers    []atomic.Pointer[prometheus.Counter] // by class; nil before the first
}

// device is where the model computes now.
func (m *Model) device() string {
	if m.Health == nil {
		return m.Description.Device
	}
	device, _ := m.Health()
	return device
}

func (m *Model) recovering() bool {
	if m.Health == nil {
		return false
	}
	_, recovering := m.Health()
	return recovering
}

// Validate reports why m cannot be served.
func (m Model) Validate() error {
	if !nameForm.MatchString(m.Name) || m.Version != "" && !nameForm.MatchString(m.Version) {
		return fmt.Errorf("cannot serve model %q version %q: a name is made of letters, digits, '.', '_' and '-'; rename its folder", m.Name, m.Version)
	}
	if len(m.Labels) == 0 {
		return fmt.Errorf("cannot serve model %q: it has no labels; add label_names to its config.json", m.Name)
	}
	if m.Infer == nil {
		panic("BUG: a Model without Infer")
	}
	if err := m.Preprocess.Validate(); err != nil {
		return fmt.Errorf("cannot serve model %q: %w; correct its config.json", m.Name, err)
	}
	return nil
}

// instances numbers every served model of the process.
var instances atomic.Uint64

func newServed(m Model, metrics *Metrics) (*served, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if m.Version == "" {
		m.Version = "1"
	}
	if m.Resizer == nil {
		m.Resizer = vision.NfntResizer
	}
	sm := &served{
		Model: m, instance: instances.Add(1), counts: metrics.Model(m.Name, m.Version),
		answers: make([]atomic.Pointer[prometheus.Counter], len(m.Labels)),
	}
	for _, l := range m.Labels {
		sm.labelsJSON = append(sm.labelsJSON, appendString(nil, l))
	}
	size := m.Preprocess.Width * m.Preprocess.Height * 3
	sm.pixels.New = func() any { return buffer(size) }
	sm.planes.New = func() any { return buffer(4 * size) }
	return sm, nil
}

// split parts what Infer returned.
func (m *Model) split(value []float32) (probabilities, embedding []float32, err error) {
	n := len(m.Labels)
	if len(value) != n+m.Embedding {
		return nil, nil, fmt.Errorf("it has %d probabilities for %d labels", len(value)-m.Embedding, n)
	}
	if m.Embedding > 0 {
		embedding = value[n:]
	}
	return value[:n:n], embedding, nil
}

// predicted counts an answer, by the class that it finds likeliest.
func (m *served) predicted(class int) {
	c := m.answers[class].Load()
	if c == nil {
		looked := m.counts.all.predictions.WithLabelValues(m.Name, m.Version, m.Labels[class])
		c = &looked
		m.answers[class].Store(c)
	}
	(*c).Inc()
}

func buffer(size int) *[]byte {
	b := make([]byte, size)
	return &b
}

// catalog is the set of models served at one moment. It never changes; SetModels puts another in its place.
type catalog struct {
	models []*served         // in the order given; the first is the default
	routes map[string]*route // by model
	hot    map[string]hotPath

	emptied bool // there were models before
}

// newCatalog keeps what old has of the same loading.
func newCatalog(models []Model, old *catalog, metrics *Metrics) (*catalog, error) {
	c := &catalog{emptied: old != nil && (old.emptied || len(old.models) > 0)}
	for _, m := range models {
		sm := old.same(m.Holds)
		if sm == nil {
			var err error
			if sm, err = newServed(m, metrics); err != nil {
				return nil, err
			}
		}
		if c.find(sm.Name, sm.Version) != nil {
			return nil, fmt.Errorf("cannot serve model %q version %q twice: give one of them another version", sm.Name, sm.Version)
		}
		c.models = append(c.models, sm)
	}
	return c, nil
}

// find returns the named model, or nil. An empty version means the model's default, an empty name the first model's.
func (c *catalog) find(name, version string) *served {
	if name == "" && len(c.models) > 0 {
		name = c.models[0].Name
	}
	if version == "" {
		if r := c.routes[name]; r != nil {
			return r.def
		}
		return nil
	}
	for _, m := range c.models {
		if m.Name == name && m.Version == version {
			return m
		}
	}
	return nil
}

// names returns every model name once, in order.
func (c *catalog) names() []string {
	var out []string
	seen := map[string]bool{}
	for _, m := range c.models {
		if !seen[m.Name] {
			seen[m.Name] = true
			out = append(out, m.Name)
		}
	}
	return out
}

// same returns the model that has these holds, or nil.
func (c *catalog) same(h *Holds) *served {
	if c == nil || h == nil {
		return nil
	}
	for _, m := range c.models {
		if m.Holds == h {
			return m
		}
	}
	return nil
}

// SetModels puts another set of models in the place of the present one, at once and for all later requests. Requests
// under way finish on the model they started with; Model.Holds tells when the last has. It fails, and changes nothing,
// when a model cannot be served.
func (s *Server) SetModels(models []Model) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	old := s.catalog.Load()
	models = slices.Clone(models)
	for i := range models {
		s.limit(&models[i].Limits)
	}
	c, err := newCatalog(models, old, s.cfg.Metrics)
	if err != nil {
		return err
	}
	s.putLocked(c)
	if old == nil {
		return nil
	}
	gone := map[uint64]bool{}
	for _, m := range old.models {
		if m.Holds == nil || c.same(m.Holds) == nil {
			gone[m.instance] = true
		}
		if m.Holds != nil && c.same(m.Holds) == nil {
			m.Holds.LetGo()
		}
	}
	if s.shared != nil && s.shared.cache != nil {
		s.shared.cache.forget(gone)
	}
	return nil
}

// limit fills in the server's limits where the model has none of its own.
func (s *Server) limit(lim *vision.Limits) {
	setDefault(&lim.MaxPixels, s.cfg.MaxPixels)
	setDefault(&lim.Memory, s.decoding)
}

// putLocked leads requests to c's models by the traffic in force, from now on.
func (s *Server) putLocked(c *catalog) {
	c.routes = map[string]*route{}
	for _, name := range c.names() {
		versions := slices.DeleteFunc(slices.Clone(c.models), func(m *served) bool { return m.Name != name })
		c.routes[name] = newRoute(versions, s.traffic[name], s.cfg.Metrics)
	}
	c.hot = s.hotPaths(c)
	s.catalog.Store(c)
	s.cfg.Metrics.setInfo(c)
	s.cfg.Metrics.setTraffic(c)
}

// caller is what the choice between a model's versions may depend on.
type caller struct {
	id      string      // of the request, "" for none
	headers oip.Headers // nil for none
}

// acquire finds the model that answers a request and holds it until the lease is released, after the request's last
// count. An empty name means the default model; an empty version leaves the choice to the model's traffic.
func (s *Server) acquire(name, version string, who caller) (lease, error) {
	for {
		c := s.catalog.Load()
		m, err := c.lookUp(name, version)
		if err != nil {
			return lease{}, s.whyNot(name, version, err)
		}
		if version != "" {
			if m.hold() {
				return lease{served: m}, nil
			}
		} else if l, ok := c.routes[m.Name].acquire(who); ok {
			return l, nil
		}
		// SetModels let go of it in this moment, and had put another catalog in place before.
	}
}

// whyNot makes the error of a look-up better where the repository knows of the version: it may come, or come back.
func (s *Server) whyNot(name, version string, err error) error {
	if s.cfg.Repository == nil || name == "" {
		return err
	}
	for _, v := range s.cfg.Repository.Index() {
		if v.Name == name && (v.Version == version || version == "") {
			return &apiError{
				status: fasthttp.StatusServiceUnavailable, code: "model_not_ready", reason: "model_not_ready",
				sentence: fmt.Sprintf("Model %q version %s is %s at the moment; GET /v1/models/%s says why.", name, v.Version, v.State, name),
			}
		}
	}
	return err
}

// acquire holds what pick picks.
func (r *route) acquire(who caller) (l lease, ok bool) {
	answers, shadow := r.pick(who)
	if !answers.hold() {
		return lease{}, false
	}
	r.took(answers)
	l.served = answers
	if shadow != nil && shadow.hold() {
		l.shadow = &shadowing{shadow, r.shadowed, r.translated[answers]}
	}
	return l, true
}

// recovering tells whether any model is.
func (c *catalog) recovering() bool {
	return slices.ContainsFunc(c.models, func(m *served) bool { return m.recovering() })
}

// noModel is why an empty catalog answers nothing.
func (c *catalog) noModel() error {
	if c.emptied {
		return errNoModel
	}
	return errLoading
}

// lookUp is find with an error for the client.
func (c *catalog) lookUp(name, version string) (*served, error) {
	if len(c.models) == 0 {
		return nil, c.noModel()
	}
	if m := c.find(name, version); m != nil {
		return m, nil
	}
	if c.find(name, "") != nil {
		return nil, &apiError{
			status: fasthttp.StatusNotFound, code: "version_not_found",
			sentence: fmt.Sprintf("Model %q has no version %q.", name, clip(version)),
		}
	}
	return nil, &apiError{
		status: fasthttp.StatusNotFound, code: "model_not_found",
		sentence: fmt.Sprintf("There is no model %q here; served are: %s.", clip(name), strings.Join(c.names(), ", ")),
	}
}

// errNoModel says that the last model was unloaded, or that none could be loaded.
var errNoModel = &apiError{
	status: fasthttp.StatusServiceUnavailable, code: "no_model", reason: "no_model",
	sentence: "No model is loaded at the moment.",
}

var errLoading = errors.New("no model is loaded yet")
