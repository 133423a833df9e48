//go:build interop

package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// NPM returns the node_modules folder with the given packages in it, each pinned as name@version. It lies under .deps/npm
// and is made once for each set of packages. Where there is no npm the test is skipped, or fails if none may be.
func NPM(t testing.TB, packages ...string) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		const reason = "npm is not installed (Debian and Ubuntu: apt-get install npm)"
		if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	sum := sha256.Sum256([]byte(strings.Join(packages, "\n")))
	dir := filepath.Join(repository(t), ".deps", "npm", hex.EncodeToString(sum[:6]))
	unlock := lock(t, dir)
	defer unlock()

	modules, done := filepath.Join(dir, "node_modules"), filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return modules
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "npm", append([]string{"install", "--prefix", dir, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"}, packages...)...)
	if err := os.WriteFile(done, []byte(strings.Join(packages, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return modules
}
