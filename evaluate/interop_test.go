//go:build interop

package evaluate_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropScikitLearn: every figure that scikit-learn or scipy has, too, is theirs.
func TestInteropScikitLearn(t *testing.T) {
	python := interop.Python(t, "statistics")
	answers, logits := draw(4000, 1.7)
	check(t, python, answers, logits)
	check(t, python, rounded(answers), logits) // many probabilities are equal
}

func check(t *testing.T, python string, a evaluate.Answers, logits [][]float32) {
	t.Helper()
	in, err := json.Marshal(map[string]any{"truth": a.Truth, "probabilities": a.Probabilities, "logits": logits})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "answers.json")
	require.NoError(t, os.WriteFile(file, in, 0o644))
	var want map[string]any
	require.NoError(t, json.Unmarshal([]byte(interop.Run(t, python, "testdata/referee.py", file)), &want))

	r := evaluate.Measure(a)
	roc, pr := evaluate.Curves(a)
	temperature, before, after := evaluate.FitTemperature(logits, a.Truth)
	got := map[string]any{
		"accuracy": r.Accuracy, "balanced_accuracy": r.BalancedAccuracy, "top_5": r.Top5Accuracy,
		"macro":    []float64{r.Macro.Precision, r.Macro.Recall, r.Macro.F1},
		"weighted": []float64{r.Weighted.Precision, r.Weighted.Recall, r.Weighted.F1},
		"log_loss": r.LogLoss, "brier": r.BrierScore, "ece": r.ECE, "adaptive_ece": r.AdaptiveECE,
		"roc_auc": areas(roc.PerClass), "average_precision": areas(pr.PerClass),
		"roc_macro": roc.Macro.Area, "roc_micro": roc.Micro.Area,
		"ap_macro": pr.Macro.Area, "ap_micro": pr.Micro.Area,
		"temperature": temperature, "nll_before": before.LogLoss, "nll_after": after.LogLoss,
		"confusion": r.Confusion,
	}
	var precision, recall, f1, binned, hit []float64
	for _, c := range r.PerClass {
		precision, recall, f1 = append(precision, c.Precision), append(recall, c.Recall), append(f1, c.F1)
	}
	for _, b := range r.Calibration.Bins {
		if b.N > 0 {
			binned, hit = append(binned, b.Confidence), append(hit, b.Accuracy)
		}
	}
	got["per_class"] = [][]float64{precision, recall, f1}
	got["calibration_curve"] = [][]float64{hit, binned}
	require.Equal(t, len(want), len(got))
	for name, value := range want {
		close(t, name, value, got[name])
	}
}

// close compares values of any nesting, number by number.
func close(t *testing.T, name string, want, got any) {
	t.Helper()
	flatGot, err := json.Marshal(got)
	require.NoError(t, err, name)
	var same any
	require.NoError(t, json.Unmarshal(flatGot, &same))
	var walk func(want, got any)
	walk = func(want, got any) {
		list, ok := want.([]any)
		if !ok {
			assert.InDelta(t, want, got, 2e-6, name)
			return
		}
		require.Len(t, got, len(list), name)
		for i := range list {
			walk(list[i], got.([]any)[i])
		}
	}
	walk(want, same)
}

func areas(curves []evaluate.Curve) []float64 {
	out := []float64{}
	for _, c := range curves {
		if !math.IsNaN(c.Area) {
			out = append(out, c.Area)
		}
	}
	return out
}

// rounded makes ties: probabilities in steps of a thirty-second, which no bin's
// edge falls on but 0 and 1, with a grain on the answer so that it stays the only
// one.
func rounded(a evaluate.Answers) evaluate.Answers {
	rng := rand.New(rand.NewPCG(1, 2))
	out := evaluate.Answers{Labels: a.Labels, Truth: a.Truth}
	for _, row := range a.Probabilities {
		p, best, rest := make([]float32, len(row)), 0, float32(1)
		for j, q := range row {
			p[j] = float32(math.Floor(float64(q)*16)) / 32
			if q > row[best] {
				best = j
			}
			rest -= p[j]
		}
		p[best] += rest * float32(0.999-0.0001*float64(rng.IntN(3)))
		p[(best+1)%len(p)] += 1 - total(p)
		out.Probabilities = append(out.Probabilities, p)
	}
	return out
}

func total(p []float32) (sum float32) {
	for _, q := range p {
		sum += q
	}
	return sum
}
