package predlog

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

func TestRecordAndRead(t *testing.T) {
	onEach(t, testRecordAndRead)
}

func testRecordAndRead(t *testing.T, cfg Config) {
	cfg.Vectors, cfg.Pictures = 1, 1
	l := open(t, cfg)
	for n := range 2000 {
		l.Record(answerTo(n))
	}
	tensor := answerTo(2000)
	tensor.Image, tensor.Embedding = monitor.NoImage(), nil
	tensor.Picture = &monitor.Picture{Width: 2, Height: 1, Pixels: []byte{255, 0, 0, 0, 0, 255}}
	l.Record(tensor)
	mustClose(t, l)
	all := readAll(t, cfg)
	if len(all) != 2001 {
		t.Fatalf("%d answers are stored", len(all))
	}
	for _, s := range all[:2000] {
		if err := whole(s); err != nil {
			t.Fatal(err)
		}
	}
	last := all[2000]
	if last.Image.Width != 0 || last.Image.Brightness == last.Image.Brightness || last.Embedding != nil {
		t.Errorf("of a tensor the log knows %+v, embedding %v", last.Image, last.Embedding)
	}
	if !strings.HasPrefix(string(last.PNG), "\x89PNG") {
		t.Errorf("the picture is %q", last.PNG)
	}
	if c := l.Counts(); c.Records != 2001 || c.Queued != 0 || c.Bytes == 0 || c.Errors != 0 {
		t.Errorf("counts are %+v", c)
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	mustClose(t, open(t, Config{Dir: dir}))
	for name, mode := range map[string]os.FileMode{dir: 0o700, File(dir): 0o600} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", name, st.Mode(), err, mode)
		}
	}
}

func TestTopAndEntropy(t *testing.T) {
	r := rowOf(&monitor.Answer{Probabilities: []float32{0.125, float32(math.NaN()), 0.5, 0.25, 0.125, 0, 0}})
	if r.class != 2 || r.confidence != 0.5 || r.top != "[[2,0.5],[3,0.25],[0,0.125],[4,0.125],[1,0]]" {
		t.Errorf("got class %d, confidence %v, top %s", r.class, r.confidence, r.top)
	}
	if want := 1.75 * math.Ln2; math.Abs(r.entropy-want) > 1e-9 {
		t.Errorf("entropy %v; want %v", r.entropy, want)
	}
}

// TestFeedback: labels find answers that are not written yet, the last one wins, and what cannot be stored says why.
func TestFeedback(t *testing.T) {
	onEach(t, testFeedback)
}

func testFeedback(t *testing.T, cfg Config) {
	cfg.Interval = time.Hour
	l := open(t, cfg)
	l.Record(answerTo(0))
	l.Record(answerTo(1))
	if v := label(t, l, "r0", "cat"); v.Index != 0 || v.PredictedLabel != "cat" || v.Version != "1" {
		t.Errorf("verdict %+v", v)
	}
	label(t, l, "r0", "dog")
	label(t, l, "r0", "dog")
	v, err := l.Feedback(t.Context(), "pets", []monitor.Label{
		{RequestID: "r1", Index: 2}, {RequestID: "r1", Name: "unicorn"}, {RequestID: "r1", Index: 3}, {RequestID: "r1", Index: -1}, {RequestID: "r9", Name: "cat"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var errs []error
	for i := range v {
		errs = append(errs, v[i].Err)
	}
	if want := []error{nil, monitor.ErrUnknownLabel, monitor.ErrUnknownLabel, monitor.ErrUnknownLabel, monitor.ErrUnknownRequest}; !slices.Equal(errs, want) {
		t.Errorf("got %v; want %v", errs, want)
	}
	if v, err := l.Feedback(t.Context(), "other", []monitor.Label{{RequestID: "r0", Name: "cat"}}); err != nil || v[0].Err != monitor.ErrUnknownRequest {
		t.Errorf("of another model: %v, %v", v, err)
	}
	mustClose(t, l)
	all := readAll(t, cfg)
	if all[0].TrueClass != 1 || all[1].TrueClass != 2 {
		t.Errorf("true classes are %d and %d; want 1 and 2", all[0].TrueClass, all[1].TrueClass)
	}
	if n := one[int](t, cfg, "SELECT changes FROM feedback f JOIN predictions p ON p.id = f.prediction WHERE p.request_id = 'r0'"); n != 1 {
		t.Errorf("the label was changed %d times; want 1", n)
	}
	if _, err := l.Feedback(t.Context(), "pets", nil); !errors.Is(err, monitor.ErrUnavailable) {
		t.Errorf("a closed log says %v", err)
	}
}

func openRaw(t *testing.T, dir string) *sql.DB {
	db, err := sql.Open("sqlite", File(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestLatestOfSameID: callers may give an id twice; the label is for the answer that they got last.
func TestLatestOfSameID(t *testing.T) {
	onEach(t, testLatestOfSameID)
}

func testLatestOfSameID(t *testing.T, cfg Config) {
	l := open(t, cfg)
	l.Record(answerTo(0))
	l.Record(answerTo(0))
	label(t, l, "r0", "dog")
	mustClose(t, l)
	if all := readAll(t, cfg); all[0].TrueClass != -1 || all[1].TrueClass != 1 {
		t.Errorf("got %d and %d", all[0].TrueClass, all[1].TrueClass)
	}
}

// TestReloadedLabels: a version that was loaded anew may have other classes; each answer keeps those that it was given with.
func TestReloadedLabels(t *testing.T) {
	onEach(t, testReloadedLabels)
}

func testReloadedLabels(t *testing.T, cfg Config) {
	l := open(t, cfg)
	l.Record(answerTo(0))
	b := answerTo(1)
	b.Labels = []string{"x", "y", "z"}
	l.Record(b)
	same := answerTo(3)
	same.Labels = slices.Clone(pets)
	l.Record(same)
	if v := label(t, l, "r1", "z"); v.PredictedLabel != "y" {
		t.Errorf("got %+v", v)
	}
	mustClose(t, l)
	if all := readAll(t, cfg); all[0].Labels[0] != "cat" || all[1].Labels[0] != "x" {
		t.Errorf("got %q and %q", all[0].Labels, all[1].Labels)
	}
	if n := one[int](t, cfg, "SELECT count(*) FROM models"); n != 2 {
		t.Errorf("%d models; want 2", n)
	}
}

// TestSample: a share of the ids is logged, the same ones always, and a label for another says that it was left out.
func TestSample(t *testing.T) {
	l := open(t, Config{Sample: 0.1, Pictures: 0.5})
	answers, pictures := 0, 0
	var out string
	for n := range 20000 {
		id := answerTo(n).RequestID
		a, p := l.Wants(id)
		if a {
			answers++
		} else {
			out = id
		}
		if p {
			pictures++
		}
		if b, _ := l.Wants(id); a != b {
			t.Fatal("the decision changed")
		}
	}
	if answers < 1800 || answers > 2200 || pictures < 9600 || pictures > 10400 {
		t.Errorf("of 20000 answers %d are logged and %d with their picture; want about 2000 and 10000", answers, pictures)
	}
	v, err := l.Feedback(t.Context(), "pets", []monitor.Label{{RequestID: out}})
	if err != nil || v[0].Err != monitor.ErrNotSampled {
		t.Errorf("got %v, %v", v, err)
	}
}

// TestForget: what is deleted is gone from all tables and from the files.
func TestForget(t *testing.T) {
	onEach(t, testForget)
}

func testForget(t *testing.T, cfg Config) {
	cfg.Vectors, cfg.Pictures = 1, 1
	l := open(t, cfg)
	const secret = "secret-request"
	for i, id := range []string{secret, secret + "-0", secret + "-1", "other"} {
		a := answerTo(i)
		a.RequestID = id
		if strings.HasPrefix(id, secret+"-") {
			a.List = secret
		}
		a.Picture = &monitor.Picture{Width: 1, Height: 1, Pixels: []byte{1, 2, 3}}
		l.Record(a)
	}
	label(t, l, secret, "cat")
	f := func(model, id string, want int) {
		t.Helper()
		if n, err := l.Forget(t.Context(), model, id); n != want || err != nil {
			t.Errorf("forget %q: %d, %v; want %d", id, n, err, want)
		}
	}
	f("other", secret, 0)
	f("pets", secret+"-1", 1)
	f("", secret, 2)
	f("pets", secret, 0)
	if cfg.Dir != "" { // also while the log is open
		notInFiles(t, cfg.Dir, secret)
	}
	mustClose(t, l)
	for _, table := range []string{"predictions", "vectors", "pictures"} {
		if n := one[int](t, cfg, "SELECT count(*) FROM "+table); n != 1 {
			t.Errorf("%d rows are left in %s; want 1", n, table)
		}
	}
	if n := one[int](t, cfg, "SELECT count(*) FROM feedback"); n != 0 {
		t.Errorf("%d labels are left", n)
	}
	if cfg.Dir != "" {
		notInFiles(t, cfg.Dir, secret)
	}
}

// notInFiles: what is deleted is overwritten.
func notInFiles(t *testing.T, dir, secret string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		if data, err := os.ReadFile(File(dir) + suffix); err == nil && strings.Contains(string(data), secret) {
			t.Errorf("the id is still in %s", fileName+suffix)
		}
	}
}

// TestSettingsOfTheFile: what is promised of the disk rests on these.
func TestSettingsOfTheFile(t *testing.T) {
	s, err := openStore(filepath.Join(t.TempDir(), "a b?c%d#e.db"), func(dsn string) (*sql.DB, error) { return sql.Open("sqlite", dsn) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "auto_vacuum": "2", "secure_delete": "1", "foreign_keys": "1", "busy_timeout": "5000",
	} {
		var got string
		if err := s.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", pragma, got, err, want)
		}
	}
}

func TestForeignFiles(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		dir := t.TempDir()
		db := openRaw(t, dir)
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
		if _, err := OpenReader(dir); err == nil {
			t.Errorf("%s: it was opened for reading", text)
		}
	}
	f("CREATE TABLE recipes (id INTEGER)", "another program")
	f("PRAGMA application_id = 1414295660; PRAGMA user_version = 99", "version 99")
}

// TestInterval: an answer is written after the interval, with no further one to push it.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, Config{Interval: time.Second})
		l.Record(answerTo(1))
		time.Sleep(990 * time.Millisecond)
		synctest.Wait()
		if n := l.Counts().Records; n != 0 {
			t.Errorf("%d answers were written before their time", n)
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if n := l.Counts().Records; n != 1 {
			t.Errorf("%d answers are written; want 1", n)
		}
		mustClose(t, l)
	})
}

func TestQueueDropsAndCounts(t *testing.T) {
	gate := newGate()
	l := open(t, Config{Queue: 10, QueueBytes: 10, Interval: time.Millisecond, open: gate.open})
	gate.shut()
	l.Record(answerTo(0))
	eventually(t, "a write that hangs", func() bool { return gate.waits() })
	for n := range 20 {
		a := answerTo(n + 1)
		if n < 2 {
			a.Picture = &monitor.Picture{Width: 2, Height: 1, Pixels: make([]byte, 6)}
		}
		l.Record(a)
	}
	c := l.Counts()
	if c.Dropped["queue_full"] != 10 || c.Dropped["picture_queue_full"] != 1 || c.Queued != 11 {
		t.Errorf("counts are %+v", c)
	}
	gate.open_()
	mustClose(t, l)
	if c := l.Counts(); c.Records != 11 {
		t.Errorf("counts are %+v", c)
	}
	l.Record(answerTo(99))
	if c := l.Counts(); c.Dropped["closed"] != 1 {
		t.Errorf("counts are %+v", c)
	}
	if n := l.pictureBytes.Load(); n != 0 {
		t.Errorf("%d bytes of pictures are still counted", n)
	}
}

func TestValidate(t *testing.T) {
	f := func(c Config, want string) {
		t.Helper()
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v; want %q", c, err, want)
		}
	}
	f(Config{}, "folder")
	f(Config{Dir: "x", DSN: "postgres://"}, "one of them")
	f(Config{Dir: "x", Sample: 1.5}, "between 0 and 1")
	f(Config{Dir: "x", Vectors: math.NaN()}, "between 0 and 1")
	f(Config{Dir: "x", MaxBytes: 1}, "at least")
	f(Config{Dir: "x", MaxAge: -1}, "negative")
}

// TestManyCallers: labels and answers from many goroutines at once, and each label finds its answer.
func TestManyCallers(t *testing.T) {
	onEach(t, testManyCallers)
}

func testManyCallers(t *testing.T, cfg Config) {
	cfg.Queue = 1 << 16
	l := open(t, cfg)
	done := make(chan error)
	const callers, each = 16, 50
	for c := range callers {
		go func() {
			for i := range each {
				a := answerTo(c*each + i)
				l.Record(a)
				v, err := l.Feedback(context.Background(), "pets", []monitor.Label{{RequestID: a.RequestID, Index: i % 3}})
				if err == nil {
					err = v[0].Err
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	mustClose(t, l)
	all := readAll(t, cfg)
	if len(all) != callers*each {
		t.Errorf("%d answers", len(all))
	}
	for _, s := range all {
		if s.TrueClass < 0 {
			t.Errorf("%s has no label", s.RequestID)
		}
	}
}
