package server

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/torchlit/torchlit/batching"
)

// colourRunner runs byColour for a batch when it is let go on; it tells that one has begun.
type colourRunner struct{ began, pass chan struct{} }

func (r colourRunner) Run(in [][]byte, out [][]float32) error {
	select {
	case r.began <- struct{}{}:
	default:
	}
	<-r.pass
	for i, pixels := range in {
		out[i] = colourShares(pixels)
	}
	return nil
}

func (colourRunner) Close() {}

// Sixty-four clients at once are batched, all get their answers, and the metrics show it.
func TestConcurrentClientsAreBatched(t *testing.T) {
	const clients = 64
	metrics := NewMetrics(nil)
	waiting := make(chan struct{}, clients)
	observer := metrics.Model("colours", "1").Observer()
	enqueued := observer.Enqueued
	observer.Enqueued = func(depth int) { enqueued(depth); waiting <- struct{}{} }
	began, pass := make(chan struct{}, 1), make(chan struct{})
	b, err := batching.Open(batching.Config[[]byte, []float32]{
		NewRunner: func(int) (batching.Runner[[]byte, []float32], error) { return colourRunner{began, pass}, nil },
		MaxBatch:  16, Observer: observer,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	m := colourModel("colours", "1")
	m.Infer = b.DoPriority
	h := open(t, Config{Models: []Model{m}, Metrics: metrics})

	images := [][]byte{pngOf(picture(20, 20, red)), jpegOf(picture(20, 20, blue))}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			r, err := h.try("POST", "/v1/classify", "", images[i%2])
			if err != nil || r.status != 200 {
				t.Errorf("client %d: %d %s %v", i, r.status, r.body, err)
				return
			}
			if got, want := r.answer(t).Predictions[0].Label, []string{"red", "blue"}[i%2]; got != want {
				t.Errorf("client %d got %s; want %s", i, got, want)
			}
		})
		if i == 0 {
			<-began // alone; else the first batch might be full
		}
	}
	for range clients {
		<-waiting
	}
	close(pass)
	wg.Wait()

	text := string(h.do("GET", "/metrics", "", nil).body)
	for _, line := range []string{
		`torchlit_requests_total{code="200",model="colours",version="1"} 64`,
		`torchlit_request_duration_seconds_count{model="colours",version="1"} 64`,
		`torchlit_decode_duration_seconds_count{model="colours",version="1"} 64`,
		`torchlit_queue_duration_seconds_count{model="colours",version="1"} 64`,
		`torchlit_inference_duration_seconds_count{model="colours",version="1"} 64`,
		`torchlit_batch_size_sum{model="colours",version="1"} 64`,
		`torchlit_batches_total{model="colours",reason="full",version="1"} 3`,
		`torchlit_queue_depth{model="colours",version="1"} 0`,
		`torchlit_predictions_total{label="red",model="colours",version="1"} 32`,
		`torchlit_predictions_total{label="blue",model="colours",version="1"} 32`,
		`torchlit_inflight_requests 1`, // the one that asks
		`torchlit_model_info{architecture="mean",device="cpu",model="colours",precision="fp32",version="1"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestMetricsNames(t *testing.T) {
	h := open(t, Config{Build: map[string]string{"version": "1.2.3", "commit": "abc"}})
	h.Server.cfg.Metrics.Model("colours", "1").Loaded(2e9)
	h.do("POST", "/v1/classify", "", []byte("x"))
	h.do("GET", "/nothing", "", nil)
	text := string(h.do("GET", "/metrics", "", nil).body)
	for _, part := range []string{
		`torchlit_build_info{commit="abc",version="1.2.3"} 1`,
		`torchlit_model_load_duration_seconds{model="colours",version="1"} 2`,
		`torchlit_requests_total{code="415",model="colours",version="1"} 1`,
		`torchlit_requests_total{code="404",model="",version=""} 1`,
		"go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("/metrics lacks %s", part)
		}
	}
}

// Requests that only read must not be able to upset those that classify.
func TestClientThatReadsSlowly(t *testing.T) {
	h := open(t, Config{})
	req, _ := http.NewRequest("GET", "http://torchlit/static/app.js", nil)
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if r := h.do("POST", "/v1/classify", "", pngOf(picture(8, 8, red))); r.status != 200 {
		t.Fatalf("got %d", r.status)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}
