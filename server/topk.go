package server

import "math"

// softmaxTop turns logits into probabilities and returns the k largest, largest first; equal ones by index. It
// overwrites logits with the probabilities. k above the number of classes means all of them. A NaN, which only a
// broken model yields, becomes probability 0, so that the reply stays JSON.
func softmaxTop(logits []float32, k int) []prediction {
	softmax(logits)
	k = min(k, len(logits))
	top := make([]prediction, 0, k)
	for i, p := range logits {
		if len(top) == k && p <= top[k-1].probability {
			continue
		}
		if len(top) < k {
			top = append(top, prediction{})
		}
		j := len(top) - 1
		for j > 0 && top[j-1].probability < p {
			top[j] = top[j-1]
			j--
		}
		top[j] = prediction{index: i, probability: p}
	}
	return top
}

// softmax is computed in place, relative to the largest logit, so that it cannot overflow.
func softmax(x []float32) {
	peak := float32(math.Inf(-1))
	for _, v := range x {
		peak = max(peak, finite(v))
	}
	var sum float64
	for i, v := range x {
		e := math.Exp(float64(finite(v) - peak))
		x[i] = float32(e)
		sum += e
	}
	for i := range x {
		x[i] = float32(float64(x[i]) / sum)
	}
}

// finite maps NaN and the infinities to the nearest finite logit.
func finite(v float32) float32 {
	switch {
	case v != v:
		return -math.MaxFloat32
	case v > math.MaxFloat32:
		return math.MaxFloat32
	case v < -math.MaxFloat32:
		return -math.MaxFloat32
	}
	return v
}
