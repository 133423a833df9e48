package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/predlog"
)

// logged is a server that keeps a log, and the log's folder.
type logged struct {
	*harness
	log *predlog.Log
	dir string
}

func openLogged(t *testing.T, cfg Config, log predlog.Config) *logged {
	t.Helper()
	log.Dir = t.TempDir()
	l, err := predlog.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) }) // after the server
	cfg.PredictionLog = l
	return &logged{open(t, cfg), l, log.Dir}
}

// stored closes the log and reads it.
func (l *logged) stored() (all []*predlog.Stored) {
	l.t.Helper()
	if err := l.log.Close(context.Background()); err != nil {
		l.t.Fatal(err)
	}
	r, err := predlog.OpenReader(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	defer r.Close()
	if err := r.Each(context.Background(), predlog.Filter{}, true, func(s *predlog.Stored) error { all = append(all, s); return nil }); err != nil {
		l.t.Fatal(err)
	}
	return all
}

func (l *logged) classifyAs(id, contentType string, body []byte) answer {
	l.t.Helper()
	req, _ := http.NewRequest("POST", "http://torchlit/v1/classify", bytes.NewReader(body))
	req.Header.Set("X-Request-Id", id)
	req.Header.Set("Content-Type", contentType)
	r, err := l.send(req)
	if err != nil || r.status != 200 {
		l.t.Fatal(err, r.status, string(r.body))
	}
	return r.answer(l.t)
}

// TestAnswersAreLogged: every way in ends in the log, under the id that the answer has, with what is known of the image.
func TestAnswersAreLogged(t *testing.T) {
	l := openLogged(t, Config{}, predlog.Config{Vectors: 1})
	img := pngOf(picture(40, 20, color.RGBA{255, 0, 0, 255}))
	l.classifyAs("one", "image/png", img)
	ct, body := form(nil, img, []byte("no image"), img)
	a := l.classifyAs("many/1", ct, body)
	if a.Results[2].RequestID != "many/1-2" {
		t.Fatalf("got %+v", a)
	}
	v2 := func(id, datatype, shape, data string) {
		t.Helper()
		r := l.do("POST", "/v2/models/colours/infer", "application/json", fmt.Appendf(nil,
			`{"id": %q, "inputs": [{"name": "input", "datatype": %q, "shape": %s, "data": [%s]}]}`, id, datatype, shape, data))
		if r.status != 200 {
			t.Fatal(string(r.body))
		}
	}
	bytes64 := strings.TrimSuffix(strings.Repeat("0,0,255,", 64), ",")
	v2("bytes", "UINT8", "[1,8,8,3]", bytes64)
	v2("floats", "FP32", "[2,3,8,8]", strings.TrimSuffix(strings.Repeat("0.5,", 2*3*64), ","))
	byID := map[string]*predlog.Stored{}
	for _, s := range l.stored() {
		byID[s.RequestID] = s
	}
	if len(byID) != 6 {
		t.Fatalf("logged are %d answers; want one, many/1-0, many/1-2, bytes, floats-0 and floats-1", len(byID))
	}
	for _, id := range []string{"one", "many/1-0", "many/1-2"} {
		s := byID[id]
		if s == nil || s.Model != "colours" || s.Version != "1" || s.Class != 0 || s.Confidence < 0.999 || !slices.Equal(s.Labels, colours) || len(s.Probabilities) != 3 {
			t.Fatalf("%s: %+v", id, s)
		}
		m := s.Image
		if m.Width != 40 || m.Height != 20 || m.Bytes != len(img) || math.Abs(float64(m.Brightness)-0.299) > 0.01 || m.Saturation != 1 || m.Contrast > 0.001 {
			t.Errorf("%s: %+v", id, m)
		}
		if s.PNG != nil {
			t.Errorf("%s: a picture is kept that nobody asked for", id)
		}
		if time.Since(s.Time) > time.Minute || time.Since(s.Time) < -time.Minute {
			t.Errorf("%s: time %v", id, s.Time)
		}
	}
	if s := byID["many/1-2"]; s.List != "many/1" {
		t.Errorf("its list is %q", s.List)
	}
	if m := byID["bytes"].Image; m.Width != 0 || math.Abs(float64(m.Brightness)-0.114) > 0.01 {
		t.Errorf("of UINT8 pixels the log knows %+v", m)
	}
	if m := byID["floats-1"].Image; m.Brightness == m.Brightness {
		t.Errorf("of floats the log knows %+v", m)
	}
}

// TestNothingOfAPictureIsStored unless that is asked for. The picture's bytes are looked for in the files themselves.
func TestNothingOfAPictureIsStored(t *testing.T) {
	for _, kept := range []bool{false, true} {
		cfg := predlog.Config{}
		if kept {
			cfg.Pictures = 1
		}
		l := openLogged(t, Config{}, cfg)
		img := pngOf(picture(8, 8, blue))
		l.classifyAs("id", "image/png", img)
		if all := l.stored(); (all[0].PNG != nil) != kept {
			t.Errorf("kept is %v, the picture has %d bytes", kept, len(all[0].PNG))
		}
		data, err := os.ReadFile(predlog.File(l.dir))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("IDAT")) != kept {
			t.Errorf("kept is %v, but not in the file", kept)
		}
	}
}

// TestSharedAnswersAreLogged: an answer that is another request's, or from the cache, is logged with the image's figures under its own
// id, and without a picture, which is the other's.
func TestSharedAnswersAreLogged(t *testing.T) {
	g, m := newGate(), colourModel("colours", "1")
	m.Infer = g.classify
	l := openLogged(t, Config{Models: []Model{m}, CacheBytes: 1 << 20, Dedup: true}, predlog.Config{Pictures: 1})
	img := pngOf(picture(40, 20, red))
	const together = 8
	var wg sync.WaitGroup
	for i := range together {
		wg.Go(func() { l.classifyAs(fmt.Sprint("id", i), "image/png", img) })
	}
	for waiting := 0; waiting < together; time.Sleep(time.Millisecond) {
		l.shared.mu.Lock()
		for _, f := range l.shared.flights {
			waiting = f.waiting
		}
		l.shared.mu.Unlock()
	}
	close(g.pass)
	wg.Wait()
	l.classifyAs("later", "image/png", img)
	all, pictures := l.stored(), 0
	if len(all) != together+1 {
		t.Fatalf("%d are logged", len(all))
	}
	for _, s := range all {
		if s.Image.Width != 40 || s.Image.Saturation != 1 {
			t.Errorf("%s: %+v", s.RequestID, s.Image)
		}
		if s.PNG != nil {
			pictures++
		}
	}
	if pictures != 1 {
		t.Errorf("%d pictures are kept of one", pictures)
	}
}

// TestFeedbackRoute: the label of an answer that has just been given, and all that is wrong with labels.
func TestFeedbackRoute(t *testing.T) {
	l := openLogged(t, Config{}, predlog.Config{Interval: time.Hour})
	img := pngOf(picture(8, 8, red))
	for _, id := range []string{"a", "b"} {
		l.classifyAs(id, "image/png", img)
	}
	post := func(body string, status int, want string) {
		t.Helper()
		if r := l.do("POST", "/v1/models/colours/feedback", "application/json", []byte(body)); r.status != status || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: got %d %s; want %d %s", body, r.status, r.body, status, want)
		}
	}
	post(`{"request_id": "a", "label": "blue"}`, 200,
		`{"request_id":"a","model":"colours","version":"1","label":"blue","index":2,"predicted":{"label":"red","index":0},"correct":false}`)
	post(`{"request_id": "a", "label": 0}`, 200, `"correct":true`)
	post(`{"request_id": "zzz", "label": 0}`, 404, `"unknown_request"`)
	post(`{"request_id": "a", "label": "violet"}`, 400, `"unknown_label"`)
	post(`{"request_id": "a", "label": ""}`, 400, `"unknown_label"`)
	post(`{"request_id": "a", "label": -1}`, 400, `"unknown_label"`)
	post(`{"request_id": "a", "label": 1.5}`, 400, `"unknown_label"`)
	post(`{"request_id": "a", "label": null}`, 400, `"bad_feedback"`)
	post(`{"request_id": "a"}`, 400, `"bad_feedback"`)
	post(`{"request_id": 7, "label": 0}`, 400, `"bad_feedback"`)
	post(`{"feedback": []}`, 400, `"bad_feedback"`)
	post(`{"feedback": 5}`, 400, `"bad_feedback"`)
	post(`{"feedback": [5]}`, 400, `"bad_feedback"`)
	post(`[]`, 400, `"bad_json"`)
	post(``, 400, `"bad_json"`)
	post(`{"feedback": [{"request_id": "zzz", "label": 0}, {"request_id": "b", "label": "green"}]}`, 200, `"unknown_request"},{"request_id":"b"`)
	post(`{"feedback": [{"request_id": "zzz", "label": 0}]}`, 404, `{"results":[{"error":`)
	post(`{"feedback": [`+strings.TrimSuffix(strings.Repeat(`{"request_id": "a", "label": 0},`, maxLabels+1), ",")+`]}`, 413, `"too_many_labels"`)
	post(`{"feedback": [`+strings.TrimSuffix(strings.Repeat(`{"request_id": "a", "label": 0},`, maxLabels), ",")+`]}`, 200, `"correct":true`)
	post(`{"request_id": "a", "label": 0, "more": "`+strings.Repeat("x", maxFeedbackBytes)+`"}`, 413, `"body_too_large"`)
	chunked, _ := http.NewRequest("POST", "http://torchlit/v1/models/colours/feedback", io.MultiReader(strings.NewReader(strings.Repeat(" ", maxFeedbackBytes+1))))
	if r, err := l.send(chunked); err != nil || r.status != 413 {
		t.Errorf("a body of unknown length: %v, %d %s", err, r.status, r.body)
	}
	if r := l.do("POST", "/v1/models/nobody/feedback", "", []byte(`{"request_id": "a", "label": 0}`)); r.status != 404 {
		t.Errorf("another model: %d %s", r.status, r.body)
	}
	all := l.stored()
	if len(all) != 2 || all[0].TrueClass != 0 || all[1].TrueClass != 1 {
		t.Errorf("got %+v", all)
	}
	post(`{"request_id": "a", "label": 0}`, 503, `"log_unavailable"`)
}

func TestForgetRoute(t *testing.T) {
	l := openLogged(t, Config{AdminKey: "0123456789abcdef"}, predlog.Config{})
	ct, body := form(nil, redPNG, redPNG)
	l.classifyAs("many/1", ct, body)
	l.classifyAs("other", "image/png", redPNG)
	del := func(query, key string, status int, want string) {
		t.Helper()
		req, _ := http.NewRequest("DELETE", "http://torchlit/v1/models/colours/predictions"+query, nil)
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		if r, err := l.send(req); err != nil || r.status != status || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: got %v, %d %s; want %d %s", query, err, r.status, r.body, status, want)
		}
	}
	const key = "0123456789abcdef"
	del("?request_id=many/1", "", 401, "admin_key_needed")
	del("", key, 400, "bad_request_id")
	del("?request_id=nothing", key, 404, "unknown_request")
	del("?request_id=many/1", key, 200, `{"deleted":2}`)
	if all := l.stored(); len(all) != 1 || all[0].RequestID != "other" {
		t.Errorf("left are %d", len(all))
	}
}

func TestNoLog(t *testing.T) {
	h := open(t, Config{})
	for method, path := range map[string]string{"POST": "/v1/models/colours/feedback", "DELETE": "/v1/models/colours/predictions?request_id=x"} {
		req, _ := http.NewRequest(method, "http://torchlit"+path, nil)
		req.Host = "localhost"
		if r, err := h.send(req); err != nil || r.status != 404 || !strings.Contains(string(r.body), "no_prediction_log") {
			t.Errorf("%s %s: %v, %d %s", method, path, err, r.status, r.body)
		}
	}
}

// stuckLog is a log whose disk hangs.
type stuckLog struct{ dropped int }

func (*stuckLog) Wants(string) (bool, bool) { return true, false }
func (l *stuckLog) Record(*monitor.Answer)  { l.dropped++ }
func (*stuckLog) Feedback(ctx context.Context, _ string, _ []monitor.Label) ([]monitor.Verdict, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}
func (*stuckLog) Forget(context.Context, string, string) (int, error) {
	return 0, errors.Join(monitor.ErrUnavailable, errors.New("inner words"))
}
func (*stuckLog) Counts() monitor.LogCounts { return monitor.LogCounts{Failing: true} }

// TestStuckLog: a label that cannot be stored in time is not acknowledged, inner words stay inside, and images are answered all the while.
func TestStuckLog(t *testing.T) {
	l := &stuckLog{}
	h := open(t, Config{PredictionLog: l, DefaultTimeout: 50 * time.Millisecond})
	if r := h.do("POST", "/v1/classify", "image/png", redPNG); r.status != 200 || l.dropped != 1 {
		t.Errorf("got %d, recorded %d", r.status, l.dropped)
	}
	if r := h.do("POST", "/v1/models/colours/feedback", "", []byte(`{"request_id": "x", "label": 0}`)); r.status != 504 {
		t.Errorf("got %d %s", r.status, r.body)
	}
	req, _ := http.NewRequest("DELETE", "http://torchlit/v1/models/colours/predictions?request_id=x", nil)
	req.Host = "localhost"
	if r, err := h.send(req); err != nil || r.status != 503 || strings.Contains(string(r.body), "inner") || r.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s, %v", r.status, r.body, err)
	}
	var stats struct {
		Log struct{ Failing bool } `json:"prediction_log"`
	}
	if r := h.do("GET", "/v1/stats", "", nil); json.Unmarshal(r.body, &stats) != nil || !stats.Log.Failing {
		t.Errorf("got %s", r.body)
	}
}
