package predict

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkEngine measures the bare engine: images in memory to probabilities, on one
// runner with all CPUs, in each precision that this machine runs. The precisions take
// turns, batch by batch, so that whatever else the machine does slows all of them: the
// ratios, of medians, say more than the rates.
func BenchmarkEngine(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := mustNetwork(b, "resnet18", "", 224, 1000)
	needPrecision(b, FP32)
	machine, err := Supports()
	if err != nil {
		b.Fatal(err)
	}
	n = calibrated(b, n, MSE, false)
	var names []string
	runners := map[string]*Runner{}
	for _, precision := range []string{FP32, BF16, Int8} {
		if machine[precision].Runs {
			names = append(names, precision)
			runners[precision] = mustRunner(b, mustModel(b, n, Options{Runners: 1, Precision: precision}))
		}
	}
	for _, batch := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("resnet18/224px/batch=%d", batch), func(b *testing.B) {
			in, out := make([][]byte, batch), make([][]float32, batch)
			for i := range in {
				in[i] = seededImage(fmt.Sprint(i), n.Width*n.Height*3)
			}
			took := map[string][]time.Duration{}
			b.ReportAllocs()
			for b.Loop() {
				for _, precision := range names {
					start := time.Now()
					if err := runners[precision].Run(in, out); err != nil {
						b.Fatal(err)
					}
					took[precision] = append(took[precision], time.Since(start))
				}
			}
			for _, precision := range names {
				median := medianOf(took[precision])
				b.ReportMetric(float64(batch)/median.Seconds(), precision+"-images/s")
				if precision != FP32 {
					b.ReportMetric(medianOf(took[FP32]).Seconds()/median.Seconds(), precision+"/fp32")
				}
			}
		})
	}
}

func medianOf(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
