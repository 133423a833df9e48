package predict

import "math"

// softmax turns logits into probabilities in place: exp(x/temperature),
// normalised. A temperature above 1 makes a confident model modest; it never
// changes the order.
func softmax(x []float32, temperature float64) {
	highest := x[0]
	for _, v := range x {
		highest = max(highest, v)
	}
	sum := 0.0
	for i, v := range x {
		e := math.Exp(float64(v-highest) / temperature)
		sum += e
		x[i] = float32(e)
	}
	scale := float32(1 / sum)
	for i := range x {
		x[i] *= scale
	}
}
