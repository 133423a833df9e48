package predlog

import (
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

var longAgo = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// aged is a log's file with an answer for each age, in hours before longAgo.
func aged(t *testing.T, hours ...int) *file {
	t.Helper()
	cfg := Config{Dir: t.TempDir()}
	cfg.setDefaults()
	f, err := openFile(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.close() })
	if err := f.write(agedAnswers(hours...), func(string) bool { return true }, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

func agedAnswers(hours ...int) (all []monitor.Answer) {
	for i, h := range hours {
		a := answerTo(i)
		a.Time = longAgo.Add(-time.Duration(h) * time.Hour)
		all = append(all, *a)
	}
	return all
}

func (f *file) left(t *testing.T) (n int) {
	t.Helper()
	if err := f.conn.QueryRowContext(t.Context(), "SELECT count(*) FROM predictions").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const week = 7 * 24 * time.Hour

func TestAge(t *testing.T) {
	f := aged(t, 200, 24, 169, 167, 0, -24)
	var c clock
	if n, more, err := f.retain(&c, longAgo, week, 0); n != 2 || more || err != nil {
		t.Errorf("deleted %d, more %v, %v; want the 2 that are older than a week", n, more, err)
	}
	if n := f.left(t); n != 4 {
		t.Errorf("%d are left", n)
	}
}

// TestClock: a clock that is wrong for a while deletes nothing that is not too old by the right one.
func TestClock(t *testing.T) {
	f := aged(t, 24, 0)
	var c clock
	now := longAgo
	deleted := 0
	// pass lets a minute go by, in which the clock also moves by jump.
	pass := func(jump time.Duration) {
		t.Helper()
		// Readings of one process have the same monotonic clock; these have none, so the judgement is told of it.
		wall := time.Minute + jump
		now = now.Add(wall)
		if !c.judge(wall, time.Minute, now) {
			return
		}
		n, _, err := f.delete(t.Context(), "SELECT id FROM predictions WHERE time < ? ORDER BY time LIMIT ?", now.Add(-week).UnixMilli(), keepAtOnce)
		if err != nil {
			t.Fatal(err)
		}
		deleted += n
	}
	if !c.trusted(now, longAgo, week) {
		t.Error("a clock by which nothing is too old is not trusted")
	}
	pass(0)
	pass(365 * 24 * time.Hour) // a year ahead
	for range 30 {
		pass(0)
	}
	pass(-365 * 24 * time.Hour) // and put right
	pass(0)
	pass(-10 * 365 * 24 * time.Hour) // back to before all answers
	pass(0)
	pass(10 * 365 * 24 * time.Hour)
	pass(0)
	if n := f.left(t); n != 2 || deleted != 0 {
		t.Fatalf("%d answers were deleted by a wrong clock", deleted)
	}
	pass(week) // ahead, and it stays so
	for range 30 {
		pass(0)
	}
	if deleted != 0 {
		t.Error("an answer was deleted before the hour had passed")
	}
	for range 31 {
		pass(0)
	}
	if n := f.left(t); n != 0 {
		t.Errorf("%d answers are kept though a week is over", n)
	}
}

// TestFirstLook: when all answers are too old at the start, it may be the clock.
func TestFirstLook(t *testing.T) {
	f := aged(t, 24)
	var c clock
	start := longAgo.Add(2 * week)
	if n, _, err := f.retain(&c, start, week, 0); n != 0 || err != nil {
		t.Errorf("deleted %d at once, %v", n, err)
	}
	for m := range 61 {
		if _, _, err := f.retain(&c, start.Add(time.Duration(m)*time.Minute), week, 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.left(t); n != 0 {
		t.Errorf("%d are left after an hour", n)
	}
}

// TestBytes: the files stay below their bound, and the newest answers are kept.
func TestBytes(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Interval: time.Millisecond, MaxBytes: MinBytes})
	largest := int64(0)
	const n = 500
	for i := range n {
		a := answerTo(i)
		a.List = strings.Repeat(a.RequestID, 8000) // a cheap way to large rows: it is in the table and in an index
		l.Record(a)
		if i%10 == 9 {
			label(t, l, a.RequestID, pets[0])
			largest = max(largest, (&file{path: File(dir)}).bytes())
		}
	}
	eventually(t, "deletions", func() bool { return l.Counts().Deleted > 0 })
	eventually(t, "the bound", func() bool { return l.Counts().Bytes <= MinBytes })
	mustClose(t, l)
	all := read(t, dir)
	if len(all) == 0 || len(all) == n || all[len(all)-1].RequestID != answerTo(n-1).RequestID {
		t.Errorf("%d answers are left", len(all))
	}
	for i, s := range all {
		if want := answerTo(n - len(all) + i).RequestID; s.RequestID != want {
			t.Fatalf("%s is left in place %d; want %s", s.RequestID, i, want)
		}
	}
	t.Logf("%d answers are left; the files were %.1f MiB at most, the bound is %d", len(all), float64(largest)/(1<<20), MinBytes>>20)
	if largest > MinBytes+2*walLimit { // the WAL, and what comes between two looks
		t.Errorf("the files took %d bytes", largest)
	}
}
