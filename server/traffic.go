package server

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
)

// Traffic says which of a model's versions answer the requests that name none. The zero value leaves all of them to the
// newest version that is ready. A request that names a version gets that version, and has no shadow.
type Traffic struct {
	// Default answers what no other rule takes. Empty stands for the newest ready version that is neither the canary
	// nor the shadow. When the version named here is not ready, the newest one stands in for it.
	Default string `json:"default,omitempty"`

	// Canary answers a share of the requests while it is ready. Nil for none.
	Canary *Share `json:"canary,omitempty"`

	// Shadow gets the images of a share of the requests, beside the version that answers them. What it says is compared
	// and counted, never returned. Nil for none.
	Shadow *Share `json:"shadow,omitempty"`

	// Sticky says what of a request decides whether the canary takes it: "request_id", or "header:" and the name of a
	// header, such as "header:X-User-Id", so that one user always sees one version. A request without that header goes
	// by its id. Empty stands for "request_id".
	Sticky string `json:"sticky,omitempty"`
}

// Share is a version and the percentage of the requests that it gets, 0 to 100.
type Share struct {
	Version string  `json:"version"`
	Percent float64 `json:"percent"`
}

var stickyHeader = regexp.MustCompile(`^header:[A-Za-z0-9-]{1,64}$`)

// Validate reports what of t cannot work. That its versions exist is not asked: a canary may be announced before its
// folder is there.
func (t *Traffic) Validate() error {
	if t.Default != "" && !nameForm.MatchString(t.Default) {
		return fmt.Errorf("the default %q is no version", clip(t.Default))
	}
	for _, s := range []struct {
		what  string
		share *Share
	}{{"canary", t.Canary}, {"shadow", t.Shadow}} {
		if s.share == nil {
			continue
		}
		if !nameForm.MatchString(s.share.Version) {
			return fmt.Errorf("the %s's %q is no version", s.what, clip(s.share.Version))
		}
		if p := s.share.Percent; !(p >= 0 && p <= 100) || math.IsInf(p, 0) {
			return fmt.Errorf("the %s's percent is %v; it must be between 0 and 100", s.what, p)
		}
		if s.share.Version == t.Default {
			return fmt.Errorf("version %q is both the default and the %s", t.Default, s.what)
		}
	}
	if t.Sticky != "" && t.Sticky != "request_id" && !stickyHeader.MatchString(t.Sticky) {
		return errors.New(`sticky must be "request_id", or "header:" and the name of a header`)
	}
	return nil
}

// header is the header that decides, "" for the request's id.
func (t *Traffic) header() string {
	name, ok := strings.CutPrefix(t.Sticky, "header:")
	if !ok {
		return ""
	}
	return name
}

// side reports whether version is named as the canary or the shadow.
func (t *Traffic) side(version string) bool {
	return t.Canary != nil && t.Canary.Version == version || t.Shadow != nil && t.Shadow.Version == version
}

// isZero reports whether t leaves everything to the newest version.
func (t *Traffic) isZero() bool { return t.Default == "" && t.Canary == nil && t.Shadow == nil }

// traffic is a model's Traffic and what was counted under it.
type traffic struct {
	Traffic
	shadowed *comparison // nil without a shadow
}

// SetTraffic says which versions of a model answer from the next request on; the zero Traffic ends all rules. It stays in
// force while versions come and go. The Repository is told first, so that the versions named are loaded or stay so.
func (s *Server) SetTraffic(model string, t Traffic) error {
	if err := t.Validate(); err != nil {
		return badRequest("bad_traffic", sentence(err.Error()))
	}
	if s.cfg.Repository != nil {
		s.cfg.Repository.Keep(model, t)
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.setTrafficLocked(model, t)
	now := s.catalog.Load()
	s.putLocked(&catalog{models: now.models, emptied: now.emptied})
	return nil
}

func (s *Server) setTrafficLocked(model string, t Traffic) {
	if t.isZero() {
		delete(s.traffic, model)
		return
	}
	next := &traffic{Traffic: t}
	if t.Shadow != nil {
		next.shadowed = newComparison()
		if old := s.traffic[model]; old != nil && old.Shadow != nil && old.Shadow.Version == t.Shadow.Version {
			next.shadowed = old.shadowed // another percentage, the same question
		}
	}
	s.traffic[model] = next
}
