package repository

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Load makes a model serve what its folder has now, or serve again after Unload: the versions that its policy chooses
// are loaded anew, whether the folder changed or not. It returns when they serve. When a version cannot be loaded the
// error says why, and what of it served before still serves. ctx bounds only the wait for others who change the model.
//
// parameters may be nil. "version" loads that version alone, whatever the policy says, until the next Load or Unload;
// "config" is a JSON text with Triton's "version_policy" for this model, until then as well.
func (r *Repository[M]) Load(ctx context.Context, name string, parameters map[string]any) error {
	p, err := parseParameters(parameters)
	if err != nil {
		return err
	}
	if err := r.scan(name); err != nil {
		return &loadError{fmt.Errorf("cannot load model %q: %w", name, err)}
	}
	m, err := r.find(name)
	if err != nil {
		return err
	}
	if err := m.wait(ctx); err != nil {
		return err
	}
	defer r.look()
	defer m.giveBack()
	if err := r.prepare(m, p); err != nil {
		return err
	}
	if err := r.reconcile(m, order{force: true, only: p.version}); err != nil {
		return &loadError{err}
	}
	return nil
}

// prepare notes what a caller asked for.
func (r *Repository[M]) prepare(m *model[M], p loadParameters) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(m.versions) == 0 { // its folder went while others changed it
		return &unknownError{fmt.Sprintf("there is no model %q in the repository", m.name)}
	}
	if p.version != "" {
		if v := m.versions[p.version]; v == nil || !v.present {
			return &unknownError{fmt.Sprintf("there is no version %q of model %q in the repository", p.version, m.name)}
		}
		m.extra[p.version] = true
	} else {
		m.asked = p.policy
		clear(m.extra)
	}
	m.off = false
	for _, v := range m.versions {
		v.failed, v.reason = "", ""
	}
	return nil
}

// Unload stops serving a model and returns when its last request is answered and its memory is free. It stays
// unloaded, whatever becomes of its folder, until Load. When ctx ends before, the unloading goes on.
func (r *Repository[M]) Unload(ctx context.Context, name string) error {
	m, err := r.find(name)
	if err != nil {
		return err
	}
	if err := m.wait(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	m.off, m.asked = true, nil
	clear(m.extra)
	live := m.liveOnes()
	r.mu.Unlock()
	gone := make(chan struct{})
	r.wg.Go(func() {
		defer close(gone)
		defer r.look()
		defer m.giveBack()
		r.drop(live)
	})
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("model %q is not served any more and is still answering what it accepted: %w", name, context.Cause(ctx))
	}
}

func (r *Repository[M]) find(name string) (*model[M], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.models[name]; m != nil && len(m.versions) > 0 {
		return m, nil
	}
	for _, t := range r.trouble {
		if t.name == name {
			return nil, &loadError{fmt.Errorf("cannot load model %q: %w", name, t.err)}
		}
	}
	return nil, &unknownError{fmt.Sprintf("there is no model %q in the repository", name)}
}

// loadError is ErrCannotLoad with a text that stands alone; unknownError and parameterError likewise.
type loadError struct{ error }

func (e *loadError) Unwrap() []error { return []error{e.error, ErrCannotLoad} }

type unknownError struct{ text string }

func (e *unknownError) Error() string { return e.text }
func (e *unknownError) Unwrap() error { return ErrUnknown }

type parameterError struct{ text string }

func (e *parameterError) Error() string { return e.text }
func (e *parameterError) Unwrap() error { return ErrParameter }

type loadParameters struct {
	version string
	policy  *Policy
}

func parseParameters(parameters map[string]any) (p loadParameters, err error) {
	for key, value := range parameters {
		switch {
		case key == "version":
			if value == nil {
				return p, &parameterError{"the parameter version is null; leave it out to load what the policy chooses"}
			}
			p.version = fmt.Sprint(value)
		case key == "config":
			text, _ := value.(string)
			var config struct {
				VersionPolicy *Policy `json:"version_policy"`
			}
			if err := json.Unmarshal([]byte(text), &config); err != nil {
				return p, &parameterError{fmt.Sprintf("the parameter config is no JSON text of a model configuration: %s", err)}
			}
			p.policy = config.VersionPolicy
		case strings.HasPrefix(key, "file:"):
			return p, &parameterError{"models are loaded from the repository's folder; put the files there instead of sending them"}
		default:
			return p, &parameterError{fmt.Sprintf("there is no parameter %q; known are version and config", key)}
		}
	}
	if p.version != "" && p.policy != nil {
		return p, &parameterError{"the parameters version and config cannot be used together"}
	}
	return p, nil
}

// State is the stage of a version's life.
type State string

// The states.
const (
	Loading     State = "loading"     // it will serve soon
	Ready       State = "ready"       // it serves
	Unloading   State = "unloading"   // it answers what it accepted, and nothing more
	Unavailable State = "unavailable" // it does not serve
)

// Status is what the index says of a version.
type Status struct {
	Name    string
	Version string // "" when it is about the model as a whole
	State   State
	Reason  string // why it is unavailable, or why it is not its folder's present content that serves
}

// Index lists every version that lies in the folder or is loaded, by name and then by version number.
func (r *Repository[M]) Index() []Status {
	var out []Status
	for _, m := range r.list() {
		r.mu.Lock()
		for _, v := range m.newestFirst() {
			out = append(out, r.statusLocked(m, v))
		}
		r.mu.Unlock()
	}
	r.mu.Lock()
	for _, t := range r.trouble {
		if t.told {
			out = append(out, Status{t.name, t.version, Unavailable, t.err.Error()})
		}
	}
	r.mu.Unlock()
	slices.SortFunc(out, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), compareVersions(a.Version, b.Version))
	})
	return out
}

func (r *Repository[M]) statusLocked(m *model[M], v *version[M]) Status {
	s := Status{Name: m.name, Version: v.entry.Version, State: Unavailable, Reason: v.reason}
	switch {
	case v.state != "":
		s.State = v.state
	case v.isLive:
		s.State = Ready
	case m.off:
		s.Reason = "it was unloaded"
	case v.reason != "":
	case !v.stale() || r.settled(v):
		s.Reason = fmt.Sprintf("the version policy %s does not choose it", r.policyOf(m))
	default:
		s.Reason = fmt.Sprintf("its folder is being written; it is looked at again when it has not changed for %s", r.cfg.Settle)
	}
	return s
}

// isClosed reports whether Close has begun.
func (r *Repository[M]) isClosed() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}
