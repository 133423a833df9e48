package soak

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// target is an address that images are sent to.
type target struct {
	path           string
	model, version string // version "": whichever the model's traffic chooses
}

// targets of /v1. The bundled model takes some fifty times the work of the small one, so one in four requests is for it.
var targets = []target{
	{"/v1/classify", bundled, ""},
	{"/v1/models/" + bundled + "/versions/1/classify", bundled, "1"},
	{"/v1/models/" + small + "/classify", small, ""},
	{"/v1/models/" + small + "/classify", small, ""},
	{"/v1/models/" + small + "/classify", small, ""},
	{"/v1/models/" + small + "/classify", small, ""},
	{"/v1/models/" + small + "/versions/1/classify", small, "1"},
	{"/v1/models/" + small + "/versions/2/classify", small, "2"},
}

// variants is how many requests of one kind are made.
const variants = 120

// maker makes the requests of the load.
type maker struct {
	t        testing.TB
	rnd      *rand.Rand
	pictures []*picture
}

func (m *maker) target() target    { return targets[m.rnd.IntN(len(targets))] }
func (m *maker) picture() *picture { return m.pictures[m.rnd.IntN(len(m.pictures))] }

// of returns a picture of one type.
func (m *maker) of(kind string) *picture {
	for {
		if p := m.picture(); p.kind == kind {
			return p
		}
	}
}

func (m *maker) pool(one func() canned) []canned {
	pool := make([]canned, variants)
	for i := range pool {
		pool[i] = one()
	}
	return pool
}

// good are the kinds of /v1 that are answered with labels.
func (m *maker) good() []kind {
	raw := func(kinds ...string) func() canned {
		return func() canned {
			p, k := m.of(kinds[m.rnd.IntN(len(kinds))]), 1+m.rnd.IntN(12)
			return m.single(p, fmt.Sprintf("?top_k=%d", k), k, p.kind, p.data)
		}
	}
	plain := func() canned {
		p := m.of("image/jpeg")
		return m.single(p, "", 5, "application/octet-stream", p.data)
	}
	encoded := func() canned {
		p := m.picture()
		body, err := json.Marshal(map[string]any{"image": base64.StdEncoding.EncodeToString(p.data), "top_k": 3, "timeout_ms": 50_000})
		require.NoError(m.t, err)
		return m.single(p, "", 3, "application/json", body)
	}
	return []kind{
		fromPool("v1 JPEG", 260, m.pool(plain)),
		fromPool("v1 PNG and GIF", 60, m.pool(raw("image/png", "image/gif"))),
		fromPool("v1 top_k", 40, m.pool(raw("image/jpeg"))),
		fromPool("v1 JSON", 60, m.pool(encoded)),
		fromPool("v1 JSON list", 20, m.pool(m.list)),
		fromPool("v1 form", 50, m.pool(func() canned { return m.form(false) })),
		fromPool("v1 form with a broken file", 20, m.pool(func() canned { return m.form(true) })),
		fromPool("v1 low priority", 20, m.pool(func() canned {
			p := m.picture()
			return m.single(p, "?priority=low", 5, p.kind, p.data)
		})),
		fromPool("v1 model that comes and goes", 20, m.pool(m.guest)),
	}
}

// single asks about one image.
func (m *maker) single(p *picture, query string, k int, contentType string, body []byte) canned {
	to := m.target()
	return canned{http.MethodPost, post(to.path+query, contentType, body), func(r reply) error { return checkSingle(r, p, to, k) }}
}

func checkSingle(r reply, p *picture, to target, k int) error {
	if err := wantStatus(200)(r); err != nil {
		return err
	}
	var a answer
	if err := json.Unmarshal(r.body, &a); err != nil {
		return err
	}
	if to.version != "" && a.Version != to.version {
		return fmt.Errorf("version %q answered for %q", a.Version, to.version)
	}
	if id := r.header.Get("X-Request-Id"); a.RequestID == "" || a.RequestID != id {
		return fmt.Errorf("the answer is of request %q, the reply of %q", a.RequestID, id)
	}
	return checkAnswer(&a, p, to.model, k)
}

// list asks about several images in JSON.
func (m *maker) list() canned {
	var all []*picture
	var images []string
	for range 2 + m.rnd.IntN(3) {
		p := m.picture()
		all, images = append(all, p), append(images, base64.StdEncoding.EncodeToString(p.data))
	}
	body, err := json.Marshal(map[string]any{"images": images})
	require.NoError(m.t, err)
	to := m.target()
	return canned{http.MethodPost, post(to.path, "application/json", body), func(r reply) error { return checkList(r, all, to) }}
}

// form asks about several files, of which one may be no picture.
func (m *maker) form(broken bool) canned {
	all := make([]*picture, 2+m.rnd.IntN(3))
	bad := m.rnd.IntN(len(all))
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := range all {
		p, name := m.picture(), fmt.Sprintf("%d.bin", i)
		data := p.data
		if all[i] = p; broken && i == bad {
			all[i], data = nil, []byte("no picture at all")
		}
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="image"; filename=%q`, name)}})
		require.NoError(m.t, err)
		part.Write(data)
	}
	require.NoError(m.t, w.Close())
	to := m.target()
	return canned{http.MethodPost, post(to.path, w.FormDataContentType(), body.Bytes()), func(r reply) error { return checkList(r, all, to) }}
}

// checkList: one answer an image, in order; nil stands for one that is none.
func checkList(r reply, all []*picture, to target) error {
	if err := wantStatus(200)(r); err != nil {
		return err
	}
	var list struct{ Results []answer }
	if err := json.Unmarshal(r.body, &list); err != nil {
		return err
	}
	if len(list.Results) != len(all) {
		return fmt.Errorf("got %d results for %d images", len(list.Results), len(all))
	}
	for i, p := range all {
		a := &list.Results[i]
		if p == nil {
			if a.Code != "not_an_image" {
				return fmt.Errorf("result %d: got code %q for what is no image", i, a.Code)
			}
			continue
		}
		if err := checkAnswer(a, p, to.model, 5); err != nil {
			return fmt.Errorf("result %d: %w", i, err)
		}
	}
	return nil
}

// guest asks a model that is unloaded now and then: right, or not there.
func (m *maker) guest() canned {
	p := m.picture()
	to := target{"/v1/models/" + guest + "/classify", guest, ""}
	return canned{http.MethodPost, post(to.path, p.kind, p.data), func(r reply) error {
		if r.status == 503 {
			return checkError(r, 503, "model_not_ready")
		}
		return checkSingle(r, p, to, 5)
	}}
}

// pages are the kinds that ask for no label.
func (m *maker) pages() []kind {
	f := func(path, says string) canned {
		return canned{http.MethodGet, bare("GET", path), func(r reply) error {
			if r.status != 200 || !strings.Contains(string(r.body), says) {
				return fmt.Errorf("GET %s: got status %d, %.100q; want 200 and %q", path, r.status, r.body, says)
			}
			return nil
		}}
	}
	head := canned{http.MethodHead, bare("HEAD", "/healthz"), wantStatus(200)}
	gzip := canned{http.MethodGet, bare("GET", "/openapi.json", "Accept-Encoding: gzip"), wantStatus(200)}
	return []kind{
		fromPool("pages", 24, []canned{f("/", "<html"), f("/dashboard", "<html"), f("/docs", "<html"), f("/openapi.json", `"openapi"`), gzip}),
		fromPool("models", 20, []canned{f("/v1/models", bundled), f("/v1/models/"+small, `"labels"`), f("/v1/models/"+small+"/traffic", "default"),
			f("/v2/models", small), f("/v2/models/"+bundled, "probabilities"), f("/v2/models/"+small+"/stats", "inference_count"), f("/v2", "torchlit")}),
		fromPool("health and statistics", 16, []canned{f("/healthz", ""), f("/readyz", ""), head, f("/v2/health/ready", ""), f("/v1/stats", `"samples"`)}),
		fromPool("metrics", 4, []canned{f("/metrics", "torchlit_requests_total")}),
	}
}

// vector is a row of probabilities of each picture.
func rows(values []float32, n int) [][]float32 {
	if n == 0 || len(values)%n != 0 {
		return nil
	}
	return slices.Collect(slices.Chunk(values, len(values)/n))
}
