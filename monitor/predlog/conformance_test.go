package predlog

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// story is a log with something of all that it can hold: two versions with their classes in another order, shadows, lists, labels, windows, pictures,
// what is not known, and an id that was given twice.
func story(t *testing.T, cfg Config) {
	t.Helper()
	cfg.Pictures, cfg.Vectors, cfg.Interval = 1, 0.7, time.Hour
	l := open(t, cfg)
	at := func(n int) time.Time { return time.UnixMilli(1_800_000_000_000 + 1000*int64(n)) }
	for n := range 1200 { // more than two pages
		a := answerTo(n)
		a.Time = at(n)
		if n%5 == 0 {
			a.List = fmt.Sprintf("list%d", n/10)
		}
		if n%7 == 0 {
			a.Image, a.Embedding, a.OOD = monitor.NoImage(), nil, float32(math.NaN())
		}
		if n%300 == 0 {
			a.Picture = &monitor.Picture{Width: 2, Height: 1, Pixels: []byte{1, 2, 3, 4, 5, byte(n)}}
		}
		l.Record(a)
		if n%3 == 0 {
			s := answerTo(n)
			s.Time, s.Shadow, s.Version, s.Labels = a.Time.Add(time.Millisecond), true, "2", []string{"dog", "cat", "hamster"}
			if n%2 == 0 {
				s.Probabilities = []float32{0.25, 0.5, 0.25}
			}
			l.Record(s)
		}
	}
	again := answerTo(4)
	again.Time, again.Version = at(1200), "2"
	l.Record(again)
	var labels []monitor.Label
	for n := 0; n < 1200; n += 4 {
		labels = append(labels, monitor.Label{RequestID: answerTo(n).RequestID, Name: pets[n/4%3]})
	}
	labels = append(labels, monitor.Label{RequestID: "r8", Index: 1}, monitor.Label{RequestID: "r8", Index: 7}, monitor.Label{RequestID: "none"})
	if _, err := l.Feedback(t.Context(), "pets", labels); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Forget(t.Context(), "pets", "list3"); n != 2 || err != nil {
		t.Fatalf("deleted %d, %v", n, err)
	}
	for _, first := range []int64{1, 11, 11, 21} {
		if _, err := l.AddWindow(t.Context(), windowFrom(first)); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, l)
}

// tell is all that a reader says of a log.
func tell(t *testing.T, r *Reader) map[string]any {
	t.Helper()
	said := map[string]any{}
	at := time.UnixMilli(1_800_000_500_000)
	for _, by := range []Filter{
		{}, {Model: "pets", Version: "2"}, {Since: at}, {Until: at}, {Since: at, Until: at.Add(time.Minute), Shadows: true}, {After: 700},
		{Labelled: true}, {Labelled: true, Shadows: true, Version: "1"}, {Model: "none"}, {Version: "2", Shadows: true},
		{Vectors: true}, {Every: 7}, {Vectors: true, Every: 3, Since: at},
	} {
		key := fmt.Sprintf("%+v", by)
		var all []Stored
		err := r.Each(t.Context(), by, true, func(s *Stored) error { all = append(all, *s); return nil })
		if err != nil {
			t.Fatal(err)
		}
		said["each "+key] = all
		span, err := r.Span(t.Context(), by)
		if err != nil {
			t.Fatal(err)
		}
		said["span "+key] = span
		if by.Every == 0 && (span.Answers != len(all) || len(all) > 0 && (span.First != all[0].ID || span.Last != all[len(all)-1].ID)) {
			t.Errorf("%s: the span is %+v of %d answers", key, span, len(all))
		}
		labels, err := r.Labels(t.Context(), by)
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(labels.Newest); labels.Answers > 0 && (age < 0 || age > time.Minute) {
			t.Errorf("%s: the newest label is of %v", key, labels.Newest)
		}
		said["labels "+key] = labels.Answers // when they came differs
		var outcomes []Outcome
		if err := r.Performance(t.Context(), by, func(o *Outcome) error { outcomes = append(outcomes, *o); return nil }); err != nil {
			t.Fatal(err)
		}
		said["performance "+key] = outcomes
		windows, err := r.Windows(t.Context(), by, 2)
		if err != nil {
			t.Fatal(err)
		}
		for i := range windows {
			windows[i].ID = 0 // a sequence may leave some out
		}
		said["windows "+key] = windows
		by.Model = "pets"
		if said["compare "+key], err = r.Compare(t.Context(), by, "1", "2"); err != nil {
			t.Fatal(err)
		}
	}
	summary, bytes, err := r.Summary(t.Context())
	if err != nil || bytes == 0 {
		t.Fatal(bytes, err)
	}
	said["summary"] = summary
	return said
}

// TestSameFromBoth: every method of a reader says the same of the same answers, whichever database has them.
func TestSameFromBoth(t *testing.T) {
	lite, pg := Config{Dir: t.TempDir()}, Config{DSN: postgres.Get(t).Database(t)}
	story(t, lite)
	story(t, pg)
	want, got := tell(t, reader(t, lite)), tell(t, reader(t, pg))
	for key, w := range want {
		if text := fmt.Sprintf("%+v", w); text != fmt.Sprintf("%+v", got[key]) { // NaN is like NaN in print
			t.Errorf("%s: SQLite says %.300s, PostgreSQL %.300s", key, text, fmt.Sprintf("%+v", got[key]))
		}
	}
	if len(want) != 79 || len(want["each "+fmt.Sprintf("%+v", Filter{})].([]Stored)) != 1199 {
		t.Errorf("%d things were compared: too few", len(want))
	}
}

func TestCompare(t *testing.T) {
	onEach(t, testCompare)
}

func testCompare(t *testing.T, cfg Config) {
	l := open(t, cfg)
	other := []string{"dog", "wolf", "cat"}
	say := func(id, version string, shadow bool, labels []string, name string) {
		a := answerTo(0)
		a.RequestID, a.Version, a.Shadow, a.Labels, a.Probabilities = id, version, shadow, labels, make([]float32, 3)
		for i, l := range labels {
			if l == name {
				a.Probabilities[i] = 1
			}
		}
		l.Record(a)
	}
	for i, c := range []struct{ one, two, truth string }{
		{"cat", "cat", ""}, {"cat", "wolf", ""}, {"cat", "cat", "cat"}, {"cat", "dog", "cat"}, {"dog", "cat", "cat"}, {"dog", "dog", "hamster"}, {"dog", "wolf", "cat"},
	} {
		id := fmt.Sprint("q", i)
		say(id, "1", i == 4, pets, c.one) // once the roles are changed
		say(id, "2", i != 4, other, c.two)
		if c.truth != "" {
			label(t, l, id, c.truth)
		}
	}
	say("alone", "1", false, pets, "cat")
	say("both seen", "1", false, pets, "cat")
	say("both seen", "2", false, other, "cat")
	say("another shadow", "1", false, pets, "cat")
	say("another shadow", "3", true, other, "cat")
	mustClose(t, l)
	r := reader(t, cfg)
	got, err := r.Compare(t.Context(), Filter{Model: "pets"}, "1", "2")
	want := Comparison{Model: "pets", Version: "1", Other: "2", Images: 7, Agreed: 3, Labelled: 5, Both: 1, OnlyOne: 1, OnlyOther: 1, Neither: 2}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	got, err = r.Compare(t.Context(), Filter{Model: "pets"}, "2", "1")
	want.Version, want.Other = "2", "1"
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	got, err = r.Compare(t.Context(), Filter{Model: "pets", Since: time.Now().Add(time.Hour)}, "1", "2")
	if err != nil || got != (Comparison{Model: "pets", Version: "1", Other: "2"}) {
		t.Errorf("of tomorrow: %+v, %v", got, err)
	}
	if _, err := r.Compare(t.Context(), Filter{}, "1", "2"); err == nil {
		t.Error("versions of any model were compared")
	}

	var outcomes []string
	err = r.Performance(t.Context(), Filter{Shadows: true}, func(o *Outcome) error {
		outcomes = append(outcomes, fmt.Sprint(o.Version, o.Shadow, o.Labels[o.Class], " ", o.Labels[o.Truth], o.Confidence, o.Probabilities))
		return nil
	})
	// Of the hamster's image the second version is left out: it has no hamsters.
	if want := []string{
		"1falsecat cat1 []", "2truecat cat1 []", "1falsecat cat1 []", "2truedog cat1 []", "1truedog cat1 []", "2falsecat cat1 []",
		"1falsedog hamster1 []", "1falsedog cat1 []", "2truewolf cat1 []",
	}; err != nil || !reflect.DeepEqual(outcomes, want) {
		t.Errorf("got %q, %v; want %q", outcomes, err, want)
	}
	if data, err := json.Marshal(want); err != nil || string(data) != `{"model":"pets","version":"2","other":"1","images":7,"agreed":3,"labelled":5,"both_right":1,"only_version":1,"only_other":1,"neither_right":2}` {
		t.Errorf("as JSON it is %s, %v", data, err)
	}
}
