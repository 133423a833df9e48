package server

import (
	"context"
	"slices"
	"testing"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/monitor/predlog"
)

// TestEmbeddingIsLogged: what follows the probabilities goes to the log, also from the cache, and nowhere else.
func TestEmbeddingIsLogged(t *testing.T) {
	m := colourModel("colours", "1")
	m.Embedding = 2
	m.Infer = func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
		r, err := byColour(ctx, pixels, p)
		r.Value = append(r.Value, 0.5, 9) // more than any probability: it must not be found likeliest
		return r, err
	}
	l := openLogged(t, Config{Models: []Model{m}, CacheBytes: 1 << 20}, predlog.Config{Vectors: 1})
	img := pngOf(picture(8, 8, blue))
	for _, id := range []string{"asked", "cached"} {
		a := l.classifyAs(id, "image/png", img)
		if len(a.Predictions) != 3 || a.Predictions[0].Label != "blue" {
			t.Errorf("%s: got %+v", id, a.Predictions)
		}
	}
	all := l.stored()
	if len(all) != 2 {
		t.Fatalf("logged are %d answers; want 2", len(all))
	}
	for _, s := range all {
		if len(s.Probabilities) != 3 || !slices.Equal(s.Embedding, []float32{0.5, 9}) {
			t.Errorf("%s: logged are %v and %v", s.RequestID, s.Probabilities, s.Embedding)
		}
	}
}

// TestShortAnswer: a model whose answers lack the embedding that it promised is refused, not read past its end.
func TestShortAnswer(t *testing.T) {
	m := colourModel("colours", "1")
	m.Embedding = 2
	s := open(t, Config{Models: []Model{m}})
	if r := s.do("POST", "/v1/classify", "image/png", pngOf(picture(8, 8, blue))); r.status != 500 {
		t.Errorf("got %d %s", r.status, r.body)
	}
}
