package pretrained

// The first convolution sees the image itself. Where weights of another network, or for
// other images, are to go on from, it is the one tensor that does not fit, and the one
// whose values can be carried over by reason:
//
//   - other channels: as timm does (adapt_input_conv): a single channel gets the sum over
//     the source's, several get them in turn, scaled so that an image whose channels are
//     alike has the same response as before;
//   - another kernel, 7×7 of an ImageNet stem against 3×3 of a CIFAR stem: each filter is
//     an image of weights, which is resampled by area: every weight's square is shared out
//     among the squares that it covers in the new grid. The sum stays, so that a plain
//     image has the same response as before, and edges and colours keep their place.
//     A crop of the centre would throw most of a 7×7 filter away.
//
// The statistics of the normalisation behind it are then those of another convolution.
// They are taken over all the same, and follow within some hundred steps of training.

// adaptable is whether a first convolution of one shape can be made of another's.
func adaptable(from, to []int64) bool {
	if len(from) != 4 || len(to) != 4 || from[0] != to[0] {
		return false
	}
	for i := range 4 {
		if from[i] < 1 || to[i] < 1 {
			return false
		}
	}
	return from[2] == from[3] && to[2] == to[3]
}

// adapt makes filters [out, in, k, k] of others.
func adapt(w []float32, from, to []int64) []float32 {
	filters := int(from[0])
	x := make([]float64, len(w))
	for i, v := range w {
		x[i] = float64(v)
	}
	x = adaptChannels(x, filters, int(from[1]), int(to[1]), int(from[2]*from[3]))
	x = adaptKernel(x, filters*int(to[1]), int(from[2]), int(to[2]))
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// adaptChannels maps [filters, from, area] to [filters, to, area].
func adaptChannels(x []float64, filters, from, to, area int) []float64 {
	if from == to {
		return x
	}
	y := make([]float64, filters*to*area)
	for f := range filters {
		in, out := x[f*from*area:][:from*area], y[f*to*area:][:to*area]
		for i := range max(from, to) * area {
			switch {
			case to == 1:
				out[i%area] += in[i]
			case i < to*area:
				out[i] = in[i%(from*area)] * float64(from) / float64(to)
			}
		}
	}
	return y
}

// adaptKernel resamples images [n, from, from] to [n, to, to] by area; their sums stay.
func adaptKernel(x []float64, n, from, to int) []float64 {
	if from == to {
		return x
	}
	share := shares(from, to)
	y := make([]float64, n*to*to)
	for i := range n {
		in, out := x[i*from*from:][:from*from], y[i*to*to:][:to*to]
		for r := range from {
			for c := range from {
				for r2 := range to {
					for c2 := range to {
						out[r2*to+c2] += share[r][r2] * share[c][c2] * in[r*from+c]
					}
				}
			}
		}
	}
	return y
}

// shares tells which part of each cell of a grid of from cells lies in which cell of a
// grid of to cells over the same line.
func shares(from, to int) [][]float64 {
	table := make([][]float64, from)
	for i := range table {
		table[i] = make([]float64, to)
		for j := range to {
			// Both in units of 1/(from·to) of the line: whole numbers, so nothing is lost.
			lo, hi := max(i*to, j*from), min((i+1)*to, (j+1)*from)
			table[i][j] = float64(max(0, hi-lo)) / float64(to)
		}
	}
	return table
}
