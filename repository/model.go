package repository

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/torchlit/torchlit/modeldir"
)

// model is one model of the folder. Repository.mu guards its fields; they are changed with the turn only, apart from
// what a scan finds and kept.
type model[M Model] struct {
	name string
	turn chan struct{} // capacity 1: full while somebody loads or unloads

	off      bool            // a caller unloaded it: the folder does not bring it back
	own      *Policy         // of its file
	asked    *Policy         // of the caller who loaded it
	extra    map[string]bool // versions that callers loaded beside the policy's
	kept     Kept
	versions map[string]*version[M]
}

// version is one version of a model.
type version[M Model] struct {
	entry   modeldir.Entry
	present bool      // its folder is there
	problem error     // why its folder cannot even be tried
	print   print     // of the folder when it was looked at last; "" when it is not there
	since   time.Time // when the print was first seen

	live   M
	isLive bool
	loaded print // what live was loaded of
	failed print // what could not be loaded; "" for none

	state  State // Loading or Unloading while it changes, else empty
	reason string
}

// newestFirst returns the versions that have a number, from the highest.
func (m *model[M]) newestFirst() []*version[M] {
	return slices.SortedFunc(maps.Values(m.versions), func(a, b *version[M]) int {
		return compareVersions(b.entry.Version, a.entry.Version)
	})
}

// liveOnes returns the versions that serve.
func (m *model[M]) liveOnes() []*version[M] {
	return slices.DeleteFunc(m.newestFirst(), func(v *version[M]) bool { return !v.isLive })
}

// compareVersions orders whole numbers in decimal, of any length.
func compareVersions(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// policyOf returns what chooses m's versions.
func (r *Repository[M]) policyOf(m *model[M]) Policy {
	if m.asked != nil {
		return *m.asked
	}
	if m.own != nil {
		return *m.own
	}
	if p, ok := r.cfg.Policies[m.name]; ok {
		return p
	}
	return r.cfg.Policy
}

// order says what a reconciliation is for. The zero order is to follow the folder.
type order struct {
	force bool   // load what is wanted anew, whether its folder changed or not, settled or not
	only  string // of it, this version alone; "" for all
}

// wanted returns the versions that are to be loaded. Those that failed, and do not serve, are passed over, so that the
// policy chooses among the others.
func (r *Repository[M]) wanted(m *model[M]) []*version[M] {
	if m.off {
		return nil
	}
	side := m.kept.Side
	var names []string
	var out []*version[M]
	for _, v := range m.newestFirst() {
		name := v.entry.Version
		switch {
		case !v.present || v.broken():
		case slices.Contains(side, name) || name == m.kept.Default || m.extra[name]:
			out = append(out, v)
			if !slices.Contains(side, name) {
				names = append(names, name)
			}
		default:
			names = append(names, name)
		}
	}
	for _, name := range r.policyOf(m).choose(names) {
		if v := m.versions[name]; !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// broken reports whether v's folder, as it is, was tried in vain, and nothing of v serves.
func (v *version[M]) broken() bool { return !v.isLive && v.failed != "" && v.failed == v.print }

// stale reports whether v's folder holds something that was not tried yet.
func (v *version[M]) stale() bool {
	return v.present && v.print != v.failed && (!v.isLive || v.print != v.loaded)
}

// settled reports whether v's folder is at rest.
func (r *Repository[M]) settled(v *version[M]) bool { return time.Since(v.since) >= r.cfg.Settle }
