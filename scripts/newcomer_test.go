package scripts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// newcomer is a world in which nothing is made and fetched: what would run in the root is written down.
func newcomer(t *testing.T, env ...string) *world {
	t.Helper()
	if _, err := os.Stat("/etc/apt/sources.list.d"); err != nil {
		t.Skip("this is no Debian or Ubuntu, on which alone the script runs")
	}
	tmp := t.TempDir()
	w := newWorld(t, append([]string{"TMPDIR=" + tmp, "TESTS=", "PORT="}, env...)...)
	toolchain := write(t, filepath.Join(t.TempDir(), "go", "VERSION"), "go")
	w.standIn("id", "echo 0")
	w.standIn("curl", "exit 7") // nobody listens
	w.standIn("debootstrap", `for root; do case $root in /tmp*|"$TMPDIR"*) break ;; esac; done
mkdir -p "$root"/etc/apt "$root"/etc/ssl/certs "$root"/usr/local/share/ca-certificates "$root"/root`)
	w.standIn("go", `case $2 in GOROOT) echo '`+filepath.Dir(toolchain)+`' ;; *) echo "$2-here" ;; esac`)
	// unshare ... bash -euc SCRIPT inside ROOT /usr/bin/env -i NAME=value... COMMAND...
	w.standIn("unshare", `while [ "$1" != /usr/bin/env ]; do shift; done
shift 2
while [[ $1 == *=* ]]; do shift; done
echo "inside: $*" | head -n 1 >>'`+w.log+`'`)
	return w
}

// inside returns what ran in the root.
func (w *world) inside() (commands []string) {
	for _, line := range w.asked() {
		if command, ok := strings.CutPrefix(line, "inside: "); ok {
			commands = append(commands, command)
		}
	}
	return commands
}

// The script installs what README lists, and nothing else, and runs what README says.
func TestNewcomer(t *testing.T) {
	w := newcomer(t)
	out := w.must("..", "scripts/newcomer.sh")
	line := "apt-get install --no-install-recommends ca-certificates curl git make"
	assert.Contains(t, read(t, "../README.md"), "\n"+line+"\n")
	ran := w.inside()
	assert.Equal(t, []string{
		"apt-get update -q", "apt-get install -y -q --no-install-recommends ca-certificates curl git make",
	}, ran[:2])
	assert.Contains(t, ran[2], "first_answers")
	assert.Equal(t, []string{"make -C /root/torchlit test", "git -C /root/torchlit status --porcelain"}, ran[3:])
	assert.Contains(t, out, "=== all passed")

	// Nothing of it is left.
	for _, e := range w.env {
		if tmp, ok := strings.CutPrefix(e, "TMPDIR="); ok {
			left, err := os.ReadDir(tmp)
			assert.NoError(t, err)
			assert.Empty(t, left)
		}
	}
}

func TestNewcomerSomeTests(t *testing.T) {
	w := newcomer(t, "TESTS=./batching/... ./tests")
	root := filepath.Join(t.TempDir(), "root")
	w.must("..", "scripts/newcomer.sh", root)
	assert.Contains(t, w.inside(), "go test -C /root/torchlit ./batching/... ./tests")
	assert.DirExists(t, filepath.Join(root, "root", "torchlit", "scripts"), "a folder that was named stays")
	assert.FileExists(t, filepath.Join(root, "usr", "local", "go", "VERSION"))

	w = newcomer(t, "TESTS=none")
	w.must("..", "scripts/newcomer.sh")
	for _, command := range w.inside() {
		assert.NotContains(t, command, "test")
	}
}

func TestNewcomerRefuses(t *testing.T) {
	w := newcomer(t)
	w.standIn("curl", "exit 0")
	_, errs, status := w.run("..", "scripts/newcomer.sh")
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "something listens on port 8080")
	assert.Empty(t, w.inside())

	w = newcomer(t)
	w.standIn("id", "echo 1000")
	_, errs, status = w.run("..", "scripts/newcomer.sh")
	assert.Equal(t, 2, status)
	assert.Contains(t, errs, "scripts/newcomer.sh [FOLDER]")

	// What fails in there fails here.
	w = newcomer(t)
	w.standIn("unshare", "exit 3")
	_, _, status = w.run("..", "scripts/newcomer.sh")
	assert.Equal(t, 3, status)
}
