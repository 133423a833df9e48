package reload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "key"), filepath.Join(dir, "other")
	changes := make(chan struct{}, 100)
	end := Look(path, other).Watch(time.Millisecond, func() error { changes <- struct{}{}; return nil })
	defer end()
	f := func(what string, do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changes:
		case <-time.After(10 * time.Second):
			t.Errorf("%s goes unnoticed", what)
		}
	}
	f("a file that comes", func() error { return os.WriteFile(path, []byte("one"), 0o600) })
	f("another size", func() error { return os.WriteFile(path, []byte("three"), 0o600) })
	f("another time", func() error { return os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)) })
	f("a file put in its place", func() error {
		if err := os.WriteFile(path+"~", []byte("four!"), 0o600); err != nil {
			return err
		}
		return os.Rename(path+"~", path)
	})
	f("a file that goes", func() error { return os.Remove(path) })
	end()
	end()

	before := Look(path)
	if err := os.WriteFile(path, []byte("between the look and the watch"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer before.Watch(time.Millisecond, func() error { changes <- struct{}{}; return nil })()
	<-changes
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	for len(changes) > 0 { // of writing in two steps
		<-changes
	}
}

// What could not be read is read again until it can be, and told of once.
func TestFailedIsTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	tries, told := 0, make(chan error, 100)
	read := func() error {
		if tries++; tries < 4 {
			return errors.New("no descriptor is left")
		}
		return nil
	}
	defer Look(path).Watch(time.Millisecond, Told(read, func(err error) { told <- err }))()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err == nil {
		t.Error("the failure is not told")
	}
	if err := <-told; err != nil {
		t.Errorf("got %v; want the recovery", err)
	}
}
