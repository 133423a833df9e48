package detector

import (
	"encoding/json"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/monitortest"
	"github.com/torchlit/torchlit/monitor/reference"
)

func open(tb testing.TB, w monitortest.World, o Options) *Detector {
	tb.Helper()
	answers, truth := w.Answers(3000, 1)
	r, err := reference.Build(answers, truth, reference.Options{Dims: 8})
	require.NoError(tb, err)
	return New(r, o)
}

func mustTest(tb testing.TB, d *Detector, w monitortest.World, n int, seed uint64) *Result {
	tb.Helper()
	answers, _ := w.Answers(n, seed)
	r, err := d.Test(answers)
	require.NoError(tb, err)
	return r
}

// TestChance: of windows like the reference no more drift than chance lets, over all tests together. With probability 0.998 a coin that falls
// so once in twenty throws falls so at most 20 times in 200.
func TestChance(t *testing.T) {
	d := open(t, monitortest.World{}, Options{})
	drifted := 0
	for seed := range uint64(200) {
		if mustTest(t, d, monitortest.World{}, 300, 100+seed).Drifted {
			drifted++
		}
	}
	assert.LessOrEqual(t, drifted, 20)
	t.Logf("%d of 200 windows drifted by chance", drifted)
}

// TestEachTestSeesItsOwn: for each kind of change the test that is made for it.
func TestEachTestSeesItsOwn(t *testing.T) {
	d := open(t, monitortest.World{}, Options{})
	f := func(w monitortest.World, names ...string) *Result {
		t.Helper()
		r := mustTest(t, d, w, 500, 5)
		assert.True(t, r.Drifted)
		for _, name := range names {
			assert.True(t, r.Test(name).Drifted, "%s: %+v", name, r.Test(name))
		}
		return r
	}
	f(monitortest.World{Noise: 2}, BBSD, MMD, OOD)
	r := f(monitortest.World{Mix: [monitortest.Classes]float64{5, 1, 1, 1, 1}}, Classes, BBSD, MMD, Classifier)
	assert.Equal(t, "a", r.Test(Classes).Part)
	assert.False(t, r.Test(Properties).Drifted)
	f(monitortest.World{Foreign: 0.3}, OOD, MMD)
	r = f(monitortest.World{Look: func(m *monitor.Image) { m.Brightness += 0.08 }}, Properties)
	assert.Equal(t, "brightness", r.Test(Properties).Part)
	assert.Equal(t, "brightness", r.Properties[0].Property, "what moved furthest comes first")
	assert.False(t, r.Test(MMD).Drifted)
	r = f(monitortest.World{Look: func(m *monitor.Image) { m.Width, m.Height = m.Width*4, m.Height*4 }}, Properties)
	assert.Equal(t, "size", r.Test(Properties).Part)
	f(monitortest.World{Look: func(m *monitor.Image) { m.Width *= 2 }}, Properties)
}

// TestStrangeShare is of answers further out than 99 in 100 of the reference.
func TestStrangeShare(t *testing.T) {
	d := open(t, monitortest.World{}, Options{})
	assert.InDelta(t, 0.01, *mustTest(t, d, monitortest.World{}, 2000, 5).Strange, 0.01)
	assert.InDelta(t, 0.30, *mustTest(t, d, monitortest.World{Foreign: 0.3}, 2000, 5).Strange, 0.05)

	near, _ := monitortest.World{}.Answers(1, 9)
	assert.Less(t, float64(d.Score(near[0])), d.Strange())
	far, _ := monitortest.World{Foreign: 1}.Answers(1, 9)
	assert.Greater(t, float64(d.Score(far[0])), d.Strange())
	near[0].Embedding = near[0].Embedding[:3]
	assert.True(t, math.IsNaN(float64(d.Score(near[0]))), "an embedding of another length has no score")
}

// TestWithoutEmbeddings: a model that gives none is watched by what is left.
func TestWithoutEmbeddings(t *testing.T) {
	d := open(t, monitortest.World{Bare: true}, Options{})
	r := mustTest(t, d, monitortest.World{Bare: true, Noise: 2}, 500, 5)
	for _, name := range []string{MMD, Classifier, OOD} {
		assert.Equal(t, "the reference has no embeddings", r.Test(name).Skipped)
		assert.False(t, r.Test(name).Drifted)
	}
	assert.True(t, r.Test(BBSD).Drifted)
	assert.Nil(t, r.Strange)

	d = open(t, monitortest.World{}, Options{})
	r = mustTest(t, d, monitortest.World{Bare: true}, 500, 5)
	assert.Equal(t, "too few answers have an embedding", r.Test(MMD).Skipped)
}

// TestWhatIsNotKnown: properties of tensors are not, and neither count nor alarm.
func TestWhatIsNotKnown(t *testing.T) {
	d := open(t, monitortest.World{}, Options{})
	r := mustTest(t, d, monitortest.World{Look: func(m *monitor.Image) { *m = monitor.NoImage() }}, 500, 5)
	assert.Contains(t, r.Test(Properties).Skipped, "too few images")
	assert.False(t, r.Drifted)
	for _, m := range r.Properties {
		assert.Zero(t, m.Known)
	}
	text, err := json.Marshal(r)
	require.NoError(t, err, "NaN is no JSON")
	var back Result
	require.NoError(t, json.Unmarshal(text, &back))
	back.From, back.Until = r.From, r.Until
	assert.Equal(t, *r, back)
}

// TestIgnore leaves out tests and properties, by name.
func TestIgnore(t *testing.T) {
	brighter := monitortest.World{Look: func(m *monitor.Image) { m.Brightness += 0.2 }}
	d := open(t, monitortest.World{}, Options{Ignore: []string{"brightness"}})
	assert.False(t, mustTest(t, d, brighter, 500, 5).Drifted)
	d = open(t, monitortest.World{}, Options{Ignore: Names})
	r := mustTest(t, d, monitortest.World{Noise: 3}, 500, 5)
	assert.False(t, r.Drifted)
	assert.Equal(t, 1.0, r.P)

	o := Options{Ignore: []string{"colour"}}
	assert.ErrorContains(t, o.Validate(), `cannot ignore "colour"`)
	o = Options{Alpha: 1}
	assert.Error(t, o.Validate())
}

// TestTooFew: a window of which too few answers have all probabilities is no window.
func TestTooFew(t *testing.T) {
	d := open(t, monitortest.World{}, Options{})
	answers, _ := monitortest.World{}.Answers(300, 5)
	for _, a := range answers[:101] {
		a.Probabilities = nil
	}
	_, err := d.Test(answers)
	assert.ErrorContains(t, err, "cannot test 199 answers for drift: a window has at least 200")
}

// TestMany: a detector serves many at once, and says the same as alone.
func TestMany(t *testing.T) {
	d := open(t, monitortest.World{}, Options{})
	answers, _ := monitortest.World{Noise: 0.3}.Answers(300, 5)
	want, err := d.Test(answers)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := d.Test(answers)
			assert.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	wg.Wait()
}

func TestAlarm(t *testing.T) {
	var a Alarm
	var raised []int
	for i, drifted := range []bool{true, true, false, true, true, true, true, false, true, false, false, false, false} {
		if a.Step(drifted, monitortest.World{}.Start, 3) {
			raised = append(raised, i)
		}
		if i == 8 {
			assert.True(t, a.Raised)
		}
	}
	assert.Equal(t, []int{5, 11}, raised, "raised by the third in a row, cleared likewise")
	assert.False(t, a.Raised)
}

// TestOrder: the window's time is that of its earliest and latest answer, whatever their order.
func TestOrder(t *testing.T) {
	d := open(t, monitortest.World{}, Options{})
	answers, _ := monitortest.World{}.Answers(300, 5)
	first, last := answers[0].Time, answers[299].Time
	slices.Reverse(answers)
	r, err := d.Test(answers)
	require.NoError(t, err)
	assert.Equal(t, first, r.From)
	assert.Equal(t, last, r.Until)
}

func BenchmarkTest(b *testing.B) {
	d := open(b, monitortest.World{}, Options{})
	answers, _ := monitortest.World{}.Answers(500, 5)
	for b.Loop() {
		if _, err := d.Test(answers); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/500, "µs/answer")
}
