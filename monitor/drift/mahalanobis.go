package drift

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"
)

// maxDims bounds the values of a row that a Mahalanobis scores: so many are whitened on the stack.
const maxDims = 1024

// Mahalanobis scores how far a row lies from all classes: Lee et al. 2018, https://arxiv.org/abs/1807.03888. Classes are normal
// distributions with means of their own and one covariance, that of rows around the mean of their class, shrunk towards a multiple of
// the identity as far as Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices", find best.
// Its fields may be stored and read back; once set they are only read, and any number of goroutines may call Score.
type Mahalanobis struct {
	Dims      int       `json:"dims"`
	Classes   []int     `json:"classes"`   // those with rows, ascending
	Means     []float32 `json:"means"`     // len(Classes)×Dims, whitened
	Whitening []float32 `json:"whitening"` // Dims×Dims, row-major, lower triangular: Whitening × covariance × Whiteningᵀ = identity
	Shrinkage float64   `json:"shrinkage"` // 0: the rows' own covariance, 1: their variances alone
}

// FitMahalanobis takes rows of one length, 1,024 values at most, and their classes, 0 to n-1. The error says what is wrong with them.
func FitMahalanobis(rows [][]float32, classes []int, n int) (*Mahalanobis, error) {
	size, err := checkRows(rows, 2)
	if err != nil {
		return nil, fmt.Errorf("cannot fit distances to classes: %w", err)
	}
	if size > maxDims {
		return nil, fmt.Errorf("cannot fit distances to classes: a row has %d values; project them to %d or fewer", size, maxDims)
	}
	if len(classes) != len(rows) {
		return nil, fmt.Errorf("cannot fit distances to classes: there are %d classes for %d rows", len(classes), len(rows))
	}
	members := make([][][]float32, n)
	for i, c := range classes {
		if c < 0 || c >= n {
			return nil, fmt.Errorf("cannot fit distances to classes: row %d is of class %d; there are %d", i, c, n)
		}
		members[c] = append(members[c], rows[i])
	}
	centres := make([][]float32, n)
	m := &Mahalanobis{Dims: size, Whitening: make([]float32, size*size)}
	for c, rows := range members {
		if len(rows) > 0 {
			m.Classes, centres[c] = append(m.Classes, c), means(rows)
		}
	}
	centre := func(i int) []float32 { return centres[classes[i]] }
	covariance := scatter(rows, centre)
	scales := unitScales(covariance)
	m.Shrinkage = shrink(covariance, scales, rows, centre)
	if err := m.whiten(covariance, scales); err != nil {
		return nil, err
	}
	for _, c := range m.Classes {
		m.Means = append(m.Means, make([]float32, size)...)
		m.white(m.Means[len(m.Means)-size:], centres[c])
	}
	return m, nil
}

// unitScales make the variances 1. One of less than a millionth of their mean, as of a value that never changed, counts as that much.
func unitScales(s *mat.SymDense) []float64 {
	scales := make([]float64, s.SymmetricDim())
	least := mat.Trace(s) / float64(len(scales)) * 1e-6
	for k := range scales {
		if v := max(s.At(k, k), least); v > 0 {
			scales[k] = 1 / math.Sqrt(v)
		}
	}
	return scales
}

// shrink scales a covariance, mixes it with the identity times its mean variance, and returns the share of the latter.
func shrink(s *mat.SymDense, scales []float64, rows [][]float32, centre func(i int) []float32) float64 {
	n, dims := float64(len(rows)), float64(len(scales))
	var trace, squares, fourth float64
	for i, a := range scales {
		for j, b := range scales {
			v := s.At(i, j) * a * b
			squares += v * v
			if i == j {
				trace += v
			}
		}
	}
	for i, row := range rows {
		norm := 0.0
		for k, c := range centre(i) {
			v := (float64(row[k]) - float64(c)) * scales[k]
			norm += v * v
		}
		fourth += norm * norm
	}
	mean := trace / dims
	noise := (fourth/n - squares) / (dims * n) // of the covariance's entries
	distance := squares/dims - mean*mean       // from the identity
	share := 1.0
	if noise < distance {
		share = max(noise, 0) / distance
	}
	for i := range scales {
		for j := i; j < len(scales); j++ {
			v := (1 - share) * s.At(i, j) * scales[i] * scales[j]
			if i == j {
				v += share * mean
			}
			s.SetSym(i, j, v)
		}
	}
	return share
}

// whiten takes the inverse of the Cholesky factor of the scaled covariance.
func (m *Mahalanobis) whiten(scaled *mat.SymDense, scales []float64) error {
	var cholesky mat.Cholesky
	var lower, inverse mat.TriDense
	if cholesky.Factorize(scaled) {
		cholesky.LTo(&lower)
		if inverse.InverseTri(&lower) == nil {
			for i := range m.Dims {
				for j := range i + 1 {
					m.Whitening[i*m.Dims+j] = float32(inverse.At(i, j) * scales[j])
				}
			}
			return nil
		}
	}
	return fmt.Errorf("cannot fit distances to classes: rows do not differ from the mean of their class in all %d directions; "+
		"project them to fewer, or take more rows", m.Dims)
}

// white is Whitening × x.
func (m *Mahalanobis) white(dst, x []float32) {
	for k := range dst {
		dst[k] = blas32.Dot(vector(m.Whitening[k*m.Dims:k*m.Dims+k+1]), vector(x[:k+1]))
	}
}

// Score is the least squared Mahalanobis distance of a row of Dims values to the mean of a class. Of a row like those of the fit it
// is about Dims; there is no upper bound. It allocates nothing.
func (m *Mahalanobis) Score(x []float32) float32 {
	if len(x) != m.Dims {
		panic("BUG: a row of another length is scored")
	}
	var room [maxDims]float32
	z := room[:m.Dims]
	m.white(z, x)
	least := float32(math.Inf(1))
	for k := 0; k < len(m.Means); k += m.Dims {
		least = min(least, within(z, m.Means[k:k+m.Dims], least))
	}
	return least
}

// within is the squared distance of x and y, or some value above most once it is known to be.
func within(x, y []float32, most float32) float32 {
	const piece = 16
	sum := float32(0)
	for len(x) > piece && sum <= most {
		sum += squaredDistance(x[:piece], y[:piece])
		x, y = x[piece:], y[piece:]
	}
	return sum + squaredDistance(x, y)
}
