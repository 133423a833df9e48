package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/valyala/fasthttp"
)

// trafficView is a model's traffic as the API shows it.
type trafficView struct {
	Default string       `json:"default"` // the version that is the default now
	Pinned  bool         `json:"pinned"`  // whether that was asked for, and is not just the newest
	Canary  *shareView   `json:"canary,omitempty"`
	Shadow  *shareView   `json:"shadow,omitempty"`
	Sticky  string       `json:"sticky"`
	Shadows *shadowsView `json:"shadow_results,omitempty"`
}

// shareView is a Share, and whether it is in force.
type shareView struct {
	Share
	Ready bool `json:"ready"`
}

// shadowsView says how a shadow's answers differed from those that were given.
type shadowsView struct {
	Since             time.Time `json:"since"`
	Images            uint64    `json:"images"`             // compared
	Disagreements     uint64    `json:"disagreements"`      // of them, another likeliest label
	DisagreementRatio float64   `json:"disagreement_ratio"` // 0 to 1; 0 when nothing was compared
	MeanDifference    float64   `json:"mean_probability_difference"`
	MeanMillis        float64   `json:"mean_ms"`          // of the shadow, from its queue to its answer
	MeanAnswered      float64   `json:"mean_answered_ms"` // of the version that answered, likewise
	Failed            uint64    `json:"failed"`
	Dropped           uint64    `json:"dropped"` // not given to the shadow, because it was busy or takes another input
}

func (r *route) view() *trafficView {
	v := &trafficView{Default: r.def.Version, Sticky: "request_id"}
	if r.traffic == nil {
		return v
	}
	v.Pinned = r.Default != "" && r.Default == r.def.Version
	if r.header != "" {
		v.Sticky = r.Sticky
	}
	if r.Canary != nil {
		v.Canary = &shareView{*r.Canary, r.canary != nil}
	}
	if r.Shadow != nil {
		v.Shadow = &shareView{*r.Shadow, r.shadow != nil}
		v.Shadows = r.shadowed.view()
	}
	return v
}

func (c *comparison) view() *shadowsView {
	n := c.snapshot()
	v := &shadowsView{Since: n.since.UTC(), Images: n.images, Disagreements: n.disagree, Failed: n.failed, Dropped: n.dropped}
	if n.images > 0 {
		images := float64(n.images)
		v.DisagreementRatio = float64(n.disagree) / images
		v.MeanDifference = n.difference / images
		v.MeanMillis = float64(n.took.Microseconds()) / 1000 / images
		v.MeanAnswered = float64(n.answered.Microseconds()) / 1000 / images
	}
	return v
}

// showTraffic answers GET /v1/models/{m}/traffic.
func (s *Server) showTraffic(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("model").(string)
	if r := s.catalog.Load().routes[name]; r != nil {
		writeJSON(ctx, r.view())
		return
	}
	if err := s.knows(name); err != nil {
		s.writeError(ctx, err)
		return
	}
	s.changing.Lock()
	t := s.traffic[name]
	s.changing.Unlock()
	r := &route{def: &served{}, traffic: t} // nothing of it is ready: the rules wait for it
	if t != nil {
		r.def.Version, r.header = t.Default, t.header()
	}
	writeJSON(ctx, r.view())
}

// putTraffic answers PUT /v1/models/{m}/traffic with the traffic that is in force then.
func (s *Server) putTraffic(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("model").(string)
	if err := s.knows(name); err != nil {
		s.writeError(ctx, err)
		return
	}
	if err := s.receive(ctx); err != nil {
		s.writeError(ctx, err)
		return
	}
	d := json.NewDecoder(bytes.NewReader(ctx.Request.Body()))
	d.DisallowUnknownFields()
	var t Traffic
	err := d.Decode(&t)
	if err == nil && hasNull(ctx.Request.Body()) {
		err = errors.New("null is no value here; leave out what is not wanted")
	}
	if err == nil && d.More() {
		err = errors.New("something follows the object")
	}
	if err == io.EOF {
		err = errors.New("the body is empty")
	}
	if err != nil {
		s.writeError(ctx, badRequest("bad_json", sentence(fmt.Sprintf(`the body is no traffic such as {"default": "1", "canary": {"version": "2", "percent": 5}}: %s`, err))))
		return
	}
	s.changeTraffic(ctx, name, t)
}

// hasNull reports whether JSON has a null anywhere, which encoding/json passes over.
func hasNull(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.Token()
		if err != nil || token == nil {
			return err == nil
		}
	}
}

// deleteTraffic answers DELETE /v1/models/{m}/traffic.
func (s *Server) deleteTraffic(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("model").(string)
	if err := s.knows(name); err != nil {
		s.writeError(ctx, err)
		return
	}
	s.changeTraffic(ctx, name, Traffic{})
}

func (s *Server) changeTraffic(ctx *fasthttp.RequestCtx, name string, t Traffic) {
	if err := s.SetTraffic(name, t); err != nil {
		s.writeError(ctx, err)
		return
	}
	s.showTraffic(ctx)
}

// knows reports, as an error for the client, that there is no such model, neither served nor in the repository.
func (s *Server) knows(name string) error {
	c := s.catalog.Load()
	if c.routes[name] != nil {
		return nil
	}
	for _, v := range s.states() {
		if v.Name == name {
			return nil
		}
	}
	_, err := c.lookUp(name, "")
	return err
}
