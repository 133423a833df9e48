package repository

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/torchlit/torchlit/modeldir"
)

// ModelFile is what one may put beside a model's version folders: {"version_policy": …}, as [Policy.UnmarshalJSON]
// reads it.
const ModelFile = "repository.json"

// found is a version as a scan finds it.
type found struct {
	entry   modeldir.Entry
	problem error
	print   print
}

// scan looks at the folder and notes what is there; it changes nothing of what is loaded. With a name it notes that
// model's alone. Its error is about the folder as a whole: then nothing is noted.
func (r *Repository[M]) scan(only string) error {
	r.scanning.Lock()
	defer r.scanning.Unlock()
	entries, err := r.entries()
	bad, err := badEntries(err)
	if err != nil {
		return err
	}
	seen := map[string]map[string]found{}
	note := func(e modeldir.Entry, problem error) {
		if only != "" && e.Name != only {
			return
		}
		f := found{entry: e, problem: problem}
		var err error
		if f.print, err = printOf(e.Dir); err != nil {
			f.print = print("unreadable: " + err.Error())
			f.problem = err
		}
		if problem != nil {
			f.print = "incomplete: " + f.print
		}
		if seen[e.Name] == nil {
			seen[e.Name] = map[string]found{}
		}
		seen[e.Name][e.Version] = f
	}
	for _, e := range entries {
		note(e, nil)
	}
	wrong := map[string]*modeldir.BadEntry{} // neither a version nor possibly one
	unsure := map[string]bool{}              // models of which not all versions may have been seen
	for _, b := range bad {
		if isNumber(b.Version) {
			note(modeldir.Entry{Name: b.Name, Version: b.Version, Dir: b.Dir}, b)
			continue
		}
		wrong[b.Dir] = b
		unsure[b.Name] = unsure[b.Name] || b.Version == ""
	}
	policies, policyErrs := ownPolicies(entries)

	r.mu.Lock()
	defer r.mu.Unlock()
	for name, versions := range seen {
		r.noteLocked(r.modelLocked(name), versions)
	}
	for name, m := range r.models {
		if only != "" && name != only {
			continue
		}
		if _, failed := policyErrs[name]; !failed {
			m.own = policies[name]
		}
		if !unsure[name] {
			m.noteAbsent(seen[name])
		}
		if len(m.versions) == 0 && m.kept.empty() && !m.off {
			delete(r.models, name)
		}
	}
	if only == "" {
		r.noteTroubleLocked(wrong, policyErrs)
	}
	return nil
}

// entries lists the folder.
func (r *Repository[M]) entries() ([]modeldir.Entry, error) {
	if r.cfg.Name != "" {
		return modeldir.ListAs(r.cfg.Root, r.cfg.Name)
	}
	return modeldir.List(r.cfg.Root)
}

// badEntries takes List's error apart. What is not about an entry is about the folder.
func badEntries(err error) (bad []*modeldir.BadEntry, rest error) {
	if err == nil {
		return nil, nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			b, r := badEntries(e)
			bad, rest = append(bad, b...), errors.Join(rest, r)
		}
		return bad, rest
	}
	if b, ok := errors.AsType[*modeldir.BadEntry](err); ok {
		return []*modeldir.BadEntry{b}, nil
	}
	return nil, err
}

func isNumber(version string) bool {
	n, err := strconv.ParseUint(version, 10, 63)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == version
}

func (r *Repository[M]) noteLocked(m *model[M], versions map[string]found) {
	now := time.Now()
	for name, f := range versions {
		v := m.versions[name]
		if v == nil {
			v = &version[M]{}
			m.versions[name] = v
		}
		v.entry, v.present, v.problem = f.entry, true, f.problem
		if v.print != f.print {
			v.print, v.since = f.print, now
		}
	}
}

// noteAbsent notes which versions were not seen, and forgets those of which nothing is left.
func (m *model[M]) noteAbsent(seen map[string]found) {
	for name, v := range m.versions {
		if _, ok := seen[name]; ok {
			continue
		}
		if v.present {
			v.present, v.print, v.since = false, "", time.Now()
		}
		if !v.isLive && v.state == "" {
			delete(m.versions, name)
		}
	}
}

func (k Kept) empty() bool { return k.Default == "" && len(k.Side) == 0 }

// ownPolicies reads the models' own files.
func ownPolicies(entries []modeldir.Entry) (policies map[string]*Policy, errs map[string]error) {
	policies, errs = map[string]*Policy{}, map[string]error{}
	read := map[string]bool{}
	for _, e := range entries {
		if read[e.Name] || filepath.Base(e.Dir) != e.Version {
			continue
		}
		read[e.Name] = true
		p, err := readModelFile(filepath.Join(filepath.Dir(e.Dir), ModelFile))
		if err != nil {
			errs[e.Name] = err
			continue
		}
		policies[e.Name] = p
	}
	return policies, errs
}

func readModelFile(path string) (*Policy, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var file struct {
		VersionPolicy *Policy `json:"version_policy"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", path, err)
	}
	return file.VersionPolicy, nil
}

// trouble is something in the folder that is not as it should be.
type trouble struct {
	name, version string
	dir           string // "" when it is about a file
	err           error
	since         time.Time
	told          bool
}

// noteTroubleLocked keeps what is wrong now, and since when.
func (r *Repository[M]) noteTroubleLocked(wrong map[string]*modeldir.BadEntry, policyErrs map[string]error) {
	now := map[string]*trouble{}
	for where, b := range wrong {
		now[where] = &trouble{name: b.Name, version: b.Version, dir: b.Dir, err: b.Err}
	}
	for name, err := range policyErrs {
		now[name+"/"+ModelFile] = &trouble{name: name, err: err}
	}
	for where, t := range now {
		t.since = time.Now()
		if old := r.trouble[where]; old != nil && old.err.Error() == t.err.Error() {
			t.since, t.told = old.since, old.told
		}
	}
	r.trouble = now
}

// tellTrouble reports the trouble that lasts: a folder that is being written is no trouble. It reports whether there is
// any that may yet pass.
func (r *Repository[M]) tellTrouble() (fresh bool) {
	r.mu.Lock()
	var tell []error
	for _, t := range r.trouble {
		switch {
		case t.told:
		case time.Since(t.since) < r.cfg.Settle:
			fresh = true
		default:
			t.told = true
			tell = append(tell, t.err)
		}
	}
	r.mu.Unlock()
	if f := r.cfg.Observer.Trouble; f != nil {
		for _, err := range tell {
			f(err)
		}
	}
	return fresh
}
