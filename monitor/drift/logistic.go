package drift

import (
	"math"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// design is the rows of two samples, column by column: values of mean 0 and deviation 1 over both, and a last column of ones.
type design struct {
	columns  [][]float64
	single   [][]float32 // the same: a Hessian need not be exact, and this one takes half the time
	weighted []float32   // of the length of a column
}

// standardise leaves a column at 0 whose values are equal, or not all finite.
func standardise(reference, window [][]float32) *design {
	n, dims := len(reference)+len(window), len(reference[0])
	x := &design{columns: make([][]float64, dims+1), single: make([][]float32, dims+1), weighted: make([]float32, n)}
	all := make([]float64, n*(dims+1))
	for k := range x.columns {
		x.columns[k] = all[k*n : (k+1)*n]
	}
	for i := range n {
		row := reference[min(i, len(reference)-1)]
		if i >= len(reference) {
			row = window[i-len(reference)]
		}
		for k, v := range row[:dims] {
			x.columns[k][i] = float64(v)
		}
		x.columns[dims][i] = 1
	}
	for _, c := range x.columns[:dims] {
		var mean, square float64
		for _, v := range c {
			mean += v / float64(n)
		}
		for _, v := range c {
			square += (v - mean) * (v - mean) / float64(n)
		}
		if !(square > 1e-24*mean*mean) || math.IsInf(square, 0) {
			clear(c)
			continue
		}
		inverse := 1 / math.Sqrt(square)
		for i, v := range c {
			c[i] = (v - mean) * inverse
		}
	}
	for k, c := range x.columns {
		x.single[k] = make([]float32, n)
		for i, v := range c {
			x.single[k][i] = float32(v)
		}
	}
	return x
}

// scores are the logarithms of the odds that each row is the window's.
func (x *design) scores(dst, coefficients []float64) {
	clear(dst)
	for k, c := range x.columns {
		blas64.Axpy(coefficients[k], vector64(c), vector64(dst))
	}
}

// fit minimises the log loss of the rows, weighted (0 leaves a row out), and penalty/2 times the squared coefficients except the
// last, which is the intercept: Newton's method, the step halved while it would not lessen the loss. y is 0 or 1.
func (x *design) fit(y, weight []float64, penalty float64) []float64 {
	size := len(x.columns)
	beta, next, step := make([]float64, size), make([]float64, size), mat.NewVecDense(size, nil)
	score, residual, curvature := make([]float64, len(y)), make([]float64, len(y)), make([]float64, len(y))
	hessian, gradient := mat.NewSymDense(size, nil), mat.NewVecDense(size, nil)
	loss := x.loss(score, beta, y, weight, penalty)
	var cholesky mat.Cholesky
	for range 30 {
		for i, s := range score {
			p := 1 / (1 + math.Exp(-s))
			residual[i], curvature[i] = weight[i]*(p-y[i]), weight[i]*p*(1-p)
		}
		x.derivatives(gradient, hessian, beta, residual, curvature, penalty)
		if !cholesky.Factorize(hessian) || cholesky.SolveVecTo(step, gradient) != nil {
			return beta
		}
		for length := 1.0; ; length /= 2 {
			if length < 1e-6 {
				return beta
			}
			for k := range next {
				next[k] = beta[k] - length*step.AtVec(k)
			}
			if l := x.loss(score, next, y, weight, penalty); l <= loss {
				loss = l
				break
			}
		}
		copy(beta, next)
		if mat.Norm(step, math.Inf(1)) < 1e-3 { // the next would be of the order of its square
			return beta
		}
	}
	return beta
}

// loss leaves the scores behind.
func (x *design) loss(score, beta, y, weight []float64, penalty float64) float64 {
	x.scores(score, beta)
	sum := 0.0
	for i, s := range score {
		if y[i] == 1 {
			s = -s
		}
		sum += weight[i] * (max(s, 0) + math.Log1p(math.Exp(-math.Abs(s))))
	}
	for _, b := range beta[:len(beta)-1] {
		sum += penalty / 2 * b * b
	}
	return sum
}

func (x *design) derivatives(gradient *mat.VecDense, hessian *mat.SymDense, beta, residual, curvature []float64, penalty float64) {
	last := len(x.columns) - 1
	for i, a := range x.columns {
		for r, v := range a {
			x.weighted[r] = float32(v * curvature[r])
		}
		for j := i; j <= last; j++ {
			hessian.SetSym(i, j, float64(blas32.Dot(vector(x.weighted), vector(x.single[j]))))
		}
		slope := blas64.Dot(vector64(residual), vector64(a))
		if i < last {
			slope += penalty * beta[i]
			hessian.SetSym(i, i, hessian.At(i, i)+penalty)
		} else {
			hessian.SetSym(i, i, hessian.At(i, i)+1e-9) // of scores that are certain there is no curvature left
		}
		gradient.SetVec(i, slope)
	}
}

func vector64(v []float64) blas64.Vector { return blas64.Vector{N: len(v), Inc: 1, Data: v} }
