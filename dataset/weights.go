package dataset

import (
	"fmt"
	"math"

	"github.com/torchlit/torchlit/dataset/internal/splitmix"
)

// Schemes of ClassWeights.
const (
	Uniform          = "uniform"           // no weights: 1 for all
	InverseFrequency = "inverse_frequency" // 1/n
	InverseRoot      = "inverse_root"      // 1/√n, a milder form
	EffectiveNumber  = "effective_number"  // (1-β)/(1-β^n)
)

// ClassWeights returns a weight for each class by its number of images n, for a
// loss in which rare classes shall count as much as frequent ones.
//
// InverseFrequency is scikit-learn's class_weight="balanced": n_all/(classes*n).
// EffectiveNumber is that of Cui et al., "Class-Balanced Loss Based on Effective
// Number of Samples", CVPR 2019 (arXiv 1901.05555), section 3: beta, in [0, 1), is
// 0 for no weights and goes to the inverse frequency at 1; 0.9999 is usual. All are
// scaled so that the mean over the images is 1: weights change how classes stand
// to each other, and not the learning rate. A class without images has weight 0.
func ClassWeights(counts []int, scheme string, beta float64) ([]float64, error) {
	weigh, err := weigher(scheme, beta)
	if err != nil {
		return nil, err
	}
	weights := make([]float64, len(counts))
	var images, sum float64
	for i, n := range counts {
		if n > 0 {
			weights[i] = weigh(float64(n))
			images += float64(n)
			sum += float64(n) * weights[i]
		}
	}
	if images == 0 {
		return nil, fmt.Errorf("cannot weight classes: %w", ErrNoData)
	}
	for i := range weights {
		weights[i] *= images / sum
	}
	return weights, nil
}

func weigher(scheme string, beta float64) (func(n float64) float64, error) {
	switch scheme {
	case Uniform, "":
		return func(float64) float64 { return 1 }, nil
	case InverseFrequency:
		return func(n float64) float64 { return 1 / n }, nil
	case InverseRoot:
		return func(n float64) float64 { return 1 / math.Sqrt(n) }, nil
	case EffectiveNumber:
		if !(beta >= 0 && beta < 1) {
			return nil, fmt.Errorf("cannot weight classes with beta %v: give 0 or more, less than 1, such as 0.9999", beta)
		}
		if beta == 0 {
			return func(float64) float64 { return 1 }, nil
		}
		// 1-β^n, without the loss of digits where β^n is nearly 1.
		return func(n float64) float64 { return -1 / math.Expm1(n*math.Log(beta)) }, nil
	}
	return nil, fmt.Errorf("cannot weight classes by %q: the schemes are %s", scheme,
		abbreviate([]string{Uniform, InverseFrequency, InverseRoot, EffectiveNumber}))
}

// ImageWeights gives each image the weight of its class, for WeightedOrder: with
// weights by InverseFrequency an epoch shows all classes equally often.
func ImageWeights(labels []int64, classes []float64) []float64 {
	weights := make([]float64, len(labels))
	for i, l := range labels {
		weights[i] = classes[l]
	}
	return weights
}

// WeightedOrder is the order of an epoch of n places in which images come in
// proportion to their weights, for LoaderConfig.Order: a function of its
// arguments. Weights are not negative, and one at least is above 0.
//
// Image i is expected n*weights[i]/sum times, and comes that often rounded up or
// down: systematic sampling over a shuffled row of all images, which has less
// variance than n independent draws, such as those of PyTorch's
// WeightedRandomSampler. Over the epochs each image has its share.
func WeightedOrder(weights []float64, n int, seed uint64, epoch int) ([]int32, error) {
	if n < 1 {
		return nil, fmt.Errorf("cannot draw %d images: give at least 1", n)
	}
	var sum float64
	for i, w := range weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return nil, fmt.Errorf("cannot draw images by weight: that of image %d is %v", i, w)
		}
		sum += w
	}
	if sum == 0 || math.IsInf(sum, 0) {
		return nil, fmt.Errorf("cannot draw images by weight: the weights' sum is %v", sum)
	}
	const draws = 4 // keeps this stream apart from the others of the package
	r := splitmix.Seeded(draws, seed, uint64(epoch))
	row := Permutation(len(weights), r.Next(), epoch)
	offset := float64(r.Next()>>11) / (1 << 53) // of the first tick, in [0, 1)

	// A ruler with a tick each sum/n lies along the images, each as long as its
	// weight. Ticks count in whole numbers: adding them up would collect errors.
	order := make([]int32, 0, n)
	var end float64
	last := int32(-1) // of the images with a weight
	for _, i := range row {
		if weights[i] == 0 {
			continue
		}
		last = i
		end += weights[i]
		for len(order) < n && (float64(len(order))+offset)*sum < end*float64(n) {
			order = append(order, i)
		}
	}
	for len(order) < n { // rounding of end left the last tick out
		order = append(order, last)
	}
	shuffle := Permutation(n, r.Next(), epoch)
	out := make([]int32, n)
	for place, from := range shuffle {
		out[place] = order[from]
	}
	return out, nil
}
