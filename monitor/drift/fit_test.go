package drift

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stored is a value as it is read back from a file.
func stored[T any](t *testing.T, v *T) *T {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	back := new(T)
	require.NoError(t, json.Unmarshal(text, back))
	return back
}

func TestProjection(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	rows := normal(rng, 300, 64, 3)
	for _, row := range rows { // the last coordinate varies most, the first are one
		row[63] *= 10
		row[0] = row[1]
	}
	fitted, err := FitProjection(rows, 8)
	require.NoError(t, err)
	p := stored(t, fitted)
	assert.InDelta(t, 1, p.Components[63], 0.01)

	x := p.Apply(nil, rows[7])
	require.Len(t, x, 9)
	norm := float32(0)
	for _, v := range x {
		norm += v * v
	}
	assert.InDelta(t, 1, norm/squaredDistance(rows[7], p.Mean), 1e-5, "projected and rest are all there is")
	odd := normal(rng, 1, 64, 3)[0]
	odd[0] += 30 // rows never differ so
	odd[1] -= 30
	assert.Greater(t, p.Apply(nil, odd)[8], 4*x[8])

	dst := make([]float32, 0, 9)
	assert.Zero(t, testing.AllocsPerRun(100, func() { dst = p.Apply(dst[:0], odd) }))
	assert.Panics(t, func() { p.Apply(nil, odd[1:]) })

	f := func(rows [][]float32, dims int, want string) {
		t.Helper()
		_, err := FitProjection(rows, dims)
		assert.ErrorContains(t, err, want)
	}
	f(rows[:1], 1, "there are 1 rows; it takes 2 at least")
	f([][]float32{{1, 2}, {1}}, 1, "row 1 has 1 values and row 0 has 2")
	f([][]float32{{1, 2}, {1, float32(math.NaN())}}, 1, "value 1 of row 1 is NaN")
	f(rows, 65, "ask for 1 to 64")
	f(rows, 0, "ask for 1 to 64")
	f(rows[:9], 9, "ask for 1 to 8")
}

func TestMahalanobis(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 0))
	var rows [][]float32
	var classes []int
	for i, row := range normal(rng, 900, 33, 0) {
		c := []int{0, 2, 5}[i%3]
		row[c] += 8
		row[7] *= 100 // counts no more than the others
		rows, classes = append(rows, row), append(classes, c)
	}
	fitted, err := FitMahalanobis(rows, classes, 7)
	require.NoError(t, err)
	m := stored(t, fitted)
	assert.Equal(t, []int{0, 2, 5}, m.Classes)

	mean := 0.0
	for _, row := range rows {
		mean += float64(m.Score(row)) / float64(len(rows))
	}
	assert.InDelta(t, 33, mean, 2, "of one's own rows it is about their number of values")
	between := normal(rng, 1, 33, 0)[0]
	between[0], between[2] = 30, 30
	assert.Greater(t, m.Score(between), float32(300))
	assert.Zero(t, testing.AllocsPerRun(100, func() { m.Score(between) }))
	assert.Panics(t, func() { m.Score(between[1:]) })

	f := func(rows [][]float32, classes []int, want string) {
		t.Helper()
		_, err := FitMahalanobis(rows, classes, 7)
		assert.ErrorContains(t, err, want)
	}
	f(rows, classes[1:], "899 classes for 900 rows")
	f(rows[:3], []int{0, 7, 1}, "row 1 is of class 7; there are 7")
	f([][]float32{{1, 2}, {1, 2}}, []int{0, 0}, "do not differ from the mean of their class in all 2 directions")
	f(make([][]float32, 3), []int{0, 0, 0}, "row 0 has 0 values")
	f(normal(rng, 2, 1025, 0), []int{0, 0}, "project them to 1024 or fewer")
}
