package predict

import (
	"testing"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// TestEmbedding compares with the mean of what the engine traces of the last block, and wants the probabilities
// to be what they are without: of bytes, of floats, and of both in one batch.
func TestEmbedding(t *testing.T) {
	torchtest.Need(t)
	for _, precision := range []string{FP32, BF16, Int8} {
		t.Run(precision, func(t *testing.T) {
			needPrecision(t, precision)
			n := calibrated(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10), MSE, false)
			_, traced := trace(t, n, precision, false)
			want := meansOf(traced[len(traced)-2], 2, int(n.Spec.Features()))

			in := calibrationImages(n, 2)
			bare := mustRun(t, mustRunner(t, mustModel(t, n, Options{MaxBatch: 4, Precision: precision})), in)
			m := mustModel(t, n, Options{MaxBatch: 4, Precision: precision, Embed: true})
			if m.Embedding() != 512 || m.Classes() != 10 {
				t.Fatalf("an answer has %d probabilities and an embedding of %d; want 10 and 512", m.Classes(), m.Embedding())
			}
			r := mustRunner(t, m)
			for _, batch := range [][][]byte{
				in, {asPlanes(n, in[0]), asPlanes(n, in[1])}, {asPlanes(n, in[0]), in[1]}, {in[0], asPlanes(n, in[1])},
			} {
				got := mustRun(t, r, batch)
				mustBeNear(t, cut(got, 0, 10), bare, 1e-5)
				mustBeNear(t, cut(got, 10, 522), want, 1e-4)
			}
			mustBeNear(t, cut(mustLogits(t, r, in), 10, 522), want, 1e-4)
		})
	}
}

func mustRun(tb testing.TB, r *Runner, in [][]byte) [][]float32 {
	tb.Helper()
	out := make([][]float32, len(in))
	if err := r.Run(in, out); err != nil {
		tb.Fatal(err)
	}
	return out
}

func cut(rows [][]float32, from, to int) [][]float32 {
	out := make([][]float32, len(rows))
	for i, row := range rows {
		out[i] = row[from:to]
	}
	return out
}

// meansOf averages n images of channels-last values over their pixels.
func meansOf(values []float32, n, channels int) [][]float32 {
	out, pixels := make([][]float32, n), len(values)/n/channels
	for i := range out {
		sums := make([]float64, channels)
		for p := range pixels {
			for c := range channels {
				sums[c] += float64(values[(i*pixels+p)*channels+c])
			}
		}
		out[i] = make([]float32, channels)
		for c := range sums {
			out[i][c] = float32(sums[c] / float64(pixels))
		}
	}
	return out
}
