package predict

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// What is promised of the bundled model's answers, in each precision: the same images in the same batch give the same bits, whenever, by
// whichever runner of whichever process on this machine; and an image gives the same within acrossSizes in whatever batch it is.
// In fp32 and bf16 the order of a sum may depend on the size of the batch; sums of bytes are exact in any order.
var acrossSizes = map[string]float64{FP32: 2e-5, BF16: 1e-5, Int8: 1e-5} // of logits

// determinismSizes are the batches that are run: odd and even, and one more than a multiple of what kernels take at once.
var determinismSizes = []int{1, 2, 3, 4, 9}

const (
	determinismBatch = 9
	determinismChild = "TORCHLIT_TEST_DETERMINISM"
)

// fingerprints runs batches of every size three times, in turns with others, and returns a hash of each one's logits. It fails where a
// later run has other bits.
func fingerprints(t *testing.T, precision string, threads int) (sums []string, bySize [][][]float32) {
	t.Helper()
	runtime.LockOSThread() // as a runner's goroutine is: how many threads compute belongs to the thread
	defer runtime.UnlockOSThread()
	m := mustOpen(t, "../models/cifar10-resnet18", Options{MaxBatch: determinismBatch, Threads: threads, Runners: 2, Precision: precision})
	first, second := mustRunner(t, m), mustRunner(t, m)
	in := images(first, determinismBatch)
	for _, n := range determinismSizes {
		got := mustLogits(t, first, in[:n])
		sums, bySize = append(sums, fingerprint(got)), append(bySize, got)
	}
	for i, n := range slices.Backward(determinismSizes) {
		for _, r := range []*Runner{first, second} {
			if got := fingerprint(mustLogits(t, r, in[:n])); got != sums[i] {
				t.Errorf("%s, %d threads: a batch of %d has other bits when it is run again", precision, threads, n)
			}
		}
	}
	return sums, bySize
}

func fingerprint(logits [][]float32) string {
	h := sha256.New()
	for _, row := range logits {
		binary.Write(h, binary.LittleEndian, row)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

func determinismPrecisions(t *testing.T) []string {
	torchtest.Need(t)
	machine, err := Supports()
	if err != nil {
		t.Fatal(err)
	}
	list := []string{FP32}
	for _, p := range []string{BF16, Int8} {
		if machine[p].Runs {
			list = append(list, p)
		}
	}
	return list
}

// TestAnswersAreTheSameBits compares runs, runners and processes.
func TestAnswersAreTheSameBits(t *testing.T) {
	for _, precision := range determinismPrecisions(t) {
		for _, threads := range threadsOf(precision) {
			want, _ := fingerprints(t, precision, threads)
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe, "-test.run=^TestDeterminismChild$", "-test.v")
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", determinismChild, precision, threads))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var got []string
			for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
				if sum, ok := strings.CutPrefix(lines.Text(), "fingerprint "); ok {
					got = append(got, sum)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s, %d threads: another process answers with other bits:\n%v\n%v", precision, threads, got, want)
			}
		}
	}
}

// threadsOf: two threads part a sum of floats, which may show in its last bits. Of the others one is enough.
func threadsOf(precision string) []int {
	if precision == FP32 {
		return []int{1, 2}
	}
	return []int{1}
}

// TestDeterminismChild is the other process.
func TestDeterminismChild(t *testing.T) {
	order := os.Getenv(determinismChild)
	if order == "" {
		t.Skip("only as a child of TestAnswersAreTheSameBits")
	}
	var precision string
	var threads int
	if _, err := fmt.Sscan(order, &precision, &threads); err != nil {
		t.Fatal(err)
	}
	sums, _ := fingerprints(t, precision, threads)
	for _, s := range sums {
		fmt.Println("fingerprint " + s)
	}
}

// TestAnswersAcrossBatchSizes: company changes an image's logits by no more than acrossSizes.
func TestAnswersAcrossBatchSizes(t *testing.T) {
	for _, precision := range determinismPrecisions(t) {
		_, bySize := fingerprints(t, precision, 1)
		furthest := 0.0
		for _, batch := range bySize {
			for i, row := range batch {
				for c := range row {
					furthest = max(furthest, math.Abs(float64(row[c]-bySize[len(bySize)-1][i][c])))
				}
			}
		}
		t.Logf("%s: logits differ by %.2g at most between batches of %v", precision, furthest, determinismSizes)
		if furthest > acrossSizes[precision] {
			t.Errorf("%s: logits differ by %g; want %g at most", precision, furthest, acrossSizes[precision])
		}
	}
}

// TestPlanesAreThePixels: an image that comes as normalised floats gives the bits that its pixels give.
func TestPlanesAreThePixels(t *testing.T) {
	for _, precision := range determinismPrecisions(t) {
		m := mustOpen(t, "../models/cifar10-resnet18", Options{MaxBatch: 4, Threads: 1, Precision: precision})
		r := mustRunner(t, m)
		n := Network{Width: 32, Height: 32, Mean: [3]float32{0.4914, 0.4822, 0.4465}, Std: [3]float32{0.247, 0.2435, 0.2616}} // its config.json
		var planes [][]byte
		for _, image := range images(r, 4) {
			planes = append(planes, asPlanes(n, image))
		}
		want, got := mustLogits(t, r, images(r, 4)), mustLogits(t, r, planes)
		mustBeNear(t, got, want, 0)
	}
}
