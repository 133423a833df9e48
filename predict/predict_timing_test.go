package predict

import (
	"fmt"
	"runtime"
	"testing"
)

// BenchmarkEngine measures the bare engine: images in memory to probabilities,
// on one runner with all CPUs.
func BenchmarkEngine(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := mustNetwork(b, "resnet18", "", 224, 1000)
	r := mustRunner(b, mustModel(b, n, Options{Runners: 1}))
	for _, batch := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("resnet18/224px/batch=%d", batch), func(b *testing.B) {
			in, out := make([][]byte, batch), make([][]float32, batch)
			for i := range in {
				in[i] = seededImage(fmt.Sprint(i), r.imageBytes)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Run(in, out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
