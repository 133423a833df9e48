package predlog

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// windowFrom is a window of ten answers.
func windowFrom(first int64) Window {
	from := time.UnixMilli(1_800_000_000_000 + 1000*first).UTC()
	return Window{
		Model: "pets", Version: "1", From: from, Until: from.Add(9 * time.Second), First: first, Last: first + 9, Answers: 10,
		Result: json.RawMessage(`{"first":` + strconv.FormatInt(first, 10) + `}`),
	}
}

func TestWindows(t *testing.T) {
	onEach(t, testWindows)
}

func testWindows(t *testing.T, cfg Config) {
	l, other := open(t, cfg), open(t, cfg)
	if _, err := l.AddWindow(t.Context(), windowFrom(1)); err == nil {
		t.Error("a window of a model that has answered nothing was stored")
	}
	l.Record(answerTo(0))
	var want []Window
	for i := range int64(5) {
		w := windowFrom(10*i + 1)
		if added, err := l.AddWindow(t.Context(), w); !added || err != nil {
			t.Fatal(added, err)
		}
		w.ID = one[int64](t, cfg, "SELECT max(id) FROM windows")
		want = append(want, w)
	}
	again := windowFrom(11)
	again.Result = json.RawMessage(`"another"`)
	if added, err := other.AddWindow(t.Context(), again); added || err != nil {
		t.Errorf("of a window that another process has tested: %v, %v", added, err)
	}
	if _, err := l.AddWindow(t.Context(), Window{Model: "pets", Version: "1", Result: json.RawMessage("{")}); err == nil {
		t.Error("a result that is no JSON was stored")
	}

	r := reader(t, cfg)
	f := func(by Filter, newest int, want ...Window) {
		t.Helper()
		if got, err := r.Windows(t.Context(), by, newest); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	f(Filter{}, 0, want...)
	f(Filter{Model: "pets", Version: "1"}, 2, want[3:]...)
	f(Filter{Version: "2"}, 0)
	f(Filter{Since: want[3].Until}, 0, want[3:]...)
	f(Filter{Until: want[2].From}, 0, want[:2]...)
	f(Filter{After: want[1].Last}, 0, want[2:]...)
}

// TestWindowsAge: windows go when answers of their time do.
func TestWindowsAge(t *testing.T) {
	f := aged(t, 0)
	for _, hours := range []time.Duration{-200, -1} {
		w := windowFrom(int64(300 + hours))
		w.From, w.Until = longAgo.Add(hours*time.Hour-time.Hour), longAgo.Add(hours*time.Hour)
		if added, err := f.addWindow(t.Context(), &w); !added || err != nil {
			t.Fatal(added, err)
		}
	}
	var c clock
	if n, _, err := f.retain(&c, longAgo, week, 0); n != 0 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
	var n int
	if err := f.conn.QueryRowContext(t.Context(), "SELECT count(*) FROM windows").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d windows are left, %v; want 1", n, err)
	}
}

// TestScore: answers are scored before they are stored, and a scorer that panics costs its scores alone.
func TestScore(t *testing.T) {
	dir := t.TempDir()
	scored := 0
	var r reports
	l := open(t, Config{Dir: dir, Interval: time.Hour, Report: r.add, Score: func(a *monitor.Answer) float32 {
		if scored++; scored == 4 {
			panic("it cannot")
		}
		return float32(scored)
	}})
	for n := range 6 {
		l.Record(answerTo(n))
	}
	mustClose(t, l)
	var got []float32
	for _, s := range read(t, dir) {
		got = append(got, s.OOD)
	}
	if len(got) != 6 || got[0] != 1 || got[2] != 3 || !math.IsNaN(float64(got[3])) || got[4] != 4.0/16 || scored != 4 {
		t.Errorf("scores are %v after %d calls", got, scored)
	}
	if !r.has("it cannot") {
		t.Errorf("the operator was told %q", r.lines)
	}
}

// TestShadowsAreLeftOut: of a shadow's answer nobody hears who does not ask for it, and a label is never for it.
func TestShadowsAreLeftOut(t *testing.T) {
	onEach(t, testShadowsAreLeftOut)
}

func testShadowsAreLeftOut(t *testing.T, cfg Config) {
	l := open(t, cfg)
	l.Record(answerTo(0))
	shadow := answerTo(0) // stored later, so of two with one id it would be the last
	shadow.Shadow, shadow.Version = true, "2"
	l.Record(shadow)
	if v := label(t, l, "r0", "dog"); v.Version != "1" {
		t.Errorf("the label went to version %s", v.Version)
	}
	mustClose(t, l)
	if all := readAll(t, cfg); len(all) != 1 || all[0].Version != "1" || all[0].TrueClass != 1 {
		t.Errorf("got %+v", all)
	}
	r := reader(t, cfg)
	var versions []string
	err := r.Each(t.Context(), Filter{Shadows: true}, false, func(s *Stored) error {
		versions = append(versions, s.Version+strconv.FormatBool(s.Shadow))
		return nil
	})
	if err != nil || !reflect.DeepEqual(versions, []string{"1false", "2true"}) {
		t.Errorf("got %q, %v", versions, err)
	}
	if models, _, err := r.Summary(t.Context()); err != nil || len(models) != 1 {
		t.Errorf("the summary has %+v, %v", models, err)
	}
	if n := one[int](t, cfg, "SELECT count(*) FROM answers"); n != 1 {
		t.Errorf("the view has %d answers", n)
	}
}
