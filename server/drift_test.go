package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/monitor/predlog"
)

// driftStatus is a version's drift as the server is handed it.
const driftStatus = `{
	"model": "colours", "version": "1", "reference": {"source": "test", "images": 10000, "samples": 2000, "accuracy": 0.95, "embeddings": true},
	"window": 500, "in_row": 3, "alpha": 0.05, "alarm": {"raised": true, "since": "2026-01-02T03:04:05Z", "row": 0}, "waiting": 12, "windows": [{
		"from": "2026-01-02T03:00:05Z", "until": "2026-01-02T03:04:05Z", "answers": 500, "drifted": true, "detector": "bbsd", "p": 0.001,
		"tests": [{"detector": "bbsd", "score": 0.3, "p": 0.0002, "adjusted_p": 0.001, "drifted": true, "part": "red"},
			{"detector": "mmd", "score": 0, "p": 1, "adjusted_p": 1, "drifted": false, "skipped": "the reference has no embeddings"}],
		"estimated_accuracy": {"n": 500, "accuracy": 0.81, "low": 0.78, "high": 0.84, "unsure": false}, "shift": 0.1, "mean_confidence": 0.8, "strange_share": null, "classes": [{"label": "red", "reference": 0.3, "window": 0.5, "ks": 0.3}],
		"properties": [{"property": "brightness", "reference": 0.5, "window": 0.2, "psi": 1.2, "js": 0.4, "p": 0.001, "known": 500}]
	}], "accuracy": null, "comparisons": [] }`

// TestDriftRoutes: the version that answers is meant unless one is named, and one that is not watched says how to watch it.
func TestDriftRoutes(t *testing.T) {
	var asked []string
	h := open(t, Config{
		Models:  []Model{colourModel("colours", "1"), colourModel("colours", "2")},
		Traffic: map[string]Traffic{"colours": {Default: "1"}},
		DriftStatus: func(model, version string) (any, bool) {
			asked = append(asked, model+"/"+version)
			return map[string]string{"version": version}, version == "1"
		},
	})
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/v1/models/colours/drift", 200, `{"version":"1"}`},
		{"/v1/models/colours/versions/1/drift", 200, `{"version":"1"}`},
		{"/v1/models/colours/versions/2/drift", 404, "not_monitored"},
		{"/v1/models/colours/versions/3/drift", 404, "version_not_found"},
		{"/v1/models/nobody/drift", 404, "model_not_found"},
	} {
		if r := h.do("GET", c.path, "", nil); r.status != c.status || !strings.Contains(string(r.body), c.want) {
			t.Errorf("%s: got %d %s; want %d %s", c.path, r.status, r.body, c.status, c.want)
		}
	}
	if got := strings.Join(asked, " "); got != "colours/1 colours/1 colours/2" {
		t.Errorf("asked for %s", got)
	}
	if r := open(t, Config{}).do("GET", "/v1/models/colours/drift", "", nil); r.status != 404 || !strings.Contains(string(r.body), "--monitor") {
		t.Errorf("without a watcher: %d %s", r.status, r.body)
	}
}

// TestPicturesRoute: pictures are for administrators, and are not kept by whoever passes them on.
func TestPicturesRoute(t *testing.T) {
	const key = "0123456789abcdef"
	failing := false
	l := openLogged(t, Config{AdminKey: key, Pictures: func(ctx context.Context, model, version string, newest int) ([]LoggedPicture, error) {
		switch {
		case failing:
			return nil, errors.New("inner words")
		case version == "none":
			return nil, nil
		}
		if model != "colours" || version != "1" || newest != 5 || ctx.Err() != nil {
			t.Errorf("asked for %d of %s/%s", newest, model, version)
		}
		return []LoggedPicture{{RequestID: "r", Label: "red", PNG: []byte("png")}}, nil
	}}, predlog.Config{})
	get := func(query, key string, status int, want string) http.Header {
		t.Helper()
		req, _ := http.NewRequest("GET", "http://torchlit/v1/models/colours/predictions/pictures"+query, nil)
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		r, err := l.send(req)
		if err != nil || r.status != status || !strings.Contains(string(r.body), want) || !json.Valid(r.body) {
			t.Errorf("%s: got %v, %d %s; want %d %s", query, err, r.status, r.body, status, want)
		}
		return r.header
	}
	get("?n=5&version=1", "", 401, "admin_key_needed")
	get("?n=5&version=1", "another-key-than-this", 403, "admin_key_wrong")
	if h := get("?n=5&version=1", key, 200, `"label":"red","probability":0,"ood_score":null,"true_label":null,"png":"cG5n"`); h.Get("Cache-Control") != "no-store" {
		t.Errorf("the reply may be cached: %q", h.Get("Cache-Control"))
	}
	get("?version=none", key, 200, `{"pictures":[]}`)
	for _, n := range []string{"0", "49", "-1", "many", ""} {
		get("?n="+n, key, 400, "bad_n")
	}
	failing = true
	get("", key, 500, `"internal"`)

	local := open(t, Config{PredictionLog: l.log}) // without a key, and without Pictures
	req, _ := http.NewRequest("GET", "http://torchlit/v1/models/colours/predictions/pictures", nil)
	if r, err := local.send(req); err != nil || r.status != 403 {
		t.Errorf("from elsewhere: %v, %d %s", err, r.status, r.body)
	}
	req.Host = "localhost"
	if r, err := local.send(req); err != nil || r.status != 404 || !strings.Contains(string(r.body), "no_prediction_log") {
		t.Errorf("without a log: %v, %d %s", err, r.status, r.body)
	}
}
