package server

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// statsView is what GET /v1/stats answers; docs/source/dashboard.md describes it. Times are milliseconds since 1970, by the server's
// clock.
type statsView struct {
	Now          int64             `json:"now"`
	Started      int64             `json:"started"`       // when this server was opened: another one means that samples do not go on from those before
	State        string            `json:"state"`         // "ready", "draining", "loading" or "no_model"
	IntervalMS   int64             `json:"interval_ms"`   // between samples
	SamplesKept  int               `json:"samples_kept"`  // the most that are remembered
	LatencyError float64           `json:"latency_error"` // bounds the relative error of latency quantiles
	InFlight     int64             `json:"in_flight"`     // requests being answered now, of all kinds, this one among them
	Build        map[string]string `json:"build,omitempty"`
	Models       []modelStats      `json:"models"`
	Log          *logView          `json:"prediction_log"` // null when none is kept
	Window       windowView        `json:"window"`
	Samples      []sampleView      `json:"samples"` // oldest first; with ?since= only those after
}

// modelStats is one version of one model as it is now.
type modelStats struct {
	Name         string           `json:"name"`
	Version      string           `json:"version"`
	State        string           `json:"state"`            // "ready", "loading", "unloading", "unavailable" or "draining"
	Reason       string           `json:"reason,omitempty"` // of the state, where it has one
	Role         string           `json:"role"`             // "default", "canary", "shadow", or "" when only requests that name the version get there
	Share        float64          `json:"share"`            // of the model's requests that name no version, which the version is to answer: 0 to 1
	Architecture string           `json:"architecture,omitempty"`
	Precision    string           `json:"precision,omitempty"`
	Device       string           `json:"device,omitempty"`
	MaxBatch     int              `json:"max_batch,omitempty"`
	Queue        *queueView       `json:"queue"`   // null when unknown
	Shadow       *shadowStatsView `json:"shadow"`  // null unless the version is the shadow
	Drift        *Drift           `json:"drift"`   // null when the version is not monitored
	Watched      bool             `json:"watched"` // whether its route /drift has an answer
}

// shadowStatsView says what a shadow sees, and how it disagrees.
type shadowStatsView struct {
	Share float64 `json:"share"` // of the requests whose images it is to see: 0 to 1
	shadowsView
}

// Drift says how far what a model sees has moved from its reference.
type Drift struct {
	Score    float64   `json:"score"`              // of the detector; 0: no difference
	Detected bool      `json:"detected"`           // whether the score is above its threshold
	Detector string    `json:"detector,omitempty"` // for example "mmd"
	Since    time.Time `json:"since,omitzero"`     // when it was detected
}

// windowView sums up the last seconds.
type windowView struct {
	Seconds float64        `json:"seconds"` // covered: less than asked for while the server is young, 0 before the first sample
	All     figuresView    `json:"all"`
	Models  []modelFigures `json:"models"` // of the versions to which something happened
}

// sampleView is one second.
type sampleView struct {
	T        int64          `json:"t"`         // its end
	Seconds  float64        `json:"seconds"`   // its length
	InFlight int            `json:"in_flight"` // requests at its end
	All      figuresView    `json:"all"`       // of the whole server, with the requests that reached no model
	Models   []modelFigures `json:"models"`    // of the versions to which something happened
}

// modelFigures are those of one version.
type modelFigures struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	figuresView
}

// figuresView is what happened in a time. Everything is a count, of which a rate is made by the time's length.
type figuresView struct {
	Requests outcomesView      `json:"requests"`
	Images   uint64            `json:"images"`             // answered
	Cached   uint64            `json:"cached"`             // of them, from the response cache
	Shared   uint64            `json:"shared"`             // of them, with another request's answer
	Latency  *quantilesView    `json:"latency_ms"`         // null without requests
	Mean     *partsView        `json:"mean_ms"`            // null when no model answered
	Batches  []batchCount      `json:"batches,omitempty"`  // runs by their size
	Queue    queueFigures      `json:"queue"`              // of images
	Rejected map[string]uint64 `json:"rejected,omitempty"` // requests and images turned away or given up, by reason
}

// outcomesView counts requests by what became of them.
type outcomesView struct {
	OK          uint64 `json:"ok"`
	ClientError uint64 `json:"client_error"` // 4xx, and clients that left
	Refused     uint64 `json:"refused"`      // 429 and 503
	Deadline    uint64 `json:"deadline"`     // 504
	Error       uint64 `json:"error"`        // any other 5xx
}

// quantilesView are of the requests that were let in, from their last byte to their answer: ok, deadline and error.
type quantilesView struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

// partsView are means over the requests that a model answered. Of the images of one request the slowest counts.
type partsView struct {
	Decode    float64 `json:"decode"`
	Queue     float64 `json:"queue"`
	Inference float64 `json:"inference"`
}

// queueFigures are of images that wait for a batch, or have one.
type queueFigures struct {
	Depth    int `json:"depth"`     // at the end
	Peak     int `json:"peak"`      // the most
	Limit    int `json:"limit"`     // how many may wait; 0: unknown
	InFlight int `json:"in_flight"` // that a runner has, at the end
}

func (f *figures) view(q queueSample) figuresView {
	v := figuresView{
		Requests: outcomesView{f.outcomes[outcomeOK], f.outcomes[outcomeClient], f.outcomes[outcomeRefused], f.outcomes[outcomeDeadline], f.outcomes[outcomeError]},
		Images:   f.images, Cached: f.cached, Shared: f.shared,
		Batches: f.batches, Rejected: f.rejected,
		Queue: queueFigures{q.depth, q.peak, q.limit, q.inFlight},
	}
	if len(f.latency) > 0 {
		at := func(q float64) float64 { return millisOf(quantile(f.latency, q)) }
		v.Latency = &quantilesView{at(.5), at(.9), at(.99)}
	}
	if f.parts[partInference].n > 0 {
		mean := func(p part) float64 {
			return millisOf(time.Duration(f.parts[p].ns / max(f.parts[p].n, 1)))
		}
		v.Mean = &partsView{mean(partDecode), mean(partQueue), mean(partInference)}
	}
	return v
}

func viewSample(x *sample) sampleView {
	v := sampleView{
		T: x.at.UnixMilli(), Seconds: roundTo(x.took.Seconds(), 1000), InFlight: x.inFlight,
		All: x.all.view(x.queue), Models: make([]modelFigures, 0, len(x.models)),
	}
	for i := range x.models {
		m := &x.models[i]
		v.Models = append(v.Models, modelFigures{m.name, m.version, m.view(m.queue)})
	}
	return v
}

// viewWindow sums up samples.
func viewWindow(samples []sample) windowView {
	type sum struct {
		totals
		queue queueSample
	}
	var took time.Duration
	var all sum
	models, order := map[[2]string]*sum{}, [][2]string(nil)
	add := func(s *sum, f *figures, q queueSample) {
		f.addTo(&s.totals)
		q.peak = max(q.peak, s.queue.peak)
		s.queue = q
	}
	for i := range samples {
		x := &samples[i]
		took += x.took
		add(&all, &x.all, x.queue)
		for k := range x.models {
			m := &x.models[k]
			id := [2]string{m.name, m.version}
			if models[id] == nil {
				models[id] = new(sum)
				order = append(order, id)
			}
			add(models[id], &m.figures, m.queue)
		}
	}
	view := func(s *sum) figuresView {
		f := s.since(new(totals))
		return f.view(s.queue)
	}
	v := windowView{Seconds: roundTo(took.Seconds(), 1000), All: view(&all), Models: make([]modelFigures, 0, len(order))}
	for _, id := range order {
		v.Models = append(v.Models, modelFigures{id[0], id[1], view(models[id])})
	}
	return v
}

// showStats answers GET /v1/stats. The query since=T leaves out the samples that ended at T or before; window=N, in seconds,
// says how many the sum is made of.
func (s *Server) showStats(ctx *fasthttp.RequestCtx) {
	window, err := wholeQuery(ctx, "window", 60, 1, keptSamples)
	if err != nil {
		s.writeError(ctx, err)
		return
	}
	since, err := wholeQuery(ctx, "since", 0, 0, math.MaxInt64/int64(time.Millisecond))
	if err != nil {
		s.writeError(ctx, err)
		return
	}
	c := s.catalog.Load()
	v := statsView{
		Now: time.Now().UnixMilli(), Started: s.samples.started.UnixMilli(), State: s.state(c),
		IntervalMS: sampleEvery.Milliseconds(), SamplesKept: keptSamples, LatencyError: latencyError,
		InFlight: s.cfg.Metrics.inflight.Load(), Build: s.cfg.Build,
		Models: s.modelStats(c), Samples: []sampleView{}, Log: s.viewLog(),
		Window: viewWindow(s.samples.newest(time.Time{}, int(window))),
	}
	for _, x := range s.samples.newest(time.UnixMilli(since).Add(time.Millisecond-1), keptSamples) {
		v.Samples = append(v.Samples, viewSample(&x))
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	writeJSON(ctx, v)
}

// wholeQuery reads a whole number from the query.
func wholeQuery(ctx *fasthttp.RequestCtx, name string, absent, least, most int64) (int64, error) {
	text := ctx.QueryArgs().Peek(name)
	if text == nil {
		return absent, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest("bad_parameter", fmt.Sprintf("The parameter %s must be a whole number from %d to %d.", name, least, most))
	}
	return n, nil
}

// state is the server's, in a word.
func (s *Server) state(c *catalog) string {
	switch {
	case s.draining.Load():
		return "draining"
	case len(c.models) > 0:
		return "ready"
	}
	return public(c.noModel()).code
}

// modelStats describes the versions that serve, in the catalog's order, and then those that do not.
func (s *Server) modelStats(c *catalog) []modelStats {
	out := []modelStats{}
	states := map[[2]string]VersionState{}
	for _, v := range s.states() {
		if c.find(v.Name, v.Version) == nil {
			out = append(out, modelStats{Name: v.Name, Version: v.Version, State: string(v.State), Reason: v.Reason})
		}
		states[[2]string{v.Name, v.Version}] = v
	}
	serving := make([]modelStats, 0, len(c.models)+len(out))
	for _, m := range c.models {
		v := s.modelStatsOf(c.routes[m.Name], m)
		v.Reason = states[[2]string{m.Name, m.Version}].Reason
		serving = append(serving, v)
	}
	return append(serving, out...)
}

func (s *Server) modelStatsOf(r *route, m *served) modelStats {
	d := m.Description
	v := modelStats{
		Name: m.Name, Version: m.Version, State: "ready", Architecture: d.Architecture, Precision: d.Precision, Device: m.device(), MaxBatch: m.MaxBatch,
	}
	if s.draining.Load() {
		v.State = "draining"
	}
	canary := 0.0
	if r.canary != nil && r.canary != r.def {
		canary = r.Canary.Percent / 100
	}
	switch m {
	case r.def:
		v.Role, v.Share = "default", 1-canary
	case r.canary:
		v.Role, v.Share = "canary", canary
	case r.shadow:
		v.Role = "shadow"
	}
	if m == r.shadow {
		v.Shadow = &shadowStatsView{r.Shadow.Percent / 100, *r.shadowed.view()}
	}
	if m.QueueStats != nil {
		v.Queue = viewQueue(m.QueueStats())
	}
	if s.cfg.Drift != nil {
		v.Drift = s.cfg.Drift(m.Name, m.Version)
	}
	if s.cfg.DriftStatus != nil {
		_, v.Watched = s.cfg.DriftStatus(m.Name, m.Version)
	}
	return v
}

func millisOf(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// roundTo keeps so many parts of one.
func roundTo(x, parts float64) float64 { return math.Round(x*parts) / parts }
