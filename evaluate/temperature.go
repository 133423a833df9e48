package evaluate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
)

// The temperatures between which one is fitted. An answer that is always right
// gets more likely with every colder one, without end.
const (
	minTemperature = 0.01
	maxTemperature = 100
)

// FitTemperature returns the temperature T for which softmax(logits/T) makes the
// labels most likely, and the calibration at a temperature of 1 and at T: Guo et
// al., https://arxiv.org/abs/1706.04599. Scaling changes no answer, only how sure
// it is. logits is [image][class], labels has the true class of each image; T is
// between 0.01 and 100, and 1 where there is nothing to fit. "after" is measured
// on the images that T was fitted to, so it flatters; see [CrossFit].
//
// The loss is convex in 1/T, so that Newton's method, kept within a bracket,
// finds the one minimum; a search over T itself would meet plateaus.
func FitTemperature(logits [][]float32, labels []int) (T float64, before, after Calibration) {
	if len(logits) != len(labels) {
		panic(fmt.Sprintf("BUG: %d rows of logits for %d labels", len(logits), len(labels)))
	}
	T = fit(logits, labels)
	return T, calibrate(logits, labels, 1), calibrate(logits, labels, T)
}

// CrossFit is the calibration that a fitted temperature has on images it was not
// fitted to: each half of the images is judged at the temperature of the other.
// The halves are drawn at random, always the same: in order, images may come by
// class, or in turns.
func CrossFit(logits [][]float32, labels []int) Calibration {
	var x [2][][]float32
	var y [2][]int
	rng := rand.New(rand.NewPCG(0, 0))
	for i, row := range logits {
		half := rng.IntN(2)
		x[half] = append(x[half], row)
		y[half] = append(y[half], labels[i])
	}
	var s said
	for half := range 2 {
		s.addAll(x[half], y[half], fit(x[1-half], y[1-half]))
	}
	return s.calibration()
}

// Recalibration says what a temperature does for a model's probabilities.
type Recalibration struct {
	Served      float64     `json:"served_temperature"` // that the probabilities were made with
	Temperature float64     `json:"temperature"`        // that fits best
	Plain       Calibration `json:"plain"`              // at a temperature of 1
	AsServed    Calibration `json:"as_served"`
	Refitted    Calibration `json:"refitted"` // at the best temperature, cross-fitted
}

// Recalibrate fits a temperature to answers given at the temperature served.
func Recalibrate(a Answers, served float64) Recalibration {
	logits := a.logits(served)
	return Recalibration{
		Served: served, Temperature: fit(logits, a.Truth),
		Plain: calibrate(logits, a.Truth, 1), AsServed: calibrate(logits, a.Truth, served),
		Refitted: CrossFit(logits, a.Truth),
	}
}

// logits are the logarithms of the probabilities, at a temperature of 1: the
// model's own logits but for a constant that softmax does not see.
func (a Answers) logits(served float64) [][]float32 {
	out := make([][]float32, len(a.Probabilities))
	for i, row := range a.Probabilities {
		out[i] = make([]float32, len(row))
		for j, p := range row {
			out[i][j] = float32(served * math.Log(max(float64(p), math.SmallestNonzeroFloat32)))
		}
	}
	return out
}

func fit(logits [][]float32, labels []int) float64 {
	if len(logits) == 0 {
		return 1
	}
	low, high := 1/float64(maxTemperature), 1/minTemperature // of the inverse temperature
	if slope, _ := derivatives(logits, labels, low); slope >= 0 {
		return flat(slope, maxTemperature)
	}
	if slope, _ := derivatives(logits, labels, high); slope <= 0 {
		return minTemperature
	}
	b := 1.0
	for range 100 {
		slope, curvature := derivatives(logits, labels, b)
		if slope > 0 {
			high = b
		} else {
			low = b
		}
		next := b - slope/curvature
		if !(next > low && next < high) {
			next = math.Sqrt(low * high)
		}
		if math.Abs(next-b) <= 1e-10*b {
			return 1 / next
		}
		b = next
	}
	return 1 / b
}

// flat is for a loss that grows with the inverse temperature, or does not depend
// on it at all, as that of a model which finds all classes equally likely.
func flat(slope, temperature float64) float64 {
	if slope == 0 {
		return 1
	}
	return temperature
}

// derivatives are those of the mean loss by the inverse temperature b: with the
// logits z and their distribution p = softmax(b·z), E_p[z] - z_truth and Var_p[z].
func derivatives(logits [][]float32, labels []int, b float64) (first, second float64) {
	n := float64(len(logits))
	return sum(len(logits), func(i int) (float64, float64) {
		row := logits[i]
		top := float64(row[Best(row)])
		var total, mean, square float64
		for _, v := range row {
			z := float64(v) - top
			e := math.Exp(b * z)
			total += e
			mean += e * z
			square += e * z * z
		}
		mean /= total
		return (mean - (float64(row[labels[i]]) - top)) / n, (square/total - mean*mean) / n
	})
}

// sum adds up two figures of n images on several goroutines. The images are cut
// into the same pieces on every machine, so that rounding is the same, too.
func sum(n int, of func(i int) (float64, float64)) (first, second float64) {
	const pieces = 32
	var parts [pieces][2]float64
	var wg sync.WaitGroup
	for k := range pieces {
		wg.Go(func() {
			for i := k * n / pieces; i < (k+1)*n/pieces; i++ {
				a, b := of(i)
				parts[k][0] += a
				parts[k][1] += b
			}
		})
	}
	wg.Wait()
	for _, p := range parts {
		first += p[0]
		second += p[1]
	}
	return first, second
}

func calibrate(logits [][]float32, labels []int, temperature float64) Calibration {
	var s said
	s.addAll(logits, labels, temperature)
	return s.calibration()
}

func (s *said) addAll(logits [][]float32, labels []int, temperature float64) {
	var p []float32
	for i, row := range logits {
		p = Softmax(p[:0], row, temperature)
		s.add(labels[i], Best(row), p)
	}
}

// Softmax appends the probabilities of logits at a temperature above 0 to dst:
// exp(logit/temperature), normalised.
func Softmax(dst, logits []float32, temperature float64) []float32 {
	begin := len(dst)
	top := float64(logits[Best(logits)])
	total := 0.0
	for _, v := range logits {
		e := math.Exp((float64(v) - top) / temperature)
		total += e
		dst = append(dst, float32(e))
	}
	for i := range dst[begin:] {
		dst[begin+i] = float32(float64(dst[begin+i]) / total)
	}
	return dst
}
