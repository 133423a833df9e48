//go:build linux

package isolate

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// BenchmarkIsolation reads a photo in this process and in a worker by turns, image by image, so that what else the machine does counts
// for both: one at a time, and as many at once as there are processors for a while. The resizer does nothing: what is left is decoding and the
// way there and back. The ratios are what isolation costs of that.
//
//	go test ./vision/isolate -run - -bench Isolation -benchtime 2000x
func BenchmarkIsolation(b *testing.B) {
	const workers = 2
	p := openPool(b, workers, nil)
	for _, c := range []struct{ width, height int }{{500, 375}, {800, 600}} {
		data := grainy(b, c.width, c.height)
		read := func(isolated bool) (took time.Duration) {
			pre := vision.Preprocess{Width: 224, Height: 224}
			dst := make([]byte, pre.Size())
			lim := vision.Limits{Memory: p.memory}
			begin := time.Now()
			var err error
			if isolated {
				err = p.Read(b.Context(), &pre, data, lim, blank, dst)
			} else {
				err = pre.Read(data, lim, blank, dst)
			}
			took = time.Since(begin)
			if err != nil {
				b.Error(err)
			}
			return took
		}
		name := fmt.Sprintf("%dx%d_%dKB", c.width, c.height, len(data)>>10)
		b.Run(name+"/one", func(b *testing.B) {
			took := [2][]time.Duration{}
			for i := range 2 * b.N {
				took[i%2] = append(took[i%2], read(i%2 == 1))
			}
			report(b, took)
		})
		b.Run(name+"/all", func(b *testing.B) {
			took := [2][]time.Duration{}
			const turn = 20 // images each, then the other way's turn
			for i := range 2 * max(1, b.N/(turn*workers)) {
				begin := time.Now()
				var wg sync.WaitGroup
				for range workers {
					wg.Go(func() {
						for range turn {
							read(i%2 == 1)
						}
					})
				}
				wg.Wait()
				took[i%2] = append(took[i%2], time.Since(begin)/(turn*workers))
			}
			report(b, took)
		})
	}
}

// report gives both ways' medians and tenth percentiles, which are what a quiet machine would have, and their ratios.
func report(b *testing.B, took [2][]time.Duration) {
	b.ReportMetric(0, "ns/op")
	for _, part := range []struct {
		name string
		of   int
	}{{"p50", 2}, {"p10", 10}} {
		var at [2]float64
		for i := range took {
			slices.Sort(took[i])
			at[i] = float64(took[i][len(took[i])/part.of].Nanoseconds()) / 1e3
		}
		b.ReportMetric(at[0], "µs-here-"+part.name)
		b.ReportMetric(at[1], "µs-isolated-"+part.name)
		b.ReportMetric(at[1]/at[0], "ratio-"+part.name)
	}
}

// blank is a Resizer that looks at nothing.
func blank(_ *vision.Image, width, height int, _ vision.Interpolation) (*vision.Image, error) {
	return vision.Acquire(width, height), nil
}

// grainy is a JPEG of a photo's weight: smooth shapes, and grain.
func grainy(t testing.TB, width, height int) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			u, v := float64(x)/float64(width), float64(y)/float64(height)
			wave := 0.5 + 0.5*math.Sin(9*u+4*v)*math.Cos(7*v)
			grain := byte(rng.IntN(28))
			m.SetRGBA(x, y, color.RGBA{byte(200*wave) + grain, byte(150*(1-wave)) + grain, byte(180*v) + grain, 255})
		}
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}))
	return b.Bytes()
}
