//go:build interop

package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInteropSiteIsStrict builds the site of a repository that has little else, by mkdocs itself: as it is, which warns of the files that are not
// there, and with pages that would have their readers fetch something.
func TestInteropSiteIsStrict(t *testing.T) {
	dir := t.TempDir()
	deps, err := filepath.Abs(".deps")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(deps, filepath.Join(dir, ".deps")); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"requirements.txt", "tools/docs.sh", "tools/venv.sh", "docs/mkdocs.yml", "docs/hooks.py", "docs/theme/partials/source.html",
		"docs/source/assets/site.css", "docs/source/assets/sign.svg", "docs/source/diagrams/drift.svg"} {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, f), string(text))
	}
	build := func(page string) string {
		t.Helper()
		put(t, filepath.Join(dir, "docs/source/index.md"), page)
		// Only this page is there: what the nav has beside it is not the matter.
		cmd := exec.CommandContext(t.Context(), "tools/docs.sh", "build")
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	if out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "init", "-q").CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
	put(t, filepath.Join(dir, "server/doc.go"), "package server\n")

	for _, c := range []struct{ page, want string }{
		{"# One\n\n[gone](../../server/gone.go)\n", "index.md links to ../../server/gone.go, which the repository does not have"},
		{"# One\n\n[gone](gone.md)\n", "contains a link 'gone.md'"},
		{"# One\n\n[gone](#gone)\n", "contains a link '#gone'"},
		{"# One\n\n![far](https://example.com/a.png)\n", "would have the reader fetch something from elsewhere: <img"},
		{"# One\n\n<script src=\"//example.com/a.js\"></script>\n", "would have the reader fetch something from elsewhere: <script"},
	} {
		if out := build(c.page); !strings.Contains(out, c.want) {
			t.Errorf("%q: mkdocs does not say %q:\n%s", c.page, c.want, out)
		}
	}

	out := build("# One\n\n[code](../../server/doc.go#L1) and [room](../../server)\n\n![way](diagrams/drift.svg)\n\n```\n[kept](../../server)\n```\n")
	for _, bad := range []string{"index.md links to", "would have the reader"} {
		if strings.Contains(out, bad) {
			t.Errorf("a page that is as it should be: %s", out)
		}
	}
	html, err := os.ReadFile(filepath.Join(dir, "site/index.html"))
	if err != nil {
		t.Fatalf("%v: a build by hand without --strict, which ends well", err)
	}
	for _, want := range []string{
		`href="https://github.com/torchlit/torchlit/blob/main/server/doc.go#L1"`, `href="https://github.com/torchlit/torchlit/tree/main/server"`,
		`<title id="drift-title">`, `[kept](../../server)`,
	} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
