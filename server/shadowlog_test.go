package server

import (
	"context"
	"errors"
	"image/color"
	"math"
	"runtime"
	"testing"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/predlog"
)

// TestShadowIsLogged: what a shadow says is in the log under the id of the answer, apart from the answers, for each image of a list; not where
// it said nothing, and not of requests that are not sampled. What is known of a request is deleted with its shadow's answers.
func TestShadowIsLogged(t *testing.T) {
	models := versionsOf("1", "2")
	models[1].Labels = []string{"blue", "green", "red"}
	models[1].Infer = func(_ context.Context, pixels []byte, _ batching.Priority) (batching.Result[[]float32], error) {
		s := colourShares(pixels)
		if s[1] > 0.5 {
			return batching.Result[[]float32]{}, errors.New("of green it says nothing")
		}
		return batching.Result[[]float32]{Value: []float32{s[2], s[1], s[0]}}, nil
	}
	h := openLogged(t, Config{Models: models, Traffic: map[string]Traffic{"colours": {Shadow: &Share{"2", 100}}}}, predlog.Config{Vectors: 1, Sample: 0.5})
	ask := func(want bool, prefix string) string {
		t.Helper()
		id := prefix
		for sampled, _ := h.log.Wants(id); sampled != want; sampled, _ = h.log.Wants(id) {
			id += "x"
		}
		return id
	}
	in, out, silent := ask(true, "in"), ask(false, "out"), ask(true, "silent")
	h.classifyAs(in, "image/png", pngOf(picture(8, 8, red)))
	h.classifyAs(out, "image/png", pngOf(picture(8, 8, red)))
	h.classifyAs(silent, "image/png", pngOf(picture(8, 8, color.RGBA{0, 255, 0, 255})))
	list := "list" // both of whose images are sampled
	for wants := func(n string) bool { w, _ := h.log.Wants(list + n); return w }; !wants("-0") || !wants("-1"); {
		list += "x"
	}
	contentType, body := form(nil, pngOf(picture(8, 8, red)), pngOf(picture(8, 8, blue)))
	h.classifyAs(list, contentType, body)
	v, err := h.log.Feedback(t.Context(), "colours", []monitor.Label{{RequestID: in, Name: "blue"}})
	if err != nil || v[0].Version != "1" {
		t.Errorf("the label went to %+v, %v", v, err)
	}
	for v := h.catalog.Load().routes["colours"].view().Shadows; v.Images < 4 || v.Failed < 1; v = h.catalog.Load().routes["colours"].view().Shadows {
		runtime.Gosched()
	}
	if err := h.Close(); err != nil { // which waits for what they are at
		t.Fatal(err)
	}
	if n, err := h.log.Forget(t.Context(), "", list); n != 4 || err != nil {
		t.Errorf("%d answers of the list are deleted, %v; want 2, and 2 of the shadow", n, err)
	}
	if all := h.stored(); len(all) != 2 {
		t.Errorf("%d answers; want 2", len(all))
	}
	r, err := predlog.OpenReader(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	err = r.Each(t.Context(), predlog.Filter{Version: "2", Shadows: true}, true, func(s *predlog.Stored) error {
		n++
		if !s.Shadow || s.RequestID != in || s.Labels[s.Class] != "red" || s.Confidence != 1 || len(s.Probabilities) != 3 || !math.IsNaN(float64(s.OOD)) {
			t.Errorf("the shadow's answer is %+v", s)
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Errorf("%d answers of the shadow, %v", n, err)
	}
	c, err := r.Compare(t.Context(), predlog.Filter{Model: "colours"}, "1", "2")
	if want := (predlog.Comparison{Model: "colours", Version: "1", Other: "2", Images: 1, Agreed: 1, Labelled: 1, Neither: 1}); err != nil || c != want {
		t.Errorf("got %+v, %v; want %+v", c, err, want)
	}
}
