package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}

// TestPagesArePublished pushes a site by the script to a repository on this disk; what builds it has a stand-in, but for git.
func TestPagesArePublished(t *testing.T) {
	w := newWorld(t, "GH_TOKEN=secret", "HOME="+t.TempDir(), "GIT_CONFIG_NOSYSTEM=1") // where nobody has told git who he is
	dir := t.TempDir()
	git(t, dir, "init", "-q")
	git(t, dir, "-c", "user.name=n", "-c", "user.email=e@example.com", "commit", "-q", "--allow-empty", "-m", "one")
	commit := git(t, dir, "rev-parse", "HEAD")
	for _, folder := range []string{"scripts", "tools"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, folder), 0o755))
	}
	script := filepath.Join(dir, "scripts", "pages.sh")
	require.NoError(t, os.WriteFile(script, []byte(read(t, "pages.sh")), 0o755))
	build := w.standIn("docs.sh", `printf 'protocol=https\nhost=github.com\n\n' | git credential fill; git config user.email`)
	require.NoError(t, os.Symlink(build, filepath.Join(dir, "tools", "docs.sh")))

	out := w.must("/", script, "fork")
	asked := w.asked()
	assert.Equal(t, []string{"docs.sh gh-deploy --strict --force --no-history --remote-name fork --message The site of " + commit}, asked)
	assert.Contains(t, out, "username=x-access-token\npassword=secret\n", "git is told the token when it asks for it")
	assert.Contains(t, out, "github-actions@users.noreply.github.com\n")
	assert.NotContains(t, git(t, dir, "config", "--list"), "secret")
}
