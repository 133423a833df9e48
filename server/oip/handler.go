package oip

import (
	"context"
	"encoding/json"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

// Handler is the protocol's HTTP form: it turns requests into calls of the Backend. Its methods may be called from any
// goroutine.
type Handler struct {
	// Backend answers.
	Backend Backend

	// Begin makes the context of a request: it ends with the deadline (timeout from the request's last byte on, the
	// server's own where that is 0) and when the client leaves. End follows before the handler returns.
	Begin func(ctx *fasthttp.RequestCtx, timeout time.Duration) context.Context
	End   func(ctx *fasthttp.RequestCtx)

	// Receive reads the request's body, so that ctx has it. Its errors are for Fail.
	Receive func(ctx *fasthttp.RequestCtx) error

	// Hold counts that the request holds n bytes in all, its body and what is made of it. Its errors are for Fail.
	Hold func(ctx *fasthttp.RequestCtx, n int) error

	// Fail answers with an error, an *Error among others.
	Fail func(ctx *fasthttp.RequestCtx, err error)

	// Keyed makes a handler ask its caller for a key.
	Keyed func(fasthttp.RequestHandler) fasthttp.RequestHandler

	// Admin refuses whoever may not change what is served.
	Admin func(ctx *fasthttp.RequestCtx) error

	// MaxBody bounds a compressed body once it is unpacked, in bytes.
	MaxBody int

	// MaxTimeout bounds the parameter "timeout".
	MaxTimeout time.Duration
}

// Routes adds the protocol's public routes to r, whose NotFound must be set.
func (h *Handler) Routes(r *router.Router) {
	get := func(path string, f fasthttp.RequestHandler) {
		r.GET(path, f)
		r.HEAD(path, f)
	}
	get("/v2", h.server)
	get("/v2/health/live", h.live)
	get("/v2/health/ready", h.ready)
	get("/v2/models", h.models)
	get("/v2/models/stats", h.statistics)
	for _, prefix := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		get(prefix, h.metadata)
		get(prefix+"/ready", h.modelReady)
		get(prefix+"/config", h.config)
		get(prefix+"/stats", h.statistics)
		r.POST(prefix+"/infer", h.Keyed(h.Infer))
	}
	for _, path := range absent {
		r.ANY(path, h.noSuchExtension)
	}
	notFound := r.NotFound
	r.NotFound = func(ctx *fasthttp.RequestCtx) {
		// The protocol's own OpenAPI document has a slash here; the router cannot hold both paths.
		if string(ctx.Path()) == "/v2/" && (ctx.IsGet() || ctx.IsHead()) {
			h.server(ctx)
			return
		}
		notFound(ctx)
	}
}

// AdminRoutes adds those that tell of and change what is served.
func (h *Handler) AdminRoutes(r *router.Router) {
	r.POST("/v2/repository/index", h.index)
	r.POST("/v2/repository/models/{model}/load", h.load)
	r.POST("/v2/repository/models/{model}/unload", h.unload)
}

// absent are the routes of Triton's extensions that make no sense for this server: clients learn it in a sentence.
var absent = []string{
	"/v2/systemsharedmemory/{rest:*}", "/v2/cudasharedmemory/{rest:*}", "/v2/trace/setting", "/v2/models/{model}/trace/setting",
	"/v2/logging", "/v2/models/{model}/generate", "/v2/models/{model}/generate_stream",
}

// Extensions are those that the HTTP form has, under Triton's names.
var Extensions = []string{
	"classification", "model_repository", "model_configuration", "schedule_policy", "binary_tensor_data", "parameters", "statistics",
}

func (h *Handler) noSuchExtension(ctx *fasthttp.RequestCtx) {
	h.Fail(ctx, &Error{fasthttp.StatusNotImplemented, "not_implemented", "This server does not have that extension of the protocol; GET /v2 lists those that it has."})
}

func (h *Handler) server(ctx *fasthttp.RequestCtx) { writeJSON(ctx, h.Backend.ServerMetadata()) }

func (h *Handler) live(ctx *fasthttp.RequestCtx) { writeJSON(ctx, map[string]bool{"live": true}) }

func (h *Handler) ready(ctx *fasthttp.RequestCtx) {
	if !h.Backend.Ready() {
		h.Fail(ctx, &Error{fasthttp.StatusServiceUnavailable, "not_ready", "The server is not ready: it is loading its models or shutting down."})
		return
	}
	writeJSON(ctx, map[string]bool{"ready": true})
}

// models is KServe's list; Triton has none.
func (h *Handler) models(ctx *fasthttp.RequestCtx) {
	entries, err := h.Backend.Index(true)
	if err != nil {
		h.Fail(ctx, err)
		return
	}
	names := []string{}
	for _, e := range entries {
		if len(names) == 0 || names[len(names)-1] != e.Name {
			names = append(names, e.Name)
		}
	}
	writeJSON(ctx, map[string][]string{"models": names})
}

// named are the model and version in the path.
func named(ctx *fasthttp.RequestCtx) (model, version string) {
	model, _ = ctx.UserValue("model").(string)
	version, _ = ctx.UserValue("version").(string)
	return model, version
}

func (h *Handler) metadata(ctx *fasthttp.RequestCtx) {
	m, err := h.Backend.ModelMetadata(named(ctx))
	h.reply(ctx, m, err)
}

func (h *Handler) config(ctx *fasthttp.RequestCtx) {
	c, err := h.Backend.ModelConfig(named(ctx))
	h.reply(ctx, c, err)
}

func (h *Handler) statistics(ctx *fasthttp.RequestCtx) {
	stats, err := h.Backend.Statistics(named(ctx))
	h.reply(ctx, map[string][]ModelStatistics{"model_stats": stats}, err)
}

func (h *Handler) modelReady(ctx *fasthttp.RequestCtx) {
	name, version := named(ctx)
	ready, err := h.Backend.ModelReady(name, version)
	if err == nil && !ready {
		err = &Error{fasthttp.StatusServiceUnavailable, "not_ready", "The model is not ready."}
	}
	h.reply(ctx, struct {
		Name  string `json:"name"`
		Ready bool   `json:"ready"`
	}{name, ready}, err)
}

func (h *Handler) reply(ctx *fasthttp.RequestCtx, v any, err error) {
	if err != nil {
		h.Fail(ctx, err)
		return
	}
	writeJSON(ctx, v)
}

func writeJSON(ctx *fasthttp.RequestCtx, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: cannot marshal a reply: " + err.Error())
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(b)
}
