package server

import (
	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/vision"
)

// modelView is one model as /v1/models shows it.
type modelView struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`  // the one that routes without a version use
	Versions   []string `json:"versions"` // all of them
	State      string   `json:"state"`    // "ready", or "draining"
	NumClasses int      `json:"num_classes"`
	Labels     []string `json:"labels"`
	Input      input    `json:"input"`
	Description
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
	return v
}

func (s *Server) listModels(ctx *fasthttp.RequestCtx) {
	c := s.catalog.Load()
	list := struct {
		Default string      `json:"default"` // the model that /v1/classify uses
		Models  []modelView `json:"models"`
	}{Models: []modelView{}}
	for i, name := range c.names() {
		if i == 0 {
			list.Default = name
		}
		list.Models = append(list.Models, s.view(c, c.find(name, "")))
	}
	writeJSON(ctx, list)
}

func (s *Server) showModel(ctx *fasthttp.RequestCtx) {
	c := s.catalog.Load()
	name, _ := ctx.UserValue("model").(string)
	m, err := c.lookUp(name, "")
	if err != nil {
		s.writeError(ctx, err)
		return
	}
	writeJSON(ctx, s.view(c, m))
}

// healthz says that the process lives.
func (s *Server) healthz(ctx *fasthttp.RequestCtx) {
	setJSON(ctx, []byte(`{"status":"ok"}`))
}

var errDrainBegun = &apiError{
	status: fasthttp.StatusServiceUnavailable, code: "draining",
	sentence: "The server is shutting down: it still answers, but send new work elsewhere.",
}

// readyz says whether new work should come here.
func (s *Server) readyz(ctx *fasthttp.RequestCtx) {
	switch {
	case s.draining.Load():
		s.writeError(ctx, errDrainBegun)
	case len(s.catalog.Load().models) == 0:
		s.writeError(ctx, errLoading)
	default:
		setJSON(ctx, []byte(`{"status":"ready"}`))
	}
}
