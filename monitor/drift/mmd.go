package drift

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas/blas32"
)

// MMD tests whether rows of numbers (embeddings) come from the distribution that reference rows came from, by the maximum mean
// discrepancy: Gretton et al. 2012, "A kernel two-sample test". The kernel is Gaussian, exp(-|x-y|²/2σ²), with 2σ² the median of
// the squared distances between reference rows, as alibi-detect's MMDDrift chooses it. The coordinates are taken as they are: scale
// them first if their units differ. All are finite.
//
// What depends on the reference alone is computed once. The memory of a test is used again by the next, so one MMD serves one
// goroutine at a time.
type MMD struct {
	mean      []float32 // of the reference: distances between centred rows lose less to rounding
	scale     float32   // 1/σ; 1 where the median is 0
	reference points

	// kernel is (n+m)×(n+m), row-major, the reference first. Only what is right of the diagonal is set; the reference's own part
	// stays from test to test.
	kernel []float32
	stride int
	sums   []float32 // of each row of the whole symmetric matrix without its diagonal
	inner  []float32 // the same of the reference's own part
	ones   []float32
}

// NewMMD prepares tests against the reference, which has at least one row and is not kept; all rows are of one length. With n rows
// of the reference and m of a window an MMD takes 4·(n+m)² bytes: 4 MB for 500 and 500.
func NewMMD(reference [][]float32) *MMD {
	t := &MMD{mean: means(reference), scale: 1}
	t.reference = t.points(reference)
	n := t.reference.n
	t.resize(0)
	t.exponents(0, 0, t.reference, t.reference)
	if median := t.median(); median > 0 {
		t.scale = float32(math.Sqrt(2 / median))
		t.reference = t.points(reference)
		for i := range t.kernel {
			t.kernel[i] *= t.scale * t.scale
		}
	}
	for i := range n {
		t.gaussian(i, i+1)
	}
	t.inner = slices.Clone(t.sums)
	return t
}

// median is that of the squared distances between different rows of the reference, of which the kernel has -1/2 of each; of an even
// number the lower of the two in the middle.
func (t *MMD) median() float64 {
	var exponents []float32
	for i := range t.reference.n {
		exponents = append(exponents, t.kernel[i*t.stride+i+1:(i+1)*t.stride]...)
	}
	if len(exponents) == 0 {
		return 0
	}
	slices.Sort(exponents) // from the farthest pair
	return -2 * float64(exponents[len(exponents)/2])
}

// Bandwidth is σ of the kernel, in the unit of the rows.
func (t *MMD) Bandwidth() float64 { return 1 / float64(t.scale) }

// Test compares a window with the reference. mmd2 is the unbiased estimate of the squared discrepancy, which without drift is below
// 0 about as often as above. p is the share of random divisions of all rows into groups of the same sizes that differ as much, this
// one counted in: never below 1/(1+permutations). Once it is certain to be 0.1 or more the permutations end, and p is the
// share up to there: Besag and Clifford 1991, "Sequential Monte Carlo p-values". Most tests without drift end so.
// The seed decides about the permutations. Below two rows on either side there is nothing to compare: mmd2 is 0 and p is 1.
func (t *MMD) Test(window [][]float32, permutations int, seed uint64) (mmd2, p float64) {
	n, m := t.reference.n, len(window)
	if n < 2 || m < 2 {
		return 0, 1
	}
	t.add(window)
	d := newDivision(t, n, m)
	mmd2 = d.statistics([][]uint16{d.actual()})[0]
	return mmd2, d.pValue(mmd2, permutations, seed)
}

// add computes the part of the kernel that the window has to do with.
func (t *MMD) add(window [][]float32) {
	n, w := t.reference.n, t.points(window)
	t.resize(w.n)
	copy(t.sums, t.inner)
	clear(t.sums[n:])
	t.exponents(0, n, t.reference, w)
	t.exponents(n, n, w, w)
	for i := range t.stride {
		t.gaussian(i, max(i+1, n))
	}
}

// resize makes room for a window of m rows.
func (t *MMD) resize(m int) {
	n := t.reference.n
	if n+m == t.stride {
		return
	}
	kernel := make([]float32, (n+m)*(n+m))
	if t.stride > 0 {
		for i := range n {
			copy(kernel[i*(n+m):], t.kernel[i*t.stride:i*t.stride+n])
		}
	}
	t.kernel, t.stride, t.sums, t.ones = kernel, n+m, make([]float32, n+m), make([]float32, n+m)
	for i := range t.ones {
		t.ones[i] = 1
	}
}

// gaussian turns the exponents of a row of the kernel, from a column on, into the kernel, and adds them to the sums.
func (t *MMD) gaussian(i, from int) {
	if row := t.kernel[i*t.stride+from : (i+1)*t.stride]; len(row) > 0 {
		exp32(row)
		blas32.Axpy(1, vector(row), vector(t.sums[from:]))
		t.sums[i] += blas32.Dot(vector(row), vector(t.ones[from:]))
	}
}
