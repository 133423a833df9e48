// Package reload tells when files change that a process reads at its start: keys and certificates.
package reload

import (
	"os"
	"sync"
	"time"
)

// Every is how often files are looked at. Looking is one system call a file, and works where notifications of the file system do not:
// on network file systems, and for a Kubernetes secret, whose files are links to links that are swapped.
const Every = time.Second

// Files are files as they were at a time.
type Files struct {
	paths []string
	were  []os.FileInfo
}

// Look notes how the files are. It comes before they are read, so that a change in between is not missed.
func Look(paths ...string) *Files { return &Files{paths, look(paths)} }

// Watch calls changed, from one goroutine, whenever one of the files is another than before: replaced, rewritten, gone or there again. After an
// error it calls it again each time it looks, because what was in the way may be nothing of the files, such as a want of descriptors; a key
// that was taken out must not stay good for that. It returns what ends that; changed is not called any more when end has returned.
func (f *Files) Watch(every time.Duration, changed func() error) (end func()) {
	before, paths := f.were, f.paths
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var failed error
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			now := look(paths)
			if failed != nil || !same(before, now) {
				before = now
				failed = changed()
			}
		}
	})
	return sync.OnceFunc(func() {
		close(quit)
		wg.Wait()
	})
}

// Told is a changed for Watch: it reads, and tells of what comes of it, but of the same failure only once.
func Told(read func() error, tell func(error)) func() error {
	last := ""
	return func() error {
		err := read()
		if err == nil || err.Error() != last {
			tell(err)
		}
		last = ""
		if err != nil {
			last = err.Error()
		}
		return err
	}
}

func look(paths []string) []os.FileInfo {
	out := make([]os.FileInfo, len(paths))
	for i, p := range paths {
		out[i], _ = os.Stat(p) // nil for one that is not there
	}
	return out
}

func same(a, b []os.FileInfo) bool {
	for i := range a {
		switch {
		case a[i] == nil && b[i] == nil:
		case a[i] == nil || b[i] == nil || !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()):
			return false
		}
	}
	return true
}
