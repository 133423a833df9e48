package predlog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/internal/smalldisk"
	"github.com/torchlit/torchlit/monitor"
)

// TestFullDisk: answers wait, then are dropped and counted; labels are refused; and when there is room again all that waited is written.
func TestFullDisk(t *testing.T) {
	d := smalldisk.New(t, 2<<20)
	dir := d.Dir
	var r reports
	l := open(t, Config{Dir: filepath.Join(dir, "log"), Interval: time.Millisecond, Queue: 200, Vectors: 1, Report: r.add})
	l.Record(answerTo(0))
	label(t, l, "r0", "cat")

	free := d.Fill()
	n := 1
	eventually(t, "drops", func() bool {
		for range 50 {
			l.Record(answerTo(n))
			n++
		}
		return l.Counts().Dropped["unwritable"] > 0
	})
	if c := l.Counts(); !c.Failing || c.Errors == 0 {
		t.Errorf("counts are %+v", c)
	}
	eventually(t, "a report", func() bool { return r.has("full") })
	if _, err := l.Feedback(t.Context(), "pets", []monitor.Label{{RequestID: "r0", Name: "dog"}}); !errors.Is(err, monitor.ErrUnavailable) {
		t.Errorf("a label on a full disk: %v", err)
	}
	free()
	eventually(t, "the end of the failure", func() bool { return !l.Counts().Failing })
	label(t, l, "r0", "dog")
	mustClose(t, l)
	c := l.Counts()
	var dropped uint64
	for _, d := range c.Dropped {
		dropped += d
	}
	if c.Records+dropped != uint64(n) || !r.has("written again") {
		t.Errorf("of %d answers %d are stored and %d dropped; the operator was told %q", n, c.Records, dropped, r.lines)
	}
	all := read(t, filepath.Join(dir, "log"))
	if uint64(len(all)) != c.Records || all[0].TrueClass != 1 {
		t.Errorf("%d answers are there, the first of class %d", len(all), all[0].TrueClass)
	}
}

// TestFullAtClose: what cannot be written at the end is an error that says how much it was.
func TestFullAtClose(t *testing.T) {
	dir := smalldisk.New(t, 1<<20).Dir
	l := open(t, Config{Dir: dir, Interval: time.Hour, Vectors: 1})
	for n := range 5000 {
		l.Record(answerTo(n))
	}
	err := l.Close(t.Context())
	if err == nil || !strings.Contains(err.Error(), "cannot write the last") {
		t.Errorf("got %v", err)
	}
	if c := l.Counts(); c.Records+c.Dropped["closed"] != 5000 || c.Dropped["closed"] == 0 {
		t.Errorf("counts are %+v", c)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	f := func(dir string) {
		t.Helper()
		for _, d := range []string{dir, filepath.Join(dir, "sub")} {
			if _, err := Open(Config{Dir: d}); err == nil || !strings.Contains(err.Error(), "writable") || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v", err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f(file)
	d := smalldisk.New(t, 1<<20)
	d.ReadOnly(true)
	f(d.Dir)
}

// TestTurnsReadOnly: a disk whose driver has given up is read-only from one moment to the next.
func TestTurnsReadOnly(t *testing.T) {
	d := smalldisk.New(t, 8<<20)
	l := open(t, Config{Dir: d.Dir, Interval: time.Millisecond})
	l.Record(answerTo(0))
	label(t, l, "r0", "cat")
	mustClose(t, l)
	d.ReadOnly(true)
	if _, err := Open(Config{Dir: d.Dir}); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v", err)
	}
}
