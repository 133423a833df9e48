package memlimit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// Where the kernel says what: cgroup v2 in Documentation/admin-guide/cgroup-v2.rst, v1 in admin-guide/cgroup-v1/memory.rst.

// level is one cgroup on the way from the process's own to the root, which each may bound it.
type level struct {
	limits []string // files; the least counts
	used   string
	stat   string
	cache  []string // what of stat the kernel takes back when it needs room
}

// unlimited is what v1 has where there is no limit: the largest number of whole pages.
const unlimited = 1 << 62

// Cgroup returns the source for the cgroup that the process is in, and those around it. It is nil where none of them has a limit.
func Cgroup() (Source, error) { return cgroupOf(procfs.DefaultMountPoint) }

func cgroupOf(proc string) (Source, error) {
	levels, err := levelsOf(proc)
	if err != nil {
		return nil, fmt.Errorf("cannot find the memory limit of the process's cgroup: %w", err)
	}
	var bounded []level
	for _, l := range levels {
		if _, ok := l.limit(); ok {
			bounded = append(bounded, l)
		}
	}
	if len(bounded) == 0 {
		return nil, nil
	}
	return func() (Usage, error) { return least(bounded) }, nil
}

// least is the usage of the level with the least room. A limit that was taken away since counts as none.
func least(levels []level) (Usage, error) {
	tightest := Usage{Limit: unlimited}
	for _, l := range levels {
		limit, ok := l.limit()
		if !ok {
			continue
		}
		used, err := l.usage()
		if err != nil {
			return Usage{}, err
		}
		if u := (Usage{limit, used}); u.Room() < tightest.Room() {
			tightest = u
		}
	}
	return tightest, nil
}

// levelsOf finds the process's memory cgroup and those around it that can be seen. Where a container has a namespace of its own for
// them, that is the one it is in, whose path is then the root.
func levelsOf(proc string) ([]level, error) {
	fs, err := procfs.NewFS(proc)
	if err != nil {
		return nil, err
	}
	self, err := fs.Self()
	if err != nil {
		return nil, err
	}
	groups, err := self.Cgroups()
	if err != nil {
		return nil, err
	}
	mounts, err := fs.GetProcMounts(self.PID)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(groups, func(g procfs.Cgroup) bool { return slices.Contains(g.Controllers, "memory") })
	fsType, of := "cgroup", levelV1
	if at < 0 { // v1 has the controller, where it has it, to itself
		at = slices.IndexFunc(groups, func(g procfs.Cgroup) bool { return g.HierarchyID == 0 })
		fsType, of = "cgroup2", levelV2
	}
	if at < 0 {
		return nil, nil
	}
	for _, m := range mounts {
		if _, memory := m.SuperOptions["memory"]; m.FSType != fsType || fsType == "cgroup" && !memory {
			continue
		}
		if dirs := dirsUp(m.MountPoint, m.Root, groups[at].Path); dirs != nil {
			var levels []level
			for _, d := range dirs {
				levels = append(levels, of(d))
			}
			return levels, nil
		}
	}
	return nil, nil
}

// dirsUp lists the folders of the cgroup at path and of those above it, as far as a mount of root shows them; nil when it does not show
// path. A path outside of root is that of another namespace: then the mount's own folder is the nearest there is.
func dirsUp(mountPoint, root, path string) []string {
	below, err := filepath.Rel(root, path)
	if err != nil || below == ".." || strings.HasPrefix(below, "../") {
		below = "."
	}
	dir := filepath.Join(mountPoint, below)
	if _, err := os.Stat(dir); err != nil {
		dir = mountPoint
	}
	dirs := []string{dir}
	for dir != mountPoint {
		dir = filepath.Dir(dir)
		dirs = append(dirs, dir)
	}
	return dirs
}

func levelV1(dir string) level {
	in := func(name string) string { return filepath.Join(dir, name) }
	return level{
		limits: []string{in("memory.limit_in_bytes")}, used: in("memory.usage_in_bytes"),
		stat: in("memory.stat"), cache: []string{"total_active_file", "total_inactive_file"},
	}
}

// levelV2 takes memory.high for a limit as well: beyond it the kernel slows the process down to a crawl instead of ending it.
func levelV2(dir string) level {
	in := func(name string) string { return filepath.Join(dir, name) }
	return level{
		limits: []string{in("memory.max"), in("memory.high")}, used: in("memory.current"),
		stat: in("memory.stat"), cache: []string{"active_file", "inactive_file", "slab_reclaimable"},
	}
}

// limit is the level's, and whether it has one. A file that is not there is none: the root of v2 has none.
func (l level) limit() (int64, bool) {
	limit := int64(unlimited)
	for _, name := range l.limits {
		if n, err := readNumber(name); err == nil {
			limit = min(limit, n)
		}
	}
	return limit, limit < unlimited
}

// usage is what the level holds that the kernel cannot take back. The page cache counts as its, in which a file lies that was
// read or mapped once; the kernel drops it before it kills.
func (l level) usage() (int64, error) {
	used, err := readNumber(l.used)
	if err != nil {
		return 0, fmt.Errorf("cannot read the memory usage: %w", err)
	}
	stat, err := os.ReadFile(l.stat)
	if err != nil {
		return 0, fmt.Errorf("cannot read the memory usage: %w", err)
	}
	for line := range bytes.Lines(stat) {
		name, value, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
		if !ok || !slices.Contains(l.cache, name) {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("cannot read %q: %w", l.stat, err)
		}
		used -= n
	}
	return max(used, 0), nil
}

var errNoLimit = errors.New("there is no limit")

// readNumber reads a file of one number. "max", and what is as good as that, is errNoLimit.
func readNumber(name string) (int64, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	text := string(bytes.TrimSpace(data))
	if text == "max" {
		return 0, errNoLimit
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot read %q: %w", name, err)
	}
	if n >= unlimited {
		return 0, errNoLimit
	}
	return int64(n), nil
}
