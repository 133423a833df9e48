package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"path"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/server/openapi"
	"github.com/torchlit/torchlit/web"
)

// contentSecurityPolicy lets the page load its own files, show pictures that it holds, and talk to this server. Nothing
// inline, nothing from elsewhere, nobody else's frame.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is one file of the pages, in memory.
type asset struct {
	body []byte
	kind string // Content-Type
	etag string
	html bool
}

// pages are the files that have an address of their own.
var pages = map[string]string{
	"/":          "/static/index.html",
	"/dashboard": "/static/dashboard.html",
	"/docs":      "/static/docs.html",
}

// assets returns every file of the pages by the path it is served at.
var assets = sync.OnceValue(func() map[string]*asset {
	out := map[string]*asset{}
	err := fs.WalkDir(web.Static, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(web.Static, name)
		if err != nil {
			return err
		}
		out["/static/"+name] = newAsset(name, body)
		return nil
	})
	if err != nil {
		panic("BUG: cannot read the embedded page: " + err.Error())
	}
	for path, name := range pages {
		out[path] = out[name]
		delete(out, name)
	}
	out["/openapi.json"] = newAsset("openapi.json", openapi.JSON())
	out["/favicon.ico"] = out["/static/favicon.svg"] // browsers go by the type, not by the name
	return out
})

// assetTypes are fixed here: mime.TypeByExtension would ask the machine's own tables.
var assetTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".json": "application/json",
}

func newAsset(name string, body []byte) *asset {
	kind, ok := assetTypes[path.Ext(name)]
	if !ok {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	sum := sha256.Sum256(body)
	return &asset{body: body, kind: kind, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, html: path.Ext(name) == ".html"}
}

// serve answers with the file, or 304 when the browser has it. Browsers must ask each time: the files have no version in
// their names, and asking costs one small round trip.
func (a *asset) serve(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderETag, a.etag)
	h.Set(fasthttp.HeaderCacheControl, "no-cache")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if a.html {
		h.Set(fasthttp.HeaderContentSecurityPolicy, contentSecurityPolicy)
		h.Set(fasthttp.HeaderXFrameOptions, "DENY")
		if ctx.IsTLS() { // without, browsers complain of it and pass it over
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		h.Set("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
	}
	if bytes.Contains(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch), []byte(a.etag)) {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	ctx.SetContentType(a.kind)
	ctx.SetBody(a.body)
}
