package drift

import (
	"math"

	"gonum.org/v1/gonum/blas/blas32"
)

// points are rows of a sample, centred by the reference's mean and in units of the bandwidth.
type points struct {
	n       int
	rows    []float32 // n×dims
	columns []float32 // dims×n: the same
	halves  []float32 // |row|²/2
}

func (t *MMD) points(rows [][]float32) points {
	n, dims := len(rows), len(t.mean)
	p := points{n: n, rows: make([]float32, n*dims), columns: make([]float32, n*dims), halves: make([]float32, n)}
	for i, row := range rows {
		if len(row) != dims {
			panic("BUG: rows of different lengths are compared")
		}
		half := 0.0
		for k, v := range row {
			v = (v - t.mean[k]) * t.scale
			p.rows[i*dims+k], p.columns[k*n+i] = v, v
			half += float64(v) * float64(v) / 2
		}
		p.halves[i] = float32(half)
	}
	return p
}

// exponents writes -|x-y|²/2 = x·y - |x|²/2 - |y|²/2 of the points x and y to the kernel, x from row, y from column on; only right
// of the diagonal. A row is a sum of columns of y, which the BLAS adds four values at a time.
func (t *MMD) exponents(row, column int, x, y points) {
	dims := len(t.mean)
	for i := range x.n {
		begin := max(row+i+1-column, 0)
		if begin >= y.n {
			continue
		}
		at := (row+i)*t.stride + column
		out := t.kernel[at+begin : at+y.n]
		for j := range out {
			out[j] = -x.halves[i] - y.halves[begin+j]
		}
		for k := range dims {
			blas32.Axpy(x.rows[i*dims+k], vector(y.columns[k*y.n+begin:(k+1)*y.n]), vector(out))
		}
	}
}

func vector(v []float32) blas32.Vector { return blas32.Vector{N: len(v), Inc: 1, Data: v} }

// means are those of each column, summed in double precision.
func means(rows [][]float32) []float32 {
	sums := make([]float64, len(rows[0]))
	for _, row := range rows {
		for k, v := range row {
			sums[k] += float64(v)
		}
	}
	mean := make([]float32, len(sums))
	for k, s := range sums {
		mean[k] = float32(s / float64(len(rows)))
	}
	return mean
}

// exp32 replaces values up to 0, or above it by no more than rounding, by e to their power, to 1e-7 of it; below -87 by less than
// 1e-37. A value is taken apart into a whole number, 256ths and what is left, of which three terms of the series are enough. There
// is one for each pair of rows, and math.Exp takes three times as long.
func exp32(row []float32) {
	for i, x := range row {
		if x > 0 {
			x = 0
		}
		if x < -87 {
			x = -87
		}
		steps := int32(x * -256)
		left := x + float32(steps)*(1.0/256)
		row[i] = wholes[steps>>8&127] * parts[steps&255] * (1 + left*(1+0.5*left))
	}
}

// wholes are e^-k, parts e^(-k/256).
var (
	wholes = func() (t [128]float32) {
		for k := range t {
			t[k] = float32(math.Exp(-float64(k)))
		}
		return t
	}()
	parts = func() (t [256]float32) {
		for k := range t {
			t[k] = float32(math.Exp(-float64(k) / 256))
		}
		return t
	}()
)
