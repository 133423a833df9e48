package predlog

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// TestHangingDisk: while the disk hangs nobody who records waits, whoever brings a label waits as long as he wants to, and Close as long as it is told.
func TestHangingDisk(t *testing.T) {
	dir := t.TempDir()
	g := newGate()
	l := open(t, Config{Dir: dir, Interval: time.Millisecond, Queue: 100, open: g.open})
	g.shut()
	for n := range 1000 {
		l.Record(answerTo(n)) // would never return if it waited for the disk
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Feedback(ctx, "pets", []monitor.Label{{RequestID: "r0"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a label during the hang: %v", err)
	}
	if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close during the hang: %v", err)
	}
	g.open_()
	mustClose(t, l)
	c := l.Counts()
	if lost := c.Dropped["queue_full"]; c.Records+lost != 1000 || lost == 0 || c.Records < 100 {
		t.Errorf("counts are %+v", c)
	}
	if n := len(read(t, dir)); uint64(n) != c.Records {
		t.Errorf("%d answers are there; want %d", n, c.Records)
	}
}

// TestDamagedAtStart: a file that is no database is moved aside and not deleted, and the log goes on in a new one.
func TestDamagedAtStart(t *testing.T) {
	dir := t.TempDir()
	garbage := strings.Repeat("this was a database once; ", 400)
	for range mostAside + 2 {
		if err := os.WriteFile(File(dir), []byte(garbage), 0o600); err != nil {
			t.Fatal(err)
		}
		var r reports
		l := open(t, Config{Dir: dir, Report: r.add})
		l.Record(answerTo(1))
		mustClose(t, l)
		if !r.has("damaged") || !r.has("not a database") {
			t.Errorf("the operator was told %q", r.lines)
		}
		if n := len(read(t, dir)); n != 1 {
			t.Errorf("%d answers; want 1", n)
		}
	}
	aside, err := filepath.Glob(File(dir) + asideMark + "*Z")
	if err != nil || len(aside) != mostAside {
		t.Fatalf("moved aside: %q, %v; want the last %d", aside, err, mostAside)
	}
	if data, err := os.ReadFile(aside[0]); err != nil || string(data) != garbage {
		t.Errorf("what was moved aside has changed (%v)", err)
	}
	f := file{path: File(dir)}
	f.removeAside(time.Hour)
	if aside, _ = filepath.Glob(File(dir) + asideMark + "*Z"); len(aside) != mostAside {
		t.Error("young files were deleted")
	}
	f.removeAside(time.Nanosecond)
	if aside, _ = filepath.Glob(File(dir) + asideMark + "*Z"); len(aside) != 0 {
		t.Errorf("%q hold answers that are too old", aside)
	}
}

// spoil overwrites all pages of the database but the first, which has the schema's root.
func spoil(t *testing.T, dir string) {
	t.Helper()
	f, err := os.OpenFile(File(dir), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, st.Size()-4096)
	for i := range noise {
		noise[i] = byte(rand.Uint32()) | 0x80
	}
	if _, err := f.WriteAt(noise, 4096); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedLater: damage that is only found when something is written.
func TestDamagedLater(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Vectors: 1})
	for n := range 1000 {
		l.Record(answerTo(n))
	}
	mustClose(t, l)
	spoil(t, dir)
	var r reports
	l = open(t, Config{Dir: dir, Report: r.add})
	l.Record(answerTo(7))
	label(t, l, "r7", "dog")
	mustClose(t, l)
	if !r.has("damaged") {
		t.Errorf("the operator was told %q", r.lines)
	}
	if all := read(t, dir); len(all) != 1 || all[0].TrueClass != 1 {
		t.Errorf("the new file has %d answers", len(all))
	}
}

// TestDamagedInUse: a file that another process has open is not taken away from it.
func TestDamagedInUse(t *testing.T) {
	dir := t.TempDir()
	other := open(t, Config{Dir: dir})
	if _, err := openRaw(t, dir).Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil { // else SQLite finds all in the WAL
		t.Fatal(err)
	}
	if err := os.WriteFile(File(dir), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, errOthers) {
		t.Errorf("got %v", err)
	}
	_ = other.Close(t.Context())
	l := open(t, Config{Dir: dir})
	mustClose(t, l)
}

// TestTakenAway: who deletes or moves the files of a log in use gets a new log, and no label is acknowledged that nobody can find.
func TestTakenAway(t *testing.T) {
	for what, take := range map[string]func(dir string) error{
		"deleted": os.RemoveAll,
		"emptied": func(dir string) error {
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			for _, f := range files {
				err = errors.Join(err, os.Remove(f))
			}
			return err
		},
		"moved":    func(dir string) error { return os.Rename(File(dir), File(dir)+".old") },
		"replaced": func(dir string) error { return os.Rename(dir, dir+"-old") },
	} {
		dir := filepath.Join(t.TempDir(), "log")
		var r reports
		l := open(t, Config{Dir: dir, Report: r.add})
		l.Record(answerTo(1))
		label(t, l, "r1", "cat")
		if err := take(dir); err != nil {
			t.Fatal(err)
		}
		l.Record(answerTo(2))
		label(t, l, "r2", "cat")
		mustClose(t, l)
		if all := read(t, dir); len(all) != 1 || all[0].RequestID != "r2" || all[0].TrueClass != 0 {
			t.Errorf("%s: the log has %d answers", what, len(all))
		}
		if !r.has("moved away") || l.Counts().Errors > 0 {
			t.Errorf("%s: the operator was told %q, %+v", what, r.lines, l.Counts())
		}
	}
}

// TestTwoProcesses write to one log at the same time. The other one is killed in the end.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Interval: 5 * time.Millisecond, Vectors: 1})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerVariable+"="+dir, writerVariable+"_FIRST=1000000", writerVariable+"_PAUSE=20ms") // one that never lets go of the lock would starve this one
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	const n = 300
	for i := range n {
		l.Record(answerTo(i))
		if i%20 == 0 {
			label(t, l, answerTo(i).RequestID, pets[i%3])
		}
	}
	db := openRaw(t, dir)
	eventually(t, "answers of the other process", func() bool {
		var others int
		_ = db.QueryRow("SELECT count(*) FROM predictions p JOIN feedback f ON f.prediction = p.id WHERE request_id LIKE 'r1______'").Scan(&others)
		return others > 2
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	mustClose(t, l)
	ours := 0
	for _, s := range read(t, dir) {
		if err := whole(s); err != nil {
			t.Error(err)
		}
		if len(s.RequestID) < 6 {
			ours++
		}
	}
	if ours != n {
		t.Errorf("%d answers of this process; want %d", ours, n)
	}
	if c := l.Counts(); c.Errors > 0 {
		t.Errorf("counts are %+v", c)
	}
}

// TestBusy: a process that holds the database for long, such as a vacuum, costs time and no answer.
func TestBusy(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Interval: time.Millisecond})
	db := openRaw(t, dir)
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		l.Record(answerTo(n))
	}
	_, err := l.Feedback(t.Context(), "pets", []monitor.Label{{RequestID: "r1"}}) // longer than busy_timeout
	if !errors.Is(err, monitor.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := db.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the answers", func() bool { return l.Counts().Records == 10 })
	label(t, l, "r1", "cat")
}
