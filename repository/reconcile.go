package repository

import (
	"errors"
	"fmt"
	"time"

	"github.com/torchlit/torchlit/modeldir"
)

// pass is one reconciliation of one model: which versions it was told to load anew, and which it has tried.
type pass[M Model] struct {
	order
	forced map[*version[M]]bool
	tried  map[*version[M]]bool
}

// newPassLocked notes what is wanted now as what an order forces: a version that is wanted only because another
// failed is not loaded anew when it serves already.
func (r *Repository[M]) newPassLocked(m *model[M], o order) *pass[M] {
	p := &pass[M]{order: o, forced: map[*version[M]]bool{}, tried: map[*version[M]]bool{}}
	if o.force {
		for _, v := range r.wanted(m) {
			p.forced[v] = true
		}
	}
	return p
}

// nextLocked returns the next version to load, nil for none.
func (r *Repository[M]) nextLocked(m *model[M], p *pass[M]) *version[M] {
	for _, v := range r.wanted(m) {
		if p.only != "" && v.entry.Version != p.only {
			continue
		}
		if !p.tried[v] && (p.forced[v] || !v.isLive || v.stale()) && (p.force || r.settled(v)) {
			return v
		}
	}
	return nil
}

// surplusLocked returns the versions that serve and should not any more. While something that is wanted does not serve
// yet, there are none. Nor are there when nothing that is wanted can serve, though folders are there: old answers are better than none.
func (r *Repository[M]) surplusLocked(m *model[M], o order) []*version[M] {
	wanted := map[*version[M]]bool{}
	for _, v := range r.wanted(m) {
		if !v.isLive {
			return nil
		}
		wanted[v] = true
	}
	var out []*version[M]
	folders := false
	for _, v := range m.newestFirst() {
		folders = folders || v.present || !(o.force || r.settled(v))
		if v.isLive && !wanted[v] && (v.present || o.force || r.settled(v)) {
			out = append(out, v)
		}
	}
	if len(wanted) == 0 && folders && !m.off {
		return nil
	}
	return out
}

// hasWork reports whether reconcile would do anything to follow the folder.
func (r *Repository[M]) hasWork(m *model[M]) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nextLocked(m, r.newPassLocked(m, order{})) != nil || len(r.surplusLocked(m, order{})) > 0
}

// reconcile makes what is loaded of m what is wanted. The caller has the turn of m. The error joins what could not be
// loaded.
func (r *Repository[M]) reconcile(m *model[M], o order) error {
	r.mu.Lock()
	p := r.newPassLocked(m, o)
	r.mu.Unlock()
	var errs []error
	for !r.isClosed() {
		r.mu.Lock()
		v := r.nextLocked(m, p)
		r.mu.Unlock()
		if v == nil {
			break
		}
		p.tried[v] = true
		errs = append(errs, r.load(v))
	}
	r.mu.Lock()
	surplus := r.surplusLocked(m, o)
	r.mu.Unlock()
	r.drop(surplus)
	return errors.Join(errs...)
}

var errChanged = errors.New("its folder changed while it was loaded; load it when it is complete")

// load loads v beside what serves of it and puts it in its place. The caller has the turn of v's model.
func (r *Repository[M]) load(v *version[M]) error {
	old, hadOld, err := r.replace(v)
	if err == nil && hadOld {
		old.Close() // may take as long as its last request; other models may load meanwhile
	}
	return err
}

// replace is load up to the moment when the fresh model serves. The old one is the caller's to close.
func (r *Repository[M]) replace(v *version[M]) (old M, hadOld bool, err error) {
	r.loading <- struct{}{}
	defer func() { <-r.loading }()
	r.mu.Lock()
	entry, problem, content := v.entry, v.problem, v.print
	if !v.isLive {
		v.state = Loading
	}
	r.mu.Unlock()
	start := time.Now()
	fresh, err := r.try(entry, problem, content)
	if err != nil {
		r.noteFailure(v, content, err)
		return old, false, fmt.Errorf("cannot load model %q version %s: %w", entry.Name, entry.Version, err)
	}
	r.publish(func() {
		old, hadOld = v.live, v.isLive
		v.live, v.isLive, v.loaded = fresh, true, content
		v.failed, v.state, v.reason = "", "", ""
	})
	if f := r.cfg.Observer.Loaded; f != nil {
		f(entry, time.Since(start))
	}
	return old, hadOld, nil
}

// try loads a folder that has that content, before and after.
func (r *Repository[M]) try(entry modeldir.Entry, problem error, content print) (fresh M, err error) {
	if problem != nil {
		return fresh, problem
	}
	if fresh, err = r.cfg.Load(entry); err != nil {
		return fresh, err
	}
	if after, _ := printOf(entry.Dir); after != content {
		fresh.Close()
		return fresh, errChanged
	}
	return fresh, nil
}

// noteFailure keeps why v's folder could not be loaded. One that changed meanwhile was not tried as it is: it has to
// settle again.
func (r *Repository[M]) noteFailure(v *version[M], content print, err error) {
	r.mu.Lock()
	v.state, v.reason = "", err.Error()
	if errors.Is(err, errChanged) {
		v.since = time.Now()
	} else {
		v.failed = content
	}
	entry := v.entry
	r.mu.Unlock()
	if f := r.cfg.Observer.Failed; f != nil {
		f(entry, err)
	}
}

// drop stops serving those versions, and returns when all are closed. The caller has their models' turns.
func (r *Repository[M]) drop(gone []*version[M]) {
	if len(gone) == 0 {
		return
	}
	r.publish(func() {
		for _, v := range gone {
			v.isLive, v.state, v.reason = false, Unloading, ""
		}
	})
	for _, v := range gone {
		v.live.Close()
		r.mu.Lock()
		var none M
		v.live, v.loaded, v.state = none, "", ""
		name, number := v.entry.Name, v.entry.Version
		r.mu.Unlock()
		if f := r.cfg.Observer.Unloaded; f != nil {
			f(name, number)
		}
	}
}
