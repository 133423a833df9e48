package tests

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What a build, a test or a script installs has one version, so that it does the same tomorrow, and a release that somebody
// else publishes tonight does not run here unseen. What the documentation or a message advises users to install
// for themselves is their choice.
var (
	pipPin = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==([0-9][A-Za-z0-9.+!-]*|\$\{?[A-Z_]+\}?)$`)
	npmPin = regexp.MustCompile(`^(@[a-z0-9._-]+/)?[a-z0-9._-]+@[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9.]+)?$`)

	pipCommand = regexp.MustCompile(`\bpip[0-9.]* install ([^\n&|;)]*)`)
	npmCommand = regexp.MustCompile(`\b(?:npm (?:install|i|add|exec)|npx) ([^\n&|;)]*)`)
	goCommand  = regexp.MustCompile(`\b(?:go|\$\(GO\)|GO:-go\}) (?:run|install|get) [^\s@]+@(\S+)`)
	goPin      = regexp.MustCompile(`^(v[0-9]+\.[0-9]+\.[0-9]+|\$\{?[A-Z_]+)`)
)

// unpinned returns the packages of a command's arguments that have no exact version; options are left out.
func unpinned(args string, pin *regexp.Regexp) []string {
	var bad []string
	for _, a := range strings.Fields(args) {
		if a = strings.Trim(a, `"'`); a != "" && !strings.HasPrefix(a, "-") && !pin.MatchString(a) {
			bad = append(bad, a)
		}
	}
	return bad
}

func TestCommandsPinWhatTheyInstall(t *testing.T) {
	installs := []string{".py", ".sh", ".yml", ".yaml", ".mk"}
	for _, f := range textFiles(t) {
		base := path.Base(f.name)
		if strings.HasPrefix(base, "requirements") && path.Ext(base) == ".txt" {
			for line := range strings.Lines(f.text) {
				line, _, _ = strings.Cut(line, "#")
				for _, p := range unpinned(line, pipPin) {
					t.Errorf("%s: %s has no exact version", f.name, p)
				}
			}
		}
		if !slices.Contains(installs, path.Ext(base)) && !slices.Contains([]string{"Makefile", "Dockerfile", "run"}, base) {
			continue
		}
		for line := range strings.Lines(f.text) {
			if strings.Contains(line, "echo ") { // advice
				continue
			}
			for _, m := range pipCommand.FindAllStringSubmatch(line, -1) {
				for _, p := range unpinned(m[1], pipPin) {
					t.Errorf("%s: pip installs %s, which has no exact version", f.name, p)
				}
			}
			for _, m := range npmCommand.FindAllStringSubmatch(line, -1) {
				for _, p := range unpinned(m[1], npmPin) {
					t.Errorf("%s: npm installs %s, which has no exact version", f.name, p)
				}
			}
			for _, m := range goCommand.FindAllStringSubmatch(line, -1) {
				if !goPin.MatchString(m[1]) {
					t.Errorf("%s: a tool of Go is fetched at @%s, which is no exact version", f.name, m[1])
				}
			}
		}
	}
}

// TestRefereesArePinned: Python's and npm's packages that tests fetch. A list has exact versions throughout or not at all.
func TestRefereesArePinned(t *testing.T) {
	found := 0
	for _, p := range packages(t) {
		for name, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if s, ok := n.Fun.(*ast.SelectorExpr); ok && is(s.X, "interop") && s.Sel.Name == "Python" {
						found += pinned(t, name, n.Args, pipPin)
					} else if ok && is(s.X, "interop") && s.Sel.Name == "NPM" {
						found += pinned(t, name, n.Args, npmPin)
					}
				case *ast.CompositeLit:
					if slices.ContainsFunc(n.Elts, func(e ast.Expr) bool { return pipPin.MatchString(literal(e)) }) {
						found += pinned(t, name, n.Elts, pipPin)
					}
				}
				return true
			})
		}
	}
	if found < 20 {
		t.Errorf("only %d packages were found: this test looks for them in the wrong places", found)
	}
}

// pinned checks the strings among the expressions and returns their number.
func pinned(t *testing.T, file string, list []ast.Expr, pin *regexp.Regexp) int {
	t.Helper()
	n := 0
	for _, e := range list {
		s := literal(e)
		if s == "" || strings.HasPrefix(s, "-") {
			continue
		}
		n++
		if !pin.MatchString(s) {
			t.Errorf("%s: %q has no exact version", file, s)
		}
	}
	return n
}

// literal is the value of a string in the source, with "name=="+variable taken for a version.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); e.Kind == token.STRING && err == nil {
			return s
		}
	case *ast.BinaryExpr:
		if s := literal(e.X); strings.HasSuffix(s, "==") {
			return s + "$VERSION"
		}
	}
	return ""
}

func is(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func TestPins(t *testing.T) {
	f := func(pin *regexp.Regexp, args string, want ...string) {
		t.Helper()
		if got := unpinned(args, pin); !slices.Equal(got, want) {
			t.Errorf("%q: got %q; want %q", args, got, want)
		}
	}
	f(pipPin, `--quiet numpy==2.4.6 "a[b,c]==1.0rc1" x==$VERSION`)
	f(pipPin, "numpy torch>=2 a==1.* b~=1.0 'c==1,<2'", "numpy", "torch>=2", "a==1.*", "b~=1.0", "c==1,<2")
	f(npmPin, "--no-save axe-core@4.14.1 @scope/x@1.2.3")
	f(npmPin, "axe-core @scope/x x@^1.2.3 x@latest x@1", "axe-core", "@scope/x", "x@^1.2.3", "x@latest", "x@1")
}
