package report

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/accuracy"
	"github.com/torchlit/torchlit/monitor/detector"
)

// drifting is a comparison of so many windows, of which the last few drift.
func drifting(windows, drifted int) Drift {
	rng := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	d := Drift{
		Model: "cifar10 version 1", Images: "predictions, <b>the last day</b>", Created: start.Add(24 * time.Hour),
		Reference: DriftReference{"cifar10 test", 10000, 0.953}, InRow: 3, Alpha: 0.05, Alarm: detector.Alarm{Raised: drifted >= 3},
		Facts: []Facts{{"Reference", []Fact{{"images", "10,000"}}}}, Command: []string{"torchlit", "drift", "--dir", "a b"},
	}
	for i := range windows {
		far := 0.0
		if i >= windows-drifted {
			far = 1
		}
		test := func(name string, calm, wide float64, part string) detector.Test {
			p := 0.1 + 0.9*rng.Float64()
			if far > 0 {
				p = 0.00002 + 0.003*rng.Float64()
			}
			return detector.Test{Detector: name, Score: calm + far*wide, P: p / 6, Adjusted: p, Drifted: far > 0, Part: part}
		}
		strange := 0.01 + 0.3*far
		e := 0.95 - 0.15*far
		r := &detector.Result{
			From: start.Add(time.Duration(i) * time.Hour), Until: start.Add(time.Duration(i+1) * time.Hour), Answers: 500, Drifted: far > 0, Detector: detector.BBSD, P: 0.4 - 0.399*far,
			Tests: []detector.Test{test(detector.BBSD, 0.04, 0.4, "cat"), test(detector.MMD, 0.0003, 0.05, ""), test(detector.Classifier, 0.51, 0.4, ""), test(detector.OOD, 0.05, 0.5, ""),
				test(detector.Properties, 0.02, 1.5, "brightness"), {Detector: detector.Classes, P: 1, Adjusted: 1, Skipped: "it is ignored"}},
			Estimate: accuracy.Estimate{N: 500, Accuracy: e, Low: e - 0.02 - 0.05*far, High: e + 0.02 + 0.05*far, Unsure: far > 0},
			Strange:  &strange,
			Properties: []detector.Moved{{Property: "brightness", Reference: 0.47, Window: 0.47 - 0.3*far, PSI: 0.02 + 1.5*far, P: 1 - 0.99999*far, Known: 500},
				{Property: "sharpness", Reference: 0.012, Window: 0.011, PSI: 0.03, P: 0.5, Known: 500}, {Property: "aspect", P: 1}},
		}
		for c := range 14 {
			r.Classes = append(r.Classes, detector.ClassShare{Label: fmt.Sprintf("class <%d> with a long name", c), Reference: 0.07, Window: 0.07 + far*float64(7-c)/100, KS: 0.3})
		}
		d.Windows = append(d.Windows, r)
	}
	normal := func(n int, mean float64) (out []float64) {
		for range n {
			out = append(out, mean+0.1*rng.NormFloat64())
		}
		return out
	}
	d.Properties = []DriftProperty{{"brightness", normal(2000, 0.47), normal(500, 0.2)}, {"sharpness", normal(2000, 1), normal(500, 1)}, {"size", []float64{32, 32}, []float64{32}}, {Name: "aspect"}}
	for range 400 {
		d.ReferencePoints = append(d.ReferencePoints, [2]float64{3 * rng.NormFloat64(), 2 * rng.NormFloat64()})
		d.WindowPoints = append(d.WindowPoints, [2]float64{3*rng.NormFloat64() + 4, rng.NormFloat64() - 2})
	}
	d.Strangest = []DriftImage{{"order-7", "cat", 0.41, 91.2, []byte("\x89PNG…")}, {"order-8", "dog", 0.9999, 80, nil}}
	return d
}

func TestDriftReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports", "drift")
	require.NoError(t, WriteDrift(dir, drifting(12, 4)))
	data, err := os.ReadFile(filepath.Join(dir, "index.html"))
	require.NoError(t, err)
	page := string(data)
	for _, says := range []string{
		"<h1>These images no longer look like the reference</h1>", "<dd>raised</dd>", "4 of 12 windows drifted; by chance 0.6 would", "<dd>80.0 %</dd>",
		"unsure: 73.0 to 87.0\u00a0%", "how sure it is of each class, most of all the class &#34;cat&#34;", "brightness (median 0.170, was 0.470)", "cannot be told without labels",
		"&lt;b&gt;the last day", "not made: it is ignored", "torchlit drift --dir &#39;a b&#39;", `src="data:image/png;base64,`, "no picture", "&gt; 99.9 %", "<strong>brightness (0 black, 1 white)</strong>", "not known",
	} {
		assert.Contains(t, page, says)
	}
	assert.Equal(t, 8, strings.Count(page, `<svg class="figure"`)) // p, over time, accuracy, classes, embeddings, three properties
	assert.NotRegexp(t, regexp.MustCompile(`(?:src|href)="(?:https?:)?//`), page, "the page loads something")
	assert.NotContains(t, page, "NaN")
	wellFormed(t, page)
	files, err := filepath.Glob(filepath.Join(dir, "figures", "*.png"))
	require.NoError(t, err)
	assert.Len(t, files, 8)
	var windows []detector.Result
	data, err = os.ReadFile(filepath.Join(dir, "windows.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &windows))
	require.Len(t, windows, 12)
	assert.True(t, windows[11].Drifted)
}

// TestDriftWords: every test and every property has words for people.
func TestDriftWords(t *testing.T) {
	for _, name := range detector.Names {
		assert.NotEmpty(t, testWords[name].name, name)
		assert.NotEmpty(t, testWords[name].about, name)
	}
	for _, name := range monitor.PropertyNames {
		assert.NotEmpty(t, propertyWords[name], name)
	}
}

// TestDriftVerdicts: the headline is no louder than the results, and what is not at hand leaves no gap.
func TestDriftVerdicts(t *testing.T) {
	f := func(d Drift, headline, finding string, figures int) {
		t.Helper()
		d.Properties, d.ReferencePoints, d.Strangest = nil, nil, nil
		page, err := d.render()
		require.NoError(t, err)
		text := strings.ReplaceAll(string(page), "\u00a0", " ")
		assert.Contains(t, text, "<h1>"+headline+"</h1>")
		assert.Contains(t, text, finding)
		assert.NotContains(t, text, "strangest images")
		assert.Equal(t, figures, strings.Count(text, `<svg class="figure"`))
		wellFormed(t, text)
	}
	f(drifting(1, 0), "These images look like the reference", "0 of 1 window drifted; by chance 0.05 would", 3)
	f(drifting(200, 0), "These images look like the reference", "0 of 200 windows drifted; by chance 10 would", 4)
	f(drifting(1, 1), "These images may no longer look like the reference", "An alarm takes 3 in a row", 3)
	f(drifting(9, 2), "The newest images differ from the reference, but it is too early for an alarm", "2 of 9 windows", 4)
	low := drifting(3, 3)
	for _, r := range low.Windows {
		r.Estimate.Unsure, r.Strange, r.Properties = false, nil, nil
	}
	f(low, "These images no longer look like the reference", "clearly less often than on the reference", 4)
	f(low, "These images no longer look like the reference", "look at what is on them", 4)
	require.ErrorContains(t, WriteDrift(t.TempDir(), Drift{}), "no window")
}
