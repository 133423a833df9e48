package server

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRecovering: while a model looks for another device /readyz says no, and requests are answered all the same.
func TestRecovering(t *testing.T) {
	var recovering atomic.Bool
	m := colourModel("colours", "1")
	m.Description.Device = "cuda:0"
	m.Health = func() (string, bool) {
		if recovering.Load() {
			return "cpu", true
		}
		return "cuda:0", false
	}
	h := open(t, Config{Models: []Model{m}})
	f := func(path string, status int, part string) {
		t.Helper()
		r := h.do("GET", path, "", nil)
		if r.status != status || !strings.Contains(string(r.body), part) {
			t.Errorf("%s: got %d %s; want %d with %s", path, r.status, r.body, status, part)
		}
	}
	f("/readyz", http.StatusOK, `"ready"`)
	f("/v1/models", http.StatusOK, `"device":"cuda:0"`)
	recovering.Store(true)
	f("/readyz", http.StatusServiceUnavailable, `"code":"recovering"`)
	f("/v1/models", http.StatusOK, `"device":"cpu"`)
	f("/v1/stats", http.StatusOK, `"device":"cpu"`)
	f("/v2/health/ready", http.StatusServiceUnavailable, "")
	f("/healthz", http.StatusOK, `"ok"`)
	if r := h.do("POST", "/v1/classify", "image/png", pngOf(picture(8, 8, red))); r.status != http.StatusOK {
		t.Errorf("classify: got %d %s; want 200", r.status, r.body)
	}
	recovering.Store(false)
	f("/readyz", http.StatusOK, `"ready"`)
}
