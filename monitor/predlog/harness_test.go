package predlog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

var pets = []string{"cat", "dog", "hamster"}

// answerTo is an answer whose probabilities follow from its id's number, so that a reader can tell a whole row from a torn one.
func answerTo(n int) *monitor.Answer {
	a := &monitor.Answer{
		Time: time.Now(), RequestID: "r" + strconv.Itoa(n), Model: "pets", Version: "1",
		Labels: pets, Probabilities: probabilitiesOf(n), Embedding: make([]float32, 64), OOD: float32(n) / 16,
		Image: monitor.Image{Width: 320, Height: 240, Bytes: 1000 + n, Brightness: 0.5, Contrast: 0.25, Saturation: 0.125, Sharpness: 0.0625},
	}
	for i := range a.Embedding {
		a.Embedding[i] = float32(n%1000 + i)
	}
	return a
}

func probabilitiesOf(n int) []float32 {
	top := 0.5 + float32(n%256)/1024
	p := []float32{(1 - top) / 2, (1 - top) / 2, (1 - top) / 2}
	p[n%3] = top
	return p
}

// whole reports how an answer that was read differs from answerTo's.
func whole(s *Stored) error {
	n, err := strconv.Atoi(strings.TrimPrefix(s.RequestID, "r"))
	if err != nil {
		return err
	}
	want := answerTo(n)
	switch {
	case s.Class != n%3 || s.Model != "pets" || s.Version != "1" || !slices.Equal(s.Labels, pets):
		return fmt.Errorf("%s: class %d of %s %s %q", s.RequestID, s.Class, s.Model, s.Version, s.Labels)
	case !slices.Equal(s.Probabilities, monitor.ReadHalf(monitor.AppendHalf(nil, want.Probabilities))):
		return fmt.Errorf("%s: probabilities %v", s.RequestID, s.Probabilities)
	case !slices.Equal(s.Embedding, want.Embedding):
		return fmt.Errorf("%s: embedding %v", s.RequestID, s.Embedding)
	case s.OOD != want.OOD || s.Shadow:
		return fmt.Errorf("%s: OOD %v, shadow %v", s.RequestID, s.OOD, s.Shadow)
	case s.Image != want.Image:
		return fmt.Errorf("%s: image %+v", s.RequestID, s.Image)
	}
	return nil
}

// reports are what a Log told its operator.
type reports struct {
	mu    sync.Mutex
	lines []string
}

func (r *reports) add(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf("%s: %v", what, err))
}

func (r *reports) has(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.lines, func(l string) bool { return strings.Contains(l, part) })
}

// onEach runs a test on an empty log in SQLite, and on one in PostgreSQL.
func onEach(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Run("sqlite", func(t *testing.T) { test(t, Config{Dir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { test(t, Config{DSN: postgres.Get(t).Database(t)}) })
}

// open opens a log, whose folder is a new one unless cfg names a place, and closes it with the test.
func open(t testing.TB, cfg Config) *Log {
	t.Helper()
	if cfg.Dir == "" && cfg.DSN == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Report == nil {
		cfg.Report = func(what string, err error) { t.Logf("%s: %v", what, err) }
	}
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// reader opens the log that cfg names for reading, and closes it with the test.
func reader(t testing.TB, cfg Config) *Reader {
	t.Helper()
	r, err := (&Log{cfg: cfg}).OpenReader(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// read is all answers of the log in dir.
func read(t testing.TB, dir string) (all []*Stored) {
	t.Helper()
	return readAll(t, Config{Dir: dir})
}

// readAll is all answers of the log that cfg names.
func readAll(t testing.TB, cfg Config) (all []*Stored) {
	t.Helper()
	r := reader(t, cfg)
	if err := r.Check(t.Context()); err != nil {
		t.Fatal("the database is damaged: ", err)
	}
	err := r.Each(t.Context(), Filter{}, true, func(s *Stored) error {
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// one asks the database itself for one value.
func one[T any](t testing.TB, cfg Config, query string) (v T) {
	t.Helper()
	var db *sql.DB
	if cfg.DSN == "" {
		db, _ = sql.Open("sqlite", File(cfg.Dir))
	} else {
		db = reader(t, cfg).db
	}
	if err := db.QueryRow(query).Scan(&v); err != nil {
		t.Fatal(err)
	}
	if cfg.DSN == "" {
		_ = db.Close()
	}
	return v
}

// label sends one label and fails the test unless it is stored.
func label(t testing.TB, l *Log, id, name string) monitor.Verdict {
	t.Helper()
	v, err := l.Feedback(t.Context(), "pets", []monitor.Label{{RequestID: id, Name: name}})
	if err != nil {
		t.Fatal(err)
	}
	if v[0].Err != nil {
		t.Fatal(v[0].Err)
	}
	return v[0]
}

// eventually waits for something that another goroutine or process does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it never came: ", what)
		}
		time.Sleep(time.Millisecond)
	}
}
