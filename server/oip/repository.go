package oip

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/valyala/fasthttp"
)

// index answers with the repository's index. Clients send an empty body, or {"ready": true} for what answers alone.
func (h *Handler) index(ctx *fasthttp.RequestCtx) {
	var ask struct {
		Ready bool `json:"ready"`
	}
	if err := h.readBody(ctx, &ask); err != nil {
		h.Fail(ctx, err)
		return
	}
	entries, err := h.Backend.Index(ask.Ready)
	if entries == nil {
		entries = []IndexEntry{}
	}
	h.reply(ctx, entries, err)
}

func (h *Handler) load(ctx *fasthttp.RequestCtx) {
	h.change(ctx, h.Backend.Load)
}

func (h *Handler) unload(ctx *fasthttp.RequestCtx) {
	h.change(ctx, func(rctx context.Context, name string, _ map[string]any) error { return h.Backend.Unload(rctx, name) })
}

// change answers a call that changes what is served: with an empty object, as clients expect.
func (h *Handler) change(ctx *fasthttp.RequestCtx, f func(rctx context.Context, name string, parameters map[string]any) error) {
	if err := h.Admin(ctx); err != nil {
		h.Fail(ctx, err)
		return
	}
	var ask struct {
		Parameters map[string]any `json:"parameters"`
	}
	if err := h.readBody(ctx, &ask); err != nil {
		h.Fail(ctx, err)
		return
	}
	rctx := h.Begin(ctx, h.MaxTimeout) // a large model takes its time
	defer h.End(ctx)
	name, _ := named(ctx)
	h.reply(ctx, struct{}{}, f(rctx, name, ask.Parameters))
}

// readBody reads a body of JSON; none is as good as an empty object.
func (h *Handler) readBody(ctx *fasthttp.RequestCtx, v any) error {
	body, err := h.body(ctx)
	if err != nil || len(body) == 0 {
		return err
	}
	if string(bytes.TrimSpace(body)) == "null" {
		return bad("bad_json", "The request must be a JSON object, or empty.")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return bad("bad_json", "The request is not the JSON that it should be: %s.", clip(err.Error()))
	}
	return nil
}
