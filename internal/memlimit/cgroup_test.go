package memlimit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// machine is a /proc and a tree of cgroups as files.
type machine struct {
	t   *testing.T
	dir string
}

// newMachine makes a process that is in the cgroups of a /proc/self/cgroup, with mounts of "point root type options" each.
func newMachine(t *testing.T, groups string, mounts ...string) *machine {
	m := &machine{t, t.TempDir()}
	m.write("proc/42/cgroup", groups)
	var info strings.Builder
	for i, line := range mounts {
		f := strings.Fields(line)
		fmt.Fprintf(&info, "%d 1 0:%d %s %s rw,relatime - %s none rw,%s\n", 30+i, 30+i, f[1], filepath.Join(m.dir, f[0]), f[2], f[3])
		require.NoError(t, os.MkdirAll(filepath.Join(m.dir, f[0]), 0o755))
	}
	m.write("proc/42/mountinfo", info.String())
	require.NoError(t, os.Symlink("42", filepath.Join(m.dir, "proc", "self")))
	return m
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(m.t, os.WriteFile(path, []byte(text), 0o600))
}

// v1 and v2 write a cgroup's files.
func (m *machine) v1(dir, limit string, used, activeFile, inactiveFile int) {
	m.write(dir+"/memory.limit_in_bytes", limit+"\n")
	m.write(dir+"/memory.usage_in_bytes", fmt.Sprintln(used))
	m.write(dir+"/memory.stat", fmt.Sprintf("cache 7\ninactive_file 99999\ntotal_active_file %d\ntotal_inactive_file %d\n", activeFile, inactiveFile))
}

func (m *machine) v2(dir, limit, high string, used, activeFile, inactiveFile, slab int) {
	m.write(dir+"/memory.max", limit+"\n")
	m.write(dir+"/memory.high", high+"\n")
	m.write(dir+"/memory.current", fmt.Sprintln(used))
	m.write(dir+"/memory.stat", fmt.Sprintf("anon 5\nactive_file %d\ninactive_file %d\nslab_reclaimable %d\nslab_unreclaimable 3\n", activeFile, inactiveFile, slab))
}

func (m *machine) want(want Usage) {
	m.t.Helper()
	source, err := cgroupOf(filepath.Join(m.dir, "proc"))
	require.NoError(m.t, err)
	if want == (Usage{}) {
		assert.Nil(m.t, source, "there is no limit")
		return
	}
	require.NotNil(m.t, source, "there is a limit")
	got, err := source()
	require.NoError(m.t, err)
	assert.Equal(m.t, want, got)
}

const noLimitV1 = "9223372036854771712"

func TestV1(t *testing.T) {
	mounts := []string{"cg/cpu / cgroup cpu", "cg/memory / cgroup memory", "cg/unified / cgroup2 nsdelegate"}
	m := newMachine(t, "4:memory:/a/b\n1:cpu:/\n0::/\n", mounts...)
	m.v1("cg/memory", noLimitV1, 9000, 0, 0)
	m.v1("cg/memory/a", "1000", 900, 200, 300)
	m.v1("cg/memory/a/b", noLimitV1, 500, 0, 0)
	m.want(Usage{1000, 400}) // of the one around it, which has the limit

	m.v1("cg/memory/a/b", "600", 500, 50, 50)
	m.want(Usage{600, 400})                     // the tighter one
	m.v1("cg/memory/a", "1000", 1000, 20, 10)   // whose neighbours have grown
	m.want(Usage{1000, 970})                    //
	m.v1("cg/memory/a", noLimitV1, 1000, 20, 9) //
	m.v1("cg/memory/a/b", noLimitV1, 500, 0, 0) //
	m.want(Usage{})
}

func TestV2(t *testing.T) {
	m := newMachine(t, "0::/system.slice/torchlit.service\n", "cg / cgroup2 nsdelegate")
	m.write("cg/cgroup.controllers", "cpu memory") // the root has no memory.max
	m.v2("cg/system.slice", "max", "max", 9000, 0, 0, 0)
	m.v2("cg/system.slice/torchlit.service", "max", "max", 100, 0, 0, 0)
	m.want(Usage{})
	m.v2("cg/system.slice/torchlit.service", "2000", "max", 1500, 100, 200, 300)
	m.want(Usage{2000, 900})
	m.v2("cg/system.slice/torchlit.service", "2000", "1800", 1500, 100, 200, 300)
	m.want(Usage{1800, 900})
}

// In a container /proc/self/cgroup has the path as the container sees it, "/", or, without a namespace of its own, as the host does; what
// is mounted is the container's own folder either way.
func TestContainers(t *testing.T) {
	m := newMachine(t, "0::/\n", "cg / cgroup2 rw")
	m.v2("cg", "512", "max", 100, 0, 0, 0)
	m.want(Usage{512, 100})

	m = newMachine(t, "5:memory:/docker/0123\n", "cg /docker/0123 cgroup memory")
	m.v1("cg", "512", 100, 0, 0)
	m.want(Usage{512, 100})

	m = newMachine(t, "5:memory:/kubepods/pod1/c1\n", "cg /docker/0123 cgroup memory")
	m.v1("cg", "512", 100, 0, 0)
	m.want(Usage{512, 100})
}

func TestNoCgroups(t *testing.T) {
	m := newMachine(t, "1:cpu:/\n", "cg / cgroup cpu")
	m.want(Usage{})
	m = newMachine(t, "4:memory:/\n", "cg / cgroup cpu") // not mounted here
	m.want(Usage{})
	_, err := cgroupOf(t.TempDir())
	assert.ErrorContains(t, err, "cannot find the memory limit")
}

// A file that cannot be read, or is none, is an error and no number.
func TestBadFiles(t *testing.T) {
	m := newMachine(t, "0::/\n", "cg / cgroup2 rw")
	m.v2("cg", "512", "max", 100, 0, 0, 0)
	source, err := cgroupOf(filepath.Join(m.dir, "proc"))
	require.NoError(t, err)
	m.write("cg/memory.stat", "active_file lots\n")
	_, err = source()
	assert.ErrorContains(t, err, "memory.stat")
	m.write("cg/memory.current", "")
	_, err = source()
	assert.ErrorContains(t, err, "cannot read the memory usage")
}

func TestProcess(t *testing.T) {
	source, err := Process(1 << 30)
	if err != nil {
		t.Skip(err)
	}
	before, err := source()
	require.NoError(t, err)
	ballast := make([]byte, 64<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	after, err := source()
	require.NoError(t, err)
	assert.Greater(t, after.Used, before.Used+(48<<20))
	assert.EqualValues(t, 1<<30, after.Limit)
	assert.NotZero(t, ballast[4096])
}

func TestTightest(t *testing.T) {
	of := func(limit, used int64) Source { return func() (Usage, error) { return Usage{limit, used}, nil } }
	assert.Nil(t, Tightest())
	assert.Nil(t, Tightest(nil, nil))
	u, err := Tightest(nil, of(10, 5))()
	require.NoError(t, err)
	assert.Equal(t, Usage{10, 5}, u)
	u, err = Tightest(of(10, 5), of(100, 99), of(7, 1))()
	require.NoError(t, err)
	assert.Equal(t, Usage{100, 99}, u)
}
