package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/torchlit/torchlit/modeldir"
)

// Model is one loading of a version.
type Model interface {
	// Close answers what the model accepted and frees it. It is called once, after a Publish without it.
	Close()
}

// Config says which folder, and what to do with it. Load and Publish are needed.
type Config[M Model] struct {
	// Root is what [modeldir.List] lists.
	Root string

	// Name, unless empty, is what the one model of Root is called, as by [modeldir.ListAs].
	Name string

	// Policy chooses the versions of the models that have no policy of their own. Default: the latest one.
	Policy Policy

	// Policies are those of single models. A model's own file (repository.json) wins over them.
	Policies map[string]Policy

	// Keep are the first arguments of [Repository.Keep], by model.
	Keep map[string]Kept

	// Load makes a version ready to serve, or says what is wrong with its folder. One load runs at a time.
	Load func(modeldir.Entry) (M, error)

	// Publish puts a set of models, by name and then by version number, in the place of the set before.
	Publish func([]M)

	// Interval is how often the folder is looked at. Zero: it is not watched, and only Load and Unload change anything.
	Interval time.Duration

	// Settle is for how long a folder must not have changed. Default 2 s.
	Settle time.Duration

	// Strict makes Open fail when anything is wrong with any model.
	Strict bool

	// Observer is told what happens.
	Observer Observer

	// deaf leaves the system's notifications out, for tests under fake time.
	deaf bool
}

// Observer is told what happens, from many goroutines at once. Each field may be nil.
type Observer struct {
	Loaded   func(e modeldir.Entry, took time.Duration) // it serves
	Failed   func(e modeldir.Entry, err error)          // it could not be loaded
	Unloaded func(name, version string)                 // it is closed, and nothing took its place
	Trouble  func(err error)                            // the folder is not as it should be
}

// Kept are the versions that a model's traffic names. They stay loaded, as far as they lie in the folder.
type Kept struct {
	Default string   // pinned; "" for none
	Side    []string // canary and shadow, which the policy does not count
}

// The errors of Load and Unload wrap one of these.
var (
	ErrUnknown    = errors.New("unknown model")
	ErrCannotLoad = errors.New("cannot load")
	ErrParameter  = errors.New("bad parameter")
)

const defaultSettle = 2 * time.Second

// Repository is a folder of models and what is loaded of it. Its methods may be called by many goroutines at once.
type Repository[M Model] struct {
	cfg     Config[M]
	loading chan struct{} // a token for the load that runs
	kick    chan struct{} // capacity 1: look at the folder
	done    chan struct{} // closed by Close
	wg      sync.WaitGroup

	scanning   sync.Mutex // held while the folder is read
	publishing sync.Mutex // held from a change of what is live to the end of its Publish
	held       bool       // guarded by publishing: Open publishes once, at its end

	mu        sync.Mutex
	models    map[string]*model[M]
	trouble   map[string]*trouble // by place
	folderErr error               // why the folder could not be read when it was looked at last
}

// Open loads what the folder has and publishes it. It fails when nothing can be loaded, or, with Strict, when anything
// cannot. With an Interval the folder is watched from then on. The caller closes the Repository.
func Open[M Model](cfg Config[M]) (*Repository[M], error) {
	if cfg.Load == nil || cfg.Publish == nil {
		panic("BUG: a repository without Load or Publish")
	}
	if cfg.Settle <= 0 {
		cfg.Settle = defaultSettle
	}
	r := &Repository[M]{
		cfg: cfg, loading: make(chan struct{}, 1), kick: make(chan struct{}, 1), done: make(chan struct{}),
		models: map[string]*model[M]{}, trouble: map[string]*trouble{},
	}
	for name, k := range cfg.Keep {
		r.modelLocked(name).kept = k
	}
	if err := r.start(); err != nil {
		r.Close()
		return nil, err
	}
	r.tellTrouble()
	r.wg.Go(r.watch)
	return r, nil
}

// start loads all there is. Nothing serves yet, so nothing has to settle, and one Publish at the end is enough.
func (r *Repository[M]) start() error {
	if err := r.scan(""); err != nil {
		return err
	}
	r.held = true
	var errs []error
	for _, m := range r.list() {
		m.take()
		errs = append(errs, r.reconcile(m, order{force: true}))
		m.giveBack()
	}
	r.publishing.Lock()
	r.held = false
	live := r.live()
	r.publishing.Unlock()
	r.mu.Lock()
	for _, where := range slices.Sorted(maps.Keys(r.trouble)) {
		r.trouble[where].since = time.Time{} // what is wrong at the start is not being written
		errs = append(errs, r.trouble[where].err)
	}
	r.mu.Unlock()
	if err := errors.Join(errs...); err != nil && (r.cfg.Strict || len(live) == 0) {
		return err
	}
	if len(live) == 0 {
		return fmt.Errorf("cannot serve %q: it holds no model folder; put one at <name>/1 in it", r.cfg.Root)
	}
	r.cfg.Publish(live)
	return nil
}

// Close stops watching, publishes the empty set and closes every model. Afterwards nothing may be called.
func (r *Repository[M]) Close() {
	close(r.done)
	r.wg.Wait()
	var all []*version[M]
	for _, m := range r.list() {
		m.take()
		r.mu.Lock()
		all = append(all, m.liveOnes()...)
		r.mu.Unlock()
	}
	r.drop(all)
	for _, m := range r.list() {
		m.giveBack()
	}
}

// modelLocked returns the model of that name, made if need be.
func (r *Repository[M]) modelLocked(name string) *model[M] {
	m := r.models[name]
	if m == nil {
		m = &model[M]{name: name, turn: make(chan struct{}, 1), versions: map[string]*version[M]{}, extra: map[string]bool{}}
		r.models[name] = m
	}
	return m
}

// list returns the models by name.
func (r *Repository[M]) list() []*model[M] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.models), func(a, b *model[M]) int { return cmp.Compare(a.name, b.name) })
}

// live returns what serves, by name and version number.
func (r *Repository[M]) live() []M {
	var out []M
	for _, m := range r.list() {
		r.mu.Lock()
		for _, v := range slices.Backward(m.newestFirst()) {
			if v.isLive {
				out = append(out, v.live)
			}
		}
		r.mu.Unlock()
	}
	return out
}

// publish changes what is live and publishes it, as one step among others.
func (r *Repository[M]) publish(change func()) {
	r.publishing.Lock()
	defer r.publishing.Unlock()
	r.mu.Lock()
	change()
	r.mu.Unlock()
	if !r.held {
		r.cfg.Publish(r.live())
	}
}

// Keep says which versions a model's traffic names, in the place of what was said before. What is to be loaded or
// unloaded for it happens in the background.
func (r *Repository[M]) Keep(name string, k Kept) {
	r.mu.Lock()
	r.modelLocked(name).kept = k
	r.mu.Unlock()
	r.look()
}

// look makes the watcher look at the folder soon.
func (r *Repository[M]) look() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// wait takes the turn of m, unless ctx ends before.
func (m *model[M]) wait(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot change model %q: others are changing it: %w", m.name, context.Cause(ctx))
	}
}

func (m *model[M]) take()     { m.turn <- struct{}{} }
func (m *model[M]) giveBack() { <-m.turn }

// tryTake takes the turn of m if nobody has it.
func (m *model[M]) tryTake() bool {
	select {
	case m.turn <- struct{}{}:
		return true
	default:
		return false
	}
}
