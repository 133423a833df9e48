package server

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// fakeRepository knows "colours", which serves, "broken", which does not, and "other".
type fakeRepository struct{}

func (fakeRepository) Index() []VersionState {
	return []VersionState{
		{Name: "broken", Version: "1", State: StateUnavailable, Reason: "its weights are cut short"},
		{Name: "colours", Version: "1", State: StateReady},
	}
}

func (fakeRepository) Load(_ context.Context, name string, parameters map[string]any) error {
	switch name {
	case "other":
		for name, value := range parameters {
			if _, text := value.(string); !text || name != "version" && name != "config" {
				return fmt.Errorf("the parameter %q is not known, or no text: %w", name, ErrBadParameter)
			}
		}
		return nil
	case "broken":
		return fmt.Errorf("model %q: %w: its weights are cut short", name, ErrCannotLoad)
	}
	return fmt.Errorf("model %q: %w", name, ErrUnknownModel)
}

func (fakeRepository) Unload(_ context.Context, name string) error {
	if name != "other" {
		return fmt.Errorf("model %q: %w", name, ErrUnknownModel)
	}
	return nil
}

func (fakeRepository) Keep(string, Traffic) {}

// ask sends a request with headers, given as name and value in turn.
func (h *harness) ask(method, path string, body []byte, headers ...string) reply {
	h.t.Helper()
	req, err := http.NewRequest(method, "http://torchlit"+path, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	r, err := h.send(req)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// want holds that a reply has a status and these parts, and that all it says is JSON.
func (r reply) want(t *testing.T, status int, parts ...string) {
	t.Helper()
	if r.status != status || r.header.Get("X-Request-Id") == "" || r.header.Get("Server-Timing") == "" {
		t.Fatalf("got %d %s %v; want %d", r.status, r.body, r.header, status)
	}
	if len(r.body) > 0 && r.header.Get("Content-Type") == "application/json" && r.header.Get("Content-Encoding") == "" && !json.Valid(r.body) {
		t.Fatalf("%q is not JSON", r.body)
	}
	if status == 503 && r.header.Get("Retry-After") == "" {
		t.Fatal("503 without Retry-After")
	}
	for _, p := range parts {
		if !strings.Contains(string(r.body), p) {
			t.Fatalf("%s lacks %s", r.body, p)
		}
	}
}

func TestV2Routes(t *testing.T) {
	m1, m2 := colourModel("colours", "1"), colourModel("colours", "2")
	m2.MaxBatch = 16
	h := open(t, Config{Models: []Model{m1, m2, colourModel("other", "1")}, Build: map[string]string{"version": "1.2.3"}})
	f := func(method, path string, status int, parts ...string) {
		t.Helper()
		h.ask(method, path, nil).want(t, status, parts...)
	}
	f("GET", "/v2", 200, `"name":"torchlit"`, `"version":"1.2.3"`, `"binary_tensor_data"`, `"classification"`)
	f("GET", "/v2/", 200, `"name":"torchlit"`)
	f("HEAD", "/v2", 200)
	f("GET", "/v2/health/live", 200, `{"live":true}`)
	f("GET", "/v2/health/ready", 200, `{"ready":true}`)
	f("GET", "/v2/models", 200, `{"models":["colours","other"]}`)
	f("GET", "/v2/models/colours", 200, `"versions":["1","2"]`, `"platform":"pytorch_libtorch"`,
		`"inputs":[{"name":"input","datatype":"FP32","shape":[-1,3,8,8]},{"name":"image","datatype":"BYTES","shape":[-1]}]`,
		`"outputs":[{"name":"probabilities","datatype":"FP32","shape":[-1,3]}]`)
	f("GET", "/v2/models/colours/versions/1", 200, `"name":"colours"`)
	f("GET", "/v2/models/colours/versions/7", 404, `"error":"Model \"colours\" has no version \"7\"."`, `"code":"version_not_found"`)
	f("GET", "/v2/models/nobody", 404, "colours, other")
	f("GET", "/v2/models/colours/ready", 200, `{"name":"colours","ready":true}`)
	f("GET", "/v2/models/colours/versions/2/ready", 200, `"ready":true`)
	f("GET", "/v2/models/nobody/ready", 404)
	f("GET", "/v2/models/colours/versions/2/config", 200, `"max_batch_size":16`, `"data_type":"TYPE_FP32","dims":[3,8,8]`, `"dynamic_batching":{}`, `"response_cache":{"enable":false}`)
	f("GET", "/v2/models/nobody/config", 404)
	f("GET", "/v2/models/stats", 200, `"name":"other"`)
	f("GET", "/v2/models/colours/stats", 200, `"version":"1"`, `"version":"2"`, `"inference_count":0`)
	f("GET", "/v2/models/colours/versions/9/stats", 404)
	f("POST", "/v2/models/colours", 405, "GET, HEAD")
	f("GET", "/v2/models/colours/infer", 405, "POST")
	f("GET", "/v2/nothing", 404)
	for _, path := range []string{"/v2/systemsharedmemory/status", "/v2/cudasharedmemory/region/a/register", "/v2/trace/setting", "/v2/models/colours/trace/setting", "/v2/logging", "/v2/models/colours/generate"} {
		f("GET", path, 501, "does not have that extension")
		f("POST", path, 501, "does not have that extension")
	}

	h.draining.Store(true)
	f("GET", "/v2/health/live", 200)
	f("GET", "/v2/health/ready", 503, `"code":"not_ready"`)
	f("GET", "/v2/models/colours/ready", 503)
}

func TestV2BeforeAModelIsLoaded(t *testing.T) {
	h := open(t, Config{Models: []Model{}})
	h.ask("GET", "/v2/health/live", nil).want(t, 200)
	h.ask("GET", "/v2/health/ready", nil).want(t, 503)
	h.ask("GET", "/v2/models", nil).want(t, 200, `{"models":[]}`)
	h.ask("GET", "/v2/models/stats", nil).want(t, 200, `{"model_stats":[]}`)
	h.ask("GET", "/v2/models/colours/ready", nil).want(t, 503)
	h.ask("POST", "/v2/repository/index", nil).want(t, 200, `[]`)
	h.ask("POST", "/v2/models/colours/infer", redPNG, "Inference-Header-Content-Length", "0").want(t, 503, `"code":"loading"`)
}

func TestV2Repository(t *testing.T) {
	h := open(t, Config{Repository: fakeRepository{}, AdminKey: "sesame"})
	index := func(body string, parts ...string) {
		t.Helper()
		h.ask("POST", "/v2/repository/index", []byte(body)).want(t, 200, parts...)
	}
	index("", `{"name":"broken","version":"1","state":"UNAVAILABLE","reason":"its weights are cut short"}`, `"name":"colours","version":"1","state":"READY"`)
	index("{}", "broken")
	if r := h.ask("POST", "/v2/repository/index", []byte(`{"ready":true}`)); bytes.Contains(r.body, []byte("broken")) || !bytes.Contains(r.body, []byte("colours")) {
		t.Errorf("index of what is ready: %s", r.body)
	}
	h.ask("POST", "/v2/repository/index", []byte(`{`)).want(t, 400)
	h.ask("GET", "/v2/models/broken/ready", nil).want(t, 503, `"code":"not_ready"`)
	h.ask("POST", "/v2/models/broken/infer", redPNG, "Inference-Header-Content-Length", "0").want(t, 503, "unavailable at the moment")

	f := func(what, body string, status int, words, header, key string) {
		t.Helper()
		h.ask("POST", "/v2/repository/models/"+what, []byte(body), header, key).want(t, status, words)
	}
	f("other/load", "", 401, "admin key", "X-Other", "sesame")
	f("other/load", "", 403, "not the admin key", "Authorization", "Bearer please")
	f("other/load", "", 200, "{}", "Authorization", "Bearer sesame")
	f("other/load", `{"parameters":{"config":"{}"}}`, 200, "{}", "X-Admin-Key", "sesame")
	f("other/load", `7`, 400, "not the JSON", "X-Admin-Key", "sesame")
	f("nobody/load", "", 404, "no such model", "X-Admin-Key", "sesame")
	f("broken/load", "", 422, "its weights are cut short", "X-Admin-Key", "sesame")
	f("other/unload", `{"parameters":{"unload_dependents":false}}`, 200, "{}", "X-Admin-Key", "sesame")
	f("nobody/unload", "", 404, "no such model", "X-Admin-Key", "sesame")
	f("other/unload", "", 403, "not the admin key", "X-Admin-Key", "Sesame")

	h = open(t, Config{AdminKey: "sesame"})
	h.ask("POST", "/v2/repository/models/colours/load", nil, "X-Admin-Key", "sesame").want(t, 501, "fixed")
	h.ask("POST", "/v2/repository/models/colours/unload", nil, "X-Admin-Key", "sesame").want(t, 501, "fixed")
	h.ask("POST", "/v2/repository/index", nil).want(t, 200, `"state":"READY"`)
}

func packed(algorithm string, data []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if algorithm == "deflate" {
		w = zlib.NewWriter(&b)
	}
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func unpacked(t *testing.T, algorithm string, data []byte) []byte {
	t.Helper()
	var r io.Reader
	r, err := gzip.NewReader(bytes.NewReader(data))
	if algorithm == "deflate" {
		r, err = zlib.NewReader(bytes.NewReader(data))
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestV2Compression(t *testing.T) {
	const most = 1 << 20
	h := open(t, Config{MaxBodyBytes: most})
	const n = 400 // images, so that the answer is worth packing
	text := fmt.Sprintf(`{"inputs":[{"name":"input","shape":[%d,8,8,3],"datatype":"UINT8","parameters":{"binary_data_size":%d}}]}`, n, n*192)
	body := append([]byte(text), bytes.Repeat([]byte{9, 0, 0}, n*64)...)
	const path, length = "/v2/models/colours/infer", "Inference-Header-Content-Length"
	plain := h.ask("POST", path, body, length, strconv.Itoa(len(text)), "Accept-Encoding", "identity")
	plain.want(t, 200, `"shape":[400,3]`)
	for _, algorithm := range []string{"gzip", "deflate"} {
		r := h.ask("POST", path, packed(algorithm, body), length, strconv.Itoa(len(text)), "Content-Encoding", algorithm, "Accept-Encoding", algorithm)
		r.want(t, 200)
		if r.header.Get("Content-Encoding") != algorithm || r.header.Get("Vary") != "Accept-Encoding" || len(r.body) >= len(plain.body) || !bytes.Equal(unpacked(t, algorithm, r.body), plain.body) {
			t.Errorf("%s: got %v, %d bytes", algorithm, r.header, len(r.body))
		}
		h.ask("POST", path, packed(algorithm, make([]byte, most+1)), "Content-Encoding", algorithm).want(t, 413, `"code":"body_too_large"`, "1048576")
		h.ask("POST", path, body, "Content-Encoding", algorithm).want(t, 400, `"code":"bad_encoding"`)
		h.ask("POST", path, packed(algorithm, body)[:50], "Content-Encoding", algorithm).want(t, 400, `"code":"bad_encoding"`)
	}
	r := h.ask("POST", path, body, "Content-Encoding", "br")
	r.want(t, 415, "br", "gzip and deflate")
	if r.header.Get("Accept-Encoding") != "gzip, deflate" {
		t.Errorf("got %v", r.header)
	}
	h.ask("POST", path, make([]byte, most+1)).want(t, 413)
	// A small answer goes as it is: packed it would be larger.
	if r := h.ask("POST", path, redPNG, length, "0", "Accept-Encoding", "gzip"); r.status != 200 || r.header.Get("Content-Encoding") != "" {
		t.Errorf("got %d %v", r.status, r.header)
	}
}
