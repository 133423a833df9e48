package repository

import (
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// debounce is how long the watcher waits after a notification: files are written in bursts.
const debounce = 100 * time.Millisecond

// watch follows the folder until Close. Each model is changed in a goroutine of its own, so that one that loads for long,
// or has a slow last request, does not keep the others waiting.
func (r *Repository[M]) watch() {
	watching := r.cfg.Interval > 0
	var n notifier
	defer n.close()
	var tick <-chan time.Time
	if watching {
		if !r.cfg.deaf {
			n.open()
		}
		n.follow(r.folders())
		r.look() // what changed before anybody listened; later, whatever was found in a fresh folder is looked at once more
		t := time.NewTicker(r.cfg.Interval)
		defer t.Stop()
		tick = t.C
	}
	var again <-chan time.Time
	for {
		select {
		case <-r.done:
			return
		case <-n.errors(): // an overflow: what was missed is seen now
		case <-n.events():
			n.drain()
			if !r.sleep(debounce) {
				return
			}
		case <-r.kick:
		case <-tick:
		case <-again:
		}
		again = nil
		if watching {
			r.tellFolder(r.scan(""))
			n.follow(r.folders())
		}
		restless := r.tellTrouble()
		for _, m := range r.list() {
			if r.hasWork(m) && m.tryTake() {
				r.wg.Go(func() {
					defer r.look()
					defer m.giveBack()
					_ = r.reconcile(m, order{}) // the observer was told
				})
			}
			restless = restless || r.isRestless(m)
		}
		if watching && restless {
			again = time.After(r.cfg.Settle)
		}
	}
}

// sleep reports false when Close came first.
func (r *Repository[M]) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.done:
		return false
	}
}

// isRestless reports whether something in m's folder has yet to settle.
func (r *Repository[M]) isRestless(m *model[M]) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range m.versions {
		if !r.settled(v) && (v.stale() || v.isLive && !v.present) {
			return true
		}
	}
	return false
}

// tellFolder reports that the folder cannot be read, once each time.
func (r *Repository[M]) tellFolder(err error) {
	r.mu.Lock()
	before := r.folderErr
	r.folderErr = err
	r.mu.Unlock()
	if f := r.cfg.Observer.Trouble; f != nil && err != nil && (before == nil || before.Error() != err.Error()) {
		f(err)
	}
}

// folders are the places where something may change.
func (r *Repository[M]) folders() map[string]bool {
	out := map[string]bool{r.cfg.Root: true}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.models {
		for _, v := range m.versions {
			if v.present {
				out[v.entry.Dir] = true
				if filepath.Base(v.entry.Dir) == v.entry.Version {
					out[filepath.Dir(v.entry.Dir)] = true
				}
			}
		}
	}
	for _, t := range r.trouble {
		if t.dir != "" {
			out[t.dir] = true
		}
	}
	return out
}

// notifier hears from the system that something changed. Without the system's help it is silent.
type notifier struct{ w *fsnotify.Watcher }

func (n *notifier) open() {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return // too many watches, say: then the folder is looked at now and then
	}
	n.w = w
}

func (n *notifier) events() <-chan fsnotify.Event {
	if n.w == nil {
		return nil
	}
	return n.w.Events
}

func (n *notifier) errors() <-chan error {
	if n.w == nil {
		return nil
	}
	return n.w.Errors
}

// drain throws away what came in the same burst, and errors, which say no more than an event.
func (n *notifier) drain() {
	for {
		select {
		case <-n.w.Events:
		case <-n.w.Errors:
		default:
			return
		}
	}
}

// follow makes folders what is listened to. All are named again each time: one that was removed and made anew has lost
// its watch.
func (n *notifier) follow(folders map[string]bool) {
	if n.w == nil {
		return
	}
	for _, dir := range n.w.WatchList() {
		if !folders[dir] {
			_ = n.w.Remove(dir) // it may be gone, and the watch with it
		}
	}
	for dir := range folders {
		_ = n.w.Add(dir) // what cannot be listened to is looked at all the same
	}
}

func (n *notifier) close() {
	if n.w != nil {
		_ = n.w.Close()
	}
}
