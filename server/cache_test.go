package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/torchlit/torchlit/batching"
)

// counting is byColour, and how often it was asked.
func counting(calls *atomic.Int64) Model {
	m := colourModel("colours", "1")
	m.Infer = func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
		calls.Add(1)
		return byColour(ctx, pixels, p)
	}
	return m
}

func TestCache(t *testing.T) {
	var calls atomic.Int64
	metrics := NewMetrics(nil)
	h := open(t, Config{Models: []Model{counting(&calls)}, CacheBytes: 1 << 20, Metrics: metrics})
	first := h.do("POST", "/v1/classify?top_k=1", "image/png", redPNG)
	if timing := first.header.Get("Server-Timing"); strings.Contains(string(first.body), "cached") || !strings.HasPrefix(timing, "cache;desc=miss;dur=") || !strings.Contains(timing, "decode;dur=") {
		t.Fatalf("first answer: %s, %s", timing, first.body)
	}
	second := h.do("POST", "/v1/classify?top_k=3", "image/jpeg", redPNG)
	if timing := second.header.Get("Server-Timing"); !strings.HasSuffix(string(second.body), `,"cached":true}`) || !strings.HasPrefix(timing, "cache;desc=hit;dur=") || strings.Contains(timing, "decode") {
		t.Fatalf("second answer: %s, %s", timing, second.body)
	}
	a := second.answer(t)
	if len(a.Predictions) != 3 || a.Predictions[0].Label != "red" || a.BatchSize != 1 {
		t.Fatalf("second answer: %s", second.body)
	}
	ct, body := form(nil, redPNG, pngOf(picture(8, 8, blue)))
	list := h.do("POST", "/v1/classify", ct, body)
	if r := list.answer(t).Results; len(r) != 2 || r[1].Predictions[0].Label != "blue" || strings.Count(string(list.body), `"cached":true`) != 1 {
		t.Fatalf("list: %s", list.body)
	}
	if timing := list.header.Get("Server-Timing"); !strings.HasPrefix(timing, "cache;desc=mixed;dur=") {
		t.Fatalf("list: %s", timing)
	}
	req, err := http.NewRequest("POST", "http://torchlit/v2/models/colours/infer", bytes.NewReader(redPNG)) // the image alone
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Inference-Header-Content-Length", "0")
	v2, err := h.send(req)
	if err != nil {
		t.Fatal(err)
	}
	if v2.status != 200 || !strings.HasPrefix(v2.header.Get("Server-Timing"), "cache;desc=hit") {
		t.Fatalf("V2: %d %s %s", v2.status, v2.header, v2.body)
	}
	if n := calls.Load(); n != 2 {
		t.Fatalf("the model was asked %d times; want once for each image", n)
	}
	m := metrics.Model("colours", "1")
	if hits, misses, predictions := testutil.ToFloat64(m.all.cacheHits), testutil.ToFloat64(m.all.cacheMisses), testutil.ToFloat64(m.all.predictions.WithLabelValues("colours", "1", "red")); hits < 2 || misses != 2 || predictions != hits+1 {
		t.Fatalf("%v hits, %v misses, %v red answers", hits, misses, predictions)
	}
	if st := m.stats.snapshot("colours", "1"); st.InferStats.CacheMiss.Count != 2 || st.InferStats.CacheHit.Count < 2 || st.InferenceCount != 2 {
		t.Fatalf("statistics: %+v", st)
	}
}

// A version that was loaded anew under the same name is asked anew, and what the old one said is dropped.
func TestCacheForgetsAReplacedModel(t *testing.T) {
	var calls atomic.Int64
	old, next := counting(&calls), counting(&calls)
	old.Holds, next.Holds = NewHolds(), NewHolds()
	h := open(t, Config{Models: []Model{old}, CacheBytes: 1 << 20})
	ask := func(want int64) {
		t.Helper()
		if r := h.do("POST", "/v1/classify", "", redPNG); r.status != 200 || calls.Load() != want {
			t.Fatalf("%d %s; the model was asked %d times, want %d", r.status, r.body, calls.Load(), want)
		}
	}
	ask(1)
	if err := h.SetModels([]Model{old, colourModel("other", "1")}); err != nil {
		t.Fatal(err)
	}
	ask(1)
	if err := h.SetModels([]Model{next}); err != nil {
		t.Fatal(err)
	}
	if n := h.shared.cache.cache.EstimatedSize(); n != 0 {
		t.Fatalf("%d answers of the old model are kept", n)
	}
	ask(2)
	ask(2)
}

func TestCacheKeepsNoErrors(t *testing.T) {
	fail := true
	m := colourModel("colours", "1")
	m.Infer = func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
		if fail {
			return batching.Result[[]float32]{}, errors.New("broken")
		}
		return byColour(ctx, pixels, p)
	}
	for _, dedup := range []bool{false, true} {
		fail = true
		h := open(t, Config{Models: []Model{m}, CacheBytes: 1 << 20, Dedup: dedup})
		if r := h.do("POST", "/v1/classify", "", redPNG); r.status != 500 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		fail = false
		if r := h.do("POST", "/v1/classify", "", redPNG); r.status != 200 || strings.Contains(string(r.body), "cached") {
			t.Fatalf("%d %s", r.status, r.body)
		}
		if r := h.do("POST", "/v1/classify", "", redPNG); r.status != 200 || !strings.Contains(string(r.body), "cached") {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	const most = 20 * (entryOverhead + 12)
	metrics := NewMetrics(nil)
	c := newAnswerCache(most, 0, metrics)
	key := func(i int) imageKey {
		return imageKey{sum: [32]byte([]byte(strings.Repeat(strconv.Itoa(i%10), 31) + string(rune(i))))}
	}
	for i := range 120 {
		c.put(key(i), &inference{probabilities: make([]float32, 3)})
		if size := c.cache.WeightedSize(); size > most || float64(size) != testutil.ToFloat64(metrics.cacheBytes) {
			t.Fatalf("after %d answers the cache is of %d bytes, the metric says %v; want at most %d", i+1, size, testutil.ToFloat64(metrics.cacheBytes), most)
		}
	}
	if n := testutil.ToFloat64(metrics.cacheEvictions); n != 100 {
		t.Fatalf("%v evictions; want 100", n)
	}
	c.close()
	if n := testutil.ToFloat64(metrics.cacheBytes); n != 0 {
		t.Fatalf("%v bytes after close", n)
	}
}

func TestCacheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newAnswerCache(1<<20, time.Minute, NewMetrics(nil))
		defer c.close()
		c.put(imageKey{}, &inference{probabilities: []float32{1}, batchSize: 7})
		has := func(want bool) {
			t.Helper()
			if a, ok := c.get(imageKey{}); ok != want || ok && a.batchSize != 7 {
				t.Fatalf("got %v %v; want %v", a, ok, want)
			}
		}
		time.Sleep(50 * time.Second)
		has(true)
		time.Sleep(20 * time.Second)
		has(false)
	})
}
