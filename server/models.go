package server

import (
	"maps"
	"slices"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/vision"
)

// modelView is one model as /v1/models shows it.
type modelView struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`  // the one that routes without a version use
	Versions   []string `json:"versions"` // all that answer
	State      string   `json:"state"`    // "ready", or "draining"; where no version answers, that of the newest
	NumClasses int      `json:"num_classes"`
	Labels     []string `json:"labels"`
	Input      input    `json:"input"`
	Description

	VersionStates []versionView `json:"version_states"` // all that are in the repository, loaded or not
	Traffic       *trafficView  `json:"traffic,omitempty"`
}

// versionView is the state of one version.
type versionView struct {
	Version string `json:"version,omitempty"` // absent where the model as a whole cannot be loaded
	State   State  `json:"state"`
	Reason  string `json:"reason,omitempty"`
}

// input says what becomes of an image before the model sees it.
type input struct {
	Width         int        `json:"width"`
	Height        int        `json:"height"`
	Channels      int        `json:"channels"`
	Interpolation string     `json:"interpolation"`
	CropPct       float64    `json:"crop_pct"`
	CropMode      string     `json:"crop_mode"`
	Mean          [3]float32 `json:"mean"`
	Std           [3]float32 `json:"std"`
}

func (s *Server) view(c *catalog, m *served) modelView {
	p := m.Preprocess
	v := modelView{
		Name: m.Name, Version: m.Version, State: "ready", NumClasses: len(m.Labels), Labels: m.Labels,
		Input: input{
			Width: p.Width, Height: p.Height, Channels: 3, Interpolation: p.Interpolation.String(),
			CropPct: p.CropPct, CropMode: p.CropMode, Mean: p.Mean, Std: p.Std,
		},
		Description: m.Description,
	}
	v.Device = m.device()
	setDefault(&v.Input.CropPct, vision.DefaultCropPct)
	setDefault(&v.Input.CropMode, vision.CropCenter)
	for _, other := range c.models {
		if other.Name == m.Name {
			v.Versions = append(v.Versions, other.Version)
		}
	}
	if s.draining.Load() {
		v.State = "draining"
	}
	v.Traffic = c.routes[m.Name].view()
	return v
}

// viewAbsent is a model of which nothing answers.
func viewAbsent(name string, states []versionView) modelView {
	return modelView{
		Name: name, Versions: []string{}, Labels: []string{}, State: string(states[len(states)-1].State), VersionStates: states,
	}
}

// statesByModel parts the repository's states.
func (s *Server) statesByModel() map[string][]versionView {
	out := map[string][]versionView{}
	for _, v := range s.states() {
		out[v.Name] = append(out[v.Name], versionView{v.Version, v.State, v.Reason})
	}
	return out
}

// listModels names the models that answer first, the default one before all, and then those that do not.
func (s *Server) listModels(ctx *fasthttp.RequestCtx) {
	c, states := s.catalog.Load(), s.statesByModel()
	list := struct {
		Default string      `json:"default"` // the model that /v1/classify uses
		Models  []modelView `json:"models"`
	}{Models: []modelView{}}
	for i, name := range c.names() {
		if i == 0 {
			list.Default = name
		}
		v := s.view(c, c.find(name, ""))
		v.VersionStates = states[name]
		list.Models = append(list.Models, v)
		delete(states, name)
	}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		list.Models = append(list.Models, viewAbsent(name, states[name]))
	}
	writeJSON(ctx, list)
}

func (s *Server) showModel(ctx *fasthttp.RequestCtx) {
	c := s.catalog.Load()
	name, _ := ctx.UserValue("model").(string)
	states := s.statesByModel()[name]
	m, err := c.lookUp(name, "")
	switch {
	case err == nil:
		v := s.view(c, m)
		v.VersionStates = states
		writeJSON(ctx, v)
	case len(states) > 0:
		writeJSON(ctx, viewAbsent(name, states))
	default:
		s.writeError(ctx, err)
	}
}

// healthz says that the process lives.
func (s *Server) healthz(ctx *fasthttp.RequestCtx) {
	setJSON(ctx, []byte(`{"status":"ok"}`))
}

var errDrainBegun = &apiError{
	status: fasthttp.StatusServiceUnavailable, code: "draining",
	sentence: "The server is shutting down: it still answers, but send new work elsewhere.",
}

var errRecovering = &apiError{
	status: fasthttp.StatusServiceUnavailable, code: "recovering",
	sentence: "A model is moving to another device, because its own failed: it answers, but later. Send new work elsewhere.",
}

// readyz says whether new work should come here.
func (s *Server) readyz(ctx *fasthttp.RequestCtx) {
	switch {
	case s.draining.Load():
		s.writeError(ctx, errDrainBegun)
	case len(s.catalog.Load().models) == 0:
		s.writeError(ctx, s.catalog.Load().noModel())
	case s.catalog.Load().recovering():
		s.writeError(ctx, errRecovering)
	default:
		setJSON(ctx, []byte(`{"status":"ready"}`))
	}
}
