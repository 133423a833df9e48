// Package watch looks at the prediction log while a model serves: it forms windows of its answers, has them tested for drift, and tells
// when an alarm is raised or cleared.
//
// # Why it reads the log
//
// The obvious way hands each answer to the detectors as it is given. Reading them back from the log costs some microseconds more, and gives what
// that cannot: a window goes on after a restart, replicas that share a log form one window of all traffic, and what is shown is what
// is stored. Nothing of it is on a request's way.
//
// # Windows
//
// Once in Interval the watcher counts the answers since a version's last window. Fewer than Window, and it waits on; more, and it takes about so
// many of them, evenly spread. So a version that answers little is looked at whenever its window is full, and one
// that answers much once in Interval, at the same cost. A window is stored under its first answer: of several replicas that tested the same one the
// first counts.
package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/reference"
)

// Log is the prediction log; predlog.Log and predlog.Reader together are one.
type Log interface {
	Span(ctx context.Context, by predlog.Filter) (predlog.Span, error)
	Labels(ctx context.Context, by predlog.Filter) (predlog.Labels, error)
	Performance(ctx context.Context, by predlog.Filter, f func(*predlog.Outcome) error) error
	Each(ctx context.Context, by predlog.Filter, pictures bool, f func(*predlog.Stored) error) error
	Windows(ctx context.Context, by predlog.Filter, newest int) ([]predlog.Window, error)
	AddWindow(ctx context.Context, w predlog.Window) (added bool, err error)
	Compare(ctx context.Context, by predlog.Filter, version, other string) (predlog.Comparison, error)
}

// Config says how to watch. The zero value of a field stands for the default.
type Config struct {
	Log      Log
	Window   int           // answers; default 500, at least detector.MinWindow
	InRow    int           // windows that raise or clear an alarm; default 3
	Interval time.Duration // between looks at the log; default 1 min
	Recent   time.Duration // labels of answers of this time count for the accuracy; default 7 days
	Options  detector.Options

	// Changed hears of alarms that are raised or cleared, from the watcher's goroutine, and must not wait. Nil: nobody does.
	Changed func(Status)

	// Report hears of what fails, once until it is well again, with a nil error then. Nil: nobody does.
	Report func(what string, err error)
}

const (
	defaultWindow   = 500
	defaultInRow    = 3
	defaultInterval = time.Minute
	defaultRecent   = 7 * 24 * time.Hour

	// keptWindows is how many windows a Status shows.
	keptWindows = 100
	// lookBack is how far before the first look the first window of a version may begin.
	lookBack = time.Hour
)

func (c *Config) setDefaults() {
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	if c.InRow == 0 {
		c.InRow = defaultInRow
	}
	if c.Interval == 0 {
		c.Interval = defaultInterval
	}
	if c.Recent == 0 {
		c.Recent = defaultRecent
	}
	if c.Changed == nil {
		c.Changed = func(Status) {}
	}
	if c.Report == nil {
		c.Report = func(string, error) {}
	}
}

// Validate reports the first setting that cannot work.
func (c *Config) Validate() error {
	if c.Window != 0 && c.Window < detector.MinWindow {
		return fmt.Errorf("cannot test windows of %d answers for drift: a window has at least %d, or chance decides", c.Window, detector.MinWindow)
	}
	if c.InRow < 0 || c.Interval < 0 || c.Recent < 0 {
		return errors.New("cannot watch for drift with a negative number of windows, interval or time")
	}
	return c.Options.Validate()
}

// Watcher watches the versions that it is told of. Its methods may be called by many goroutines at once.
type Watcher struct {
	cfg    Config
	cancel context.CancelFunc
	done   chan struct{}
	failed bool // the last look did; of the goroutine

	mu       sync.Mutex
	versions map[key]*version
}

type key struct{ model, version string }

// version is what is known of one. The detector does not change; status is replaced under Watcher.mu; the rest belongs to the goroutine.
type version struct {
	detector *detector.Detector // nil without a reference
	status   Status

	resumed bool           // the windows of the log have been read
	after   int64          // id of the last answer of the last window
	since   time.Time      // where there was none
	labels  predlog.Labels // that the accuracy is made of
}

// Open begins to watch. Whoever opens it closes it.
func Open(cfg Config) (*Watcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watcher{cfg: cfg, cancel: cancel, done: make(chan struct{}), versions: map[key]*version{}}
	go w.run(ctx)
	return w, nil
}

// Close ends a look at the log that is under way, and returns when nothing runs any more.
func (w *Watcher) Close() {
	w.cancel()
	<-w.done
}

// Add has a version watched, from now on. Without a reference (nil) only its labels are looked at. A version that is there already is
// replaced: it was loaded anew.
func (w *Watcher) Add(model, ver string, ref *reference.Reference) {
	v := &version{since: time.Now().Add(-lookBack), status: Status{
		Model: model, Version: ver, Window: w.cfg.Window, InRow: w.cfg.InRow, Alpha: w.cfg.Options.Level(),
		Windows: []*detector.Result{}, Comparisons: []predlog.Comparison{}, // in JSON none is an empty list
	}}
	if ref != nil {
		v.detector = detector.New(ref, w.cfg.Options)
		v.status.Reference = View(ref)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions[key{model, ver}] = v
}

// Remove has a version watched no longer.
func (w *Watcher) Remove(model, ver string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.versions, key{model, ver})
}

// Status is what is known of a version. What it points to is shared: nobody may change it.
func (w *Watcher) Status(model, ver string) (s Status, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.versions[key{model, ver}]
	if v == nil {
		return s, false
	}
	return v.status, true
}

// Statuses are all, by model and version.
func (w *Watcher) Statuses() []Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Status
	for _, k := range w.keysLocked() {
		out = append(out, w.versions[k].status)
	}
	return out
}

func (w *Watcher) keysLocked() []key {
	keys := make([]key, 0, len(w.versions))
	for k := range w.versions {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.version, b.version))
	})
	return keys
}

// Score is the out-of-distribution score of an answer: see detector.Score. It is what predlog.Config.Score asks for.
func (w *Watcher) Score(a *monitor.Answer) float32 {
	w.mu.Lock()
	v := w.versions[key{a.Model, a.Version}]
	w.mu.Unlock()
	if v == nil || v.detector == nil {
		return notKnown
	}
	return v.detector.Score(a)
}

func (w *Watcher) run(ctx context.Context) {
	defer close(w.done)
	tick := time.NewTicker(w.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.look(ctx)
		}
	}
}

// look looks at every version once.
func (w *Watcher) look(ctx context.Context) {
	w.mu.Lock()
	keys := w.keysLocked()
	w.mu.Unlock()
	var first error
	for _, k := range keys {
		w.mu.Lock()
		v := w.versions[k]
		w.mu.Unlock()
		if v == nil {
			continue
		}
		err := w.lookAt(ctx, k, v, keys)
		if ctx.Err() != nil {
			return
		}
		if err != nil && first == nil {
			first = err
		}
	}
	if failed := first != nil; failed != w.failed {
		w.failed = failed
		if failed {
			w.cfg.Report("cannot watch for drift; it is tried again", first)
		} else {
			w.cfg.Report("drift is watched for again", nil)
		}
	}
}

// lookAt tests the version's window if it is full, and counts its labels.
func (w *Watcher) lookAt(ctx context.Context, k key, v *version, all []key) error {
	w.mu.Lock()
	s := v.status // a copy, which takes the other's place below
	w.mu.Unlock()
	changed := false
	err := w.resume(ctx, k, v, &s)
	if err == nil && v.detector != nil {
		changed, err = w.window(ctx, k, v, &s)
	}
	if err == nil {
		err = w.labels(ctx, k, v, &s)
	}
	if err == nil {
		err = w.comparisons(ctx, k, all, &s)
	}
	s.Trouble = ""
	if err != nil {
		s.Trouble = err.Error()
	}
	w.mu.Lock()
	v.status = s
	w.mu.Unlock()
	if changed {
		w.cfg.Changed(s)
	}
	return err
}

// resume reads the windows that were tested before the start, or by other replicas.
func (w *Watcher) resume(ctx context.Context, k key, v *version, s *Status) error {
	if v.resumed {
		return nil
	}
	stored, err := w.cfg.Log.Windows(ctx, predlog.Filter{Model: k.model, Version: k.version}, keptWindows)
	if err != nil {
		return err
	}
	for _, old := range stored {
		w.take(old, v, s)
	}
	v.resumed = true
	return nil
}

// take appends a stored window to what is known. One that cannot be read, of another release, is passed over: the next ones count.
func (w *Watcher) take(stored predlog.Window, v *version, s *Status) {
	v.after = stored.Last
	var r detector.Result
	if json.Unmarshal(stored.Result, &r) == nil && len(r.Tests) > 0 {
		s.append(&r, w.cfg.InRow)
	}
}

// append adds a window and returns whether that raised or cleared the alarm. The slice is not shared with an earlier Status.
func (s *Status) append(r *detector.Result, inRow int) (changed bool) {
	from := max(0, len(s.Windows)+1-keptWindows)
	s.Windows = append(slices.Clone(s.Windows[from:]), r)
	return s.Alarm.Step(r.Drifted, r.Until, inRow)
}
