package accuracy

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fitted is a validation set and where to ask the map of it.
type fitted struct {
	Score   []float64 `json:"score"`
	Correct []bool    `json:"correct"`
	At      []float64 `json:"at"`
}

// answer is what testdata/referee.py says of one.
type answer struct {
	Knots  [2][]float64 `json:"knots"` // scores, probabilities
	Values []float64    `json:"values"`
}

// TestGoldens: scikit-learn's maps in testdata/goldens.json, which goldens.py beside it wrote.
func TestGoldens(t *testing.T) {
	text, err := os.ReadFile("testdata/goldens.json")
	require.NoError(t, err)
	var goldens struct {
		Cases   []fitted
		Answers []answer
	}
	require.NoError(t, json.Unmarshal(text, &goldens))
	judge(t, goldens.Cases, goldens.Answers)
}

func judge(t *testing.T, cases []fitted, want []answer) {
	t.Helper()
	require.Len(t, want, len(cases))
	for i, c := range cases {
		m := stored(t, FitIsotonic(c.Score, c.Correct))
		var scores, shares, values []float64
		for _, b := range m.Blocks {
			scores, shares = append(scores, b.Low), append(shares, b.share())
			if b.High > b.Low {
				scores, shares = append(scores, b.High), append(shares, b.share())
			}
		}
		for _, s := range c.At {
			values = append(values, m.At(s))
		}
		assert.InDeltaSlice(t, want[i].Knots[0], scores, 1e-12, "case %d", i)
		assert.InDeltaSlice(t, want[i].Knots[1], shares, 1e-9, "case %d", i)
		assert.InDeltaSlice(t, want[i].Values, values, 1e-9, "case %d", i)
	}
}

// stored is a map as it is read back from a file.
func stored(t *testing.T, m *Isotonic) *Isotonic {
	t.Helper()
	text, err := json.Marshal(m)
	require.NoError(t, err)
	back := new(Isotonic)
	require.NoError(t, json.Unmarshal(text, back))
	require.Equal(t, m, back)
	return back
}

func TestIsotonic(t *testing.T) {
	nan := math.NaN()
	m := FitIsotonic([]float64{0.5, nan, 0.9, 0.7, 0.5}, []bool{true, true, true, false, false})
	assert.Equal(t, []Block{{0.5, 0.7, 3, 1}, {0.9, 0.9, 1, 1}}, m.Blocks)
	for score, want := range map[float64]float64{math.Inf(-1): 1.0 / 3, 0.6: 1.0 / 3, 0.7: 1.0 / 3, 0.8: 2.0 / 3, 0.9: 1, 2: 1} {
		assert.InDelta(t, want, m.At(score), 1e-9, "%v", score)
	}
	assert.True(t, math.IsNaN(m.At(nan)))
	assert.Equal(t, 0.3, FitIsotonic(nil, nil).At(0.3))
	assert.Panics(t, func() { FitIsotonic([]float64{1}, nil) })
}

// traffic draws answers of a model that is less often right than it says.
func traffic(rng *rand.Rand, n int) (score []float64, correct []bool) {
	for range n {
		logit := 1.5 + 2*rng.NormFloat64()
		score = append(score, 1/(1+math.Exp(-logit)))
		correct = append(correct, rng.Float64() < 1/(1+math.Exp(0.5-0.6*logit)))
	}
	return score, correct
}

func share(correct []bool) float64 {
	right := 0.0
	for _, c := range correct {
		if c {
			right++
		}
	}
	return right / float64(len(correct))
}

// TestBand: without a shift the band of 95 % holds the true accuracy in 95 of 100 windows: of 400 in 380, and in 366 but for one case in
// 1,000. A small validation set costs some of that. Nor is the band much wider than it must be.
func TestBand(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, size := range []struct{ validation, window int }{{5000, 500}, {1000, 500}, {300, 2000}} {
		inside := 0
		for range 400 {
			m := FitIsotonic(traffic(rng, size.validation))
			scores, correct := traffic(rng, size.window)
			e := m.Estimate(scores, 0)
			require.Equal(t, size.window, e.N)
			if truth := share(correct); e.Low <= truth && truth <= e.High {
				inside++
			}
		}
		t.Logf("%d of 400 for %+v", inside, size)
		assert.GreaterOrEqual(t, inside, 366, "%+v", size)
		assert.Less(t, inside, 397, "%+v", size)
	}
}

// TestMixChanges: the model is right less often on a window of harder images, and the estimate follows.
func TestMixChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 0))
	m := FitIsotonic(traffic(rng, 5000))
	var scores []float64
	var correct []bool
	for len(scores) < 1000 {
		s, c := traffic(rng, 1)
		if s[0] < 0.6 || rng.Float64() < 0.2 {
			scores, correct = append(scores, s...), append(correct, c...)
		}
	}
	_, usual := traffic(rng, 1000)
	e := m.Estimate(scores, 0)
	assert.Less(t, share(correct), share(usual)-0.1)
	assert.InDelta(t, share(correct), e.Accuracy, 0.04)
	assert.True(t, e.Low <= share(correct) && share(correct) <= e.High)
}

// TestShift: a model that is sure of images it knows nothing about is estimated wrongly; with the share of such images told, the
// band holds the truth, and is flagged.
func TestShift(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	m := FitIsotonic(traffic(rng, 5000))
	scores, correct := traffic(rng, 400)
	for range 100 {
		scores, correct = append(scores, 0.99), append(correct, rng.IntN(10) == 0)
	}
	truth := share(correct)
	plain := m.Estimate(scores, 0)
	assert.Greater(t, plain.Low, truth)
	assert.False(t, plain.Unsure)
	told := m.Estimate(scores, 0.2)
	assert.Equal(t, plain.Accuracy, told.Accuracy)
	assert.True(t, told.Unsure && told.Low <= truth && truth <= told.High)
	assert.InDelta(t, plain.High-plain.Low, (told.High-told.Low-0.2)/0.8, 1e-9)
	for _, far := range []float64{1, 7} {
		e := m.Estimate(scores, far)
		assert.Equal(t, []float64{0, 1}, []float64{e.Low, e.High})
	}
	assert.Equal(t, plain, m.Estimate(scores, -1))
}

func TestNothing(t *testing.T) {
	nothing := Estimate{High: 1, Unsure: true}
	m := FitIsotonic([]float64{0.5, 0.8}, []bool{false, true})
	assert.Equal(t, nothing, m.Estimate(nil, 0))
	assert.Equal(t, nothing, m.Estimate([]float64{math.NaN()}, 0))
	assert.Equal(t, nothing, FitIsotonic(nil, nil).Estimate([]float64{0.7}, 0))
	one := m.Estimate([]float64{0.8}, 0)
	assert.True(t, one.Unsure, "two answers are no validation set")
	assert.Equal(t, 1.0, one.Accuracy)
}
