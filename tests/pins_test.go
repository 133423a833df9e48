package tests

import (
	"go/ast"
	"go/token"
	"os"
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
				line, _, _ = strings.Cut(line, ";") // where it is wanted
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

// A section of requirements_dev.txt or requirements.txt is what package internal/interop takes for one.
var section = regexp.MustCompile(`(?m)^# ([a-z][a-z0-9.-]*)(?: \[[^\]]+\])?: `)

// TestReferees: Python's packages that tests fetch stand in requirements_dev.txt, under a name that is there once and that a test asks for.
func TestReferees(t *testing.T) {
	asked := map[string]bool{}
	for _, p := range packages(t) {
		for name, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok {
					s := literal(e)
					asked[s] = asked[s] || p.imports(true)[module+"/internal/interop"] != ""
					if pipPin.MatchString(s) && !within(p.dir, "tests") && !within(p.dir, "tools/deps") {
						t.Errorf("%s: %q: the place of Python's packages is requirements_dev.txt", name, s)
					}
				}
				return true
			})
		}
	}
	seen := map[string]bool{}
	for _, f := range textFiles(t) {
		if f.name != "requirements_dev.txt" && f.name != "requirements.txt" {
			continue
		}
		for _, m := range section.FindAllStringSubmatch(f.text, -1) {
			if seen[m[1]] {
				t.Errorf("%s: there are two sections %q", f.name, m[1])
			}
			seen[m[1]] = true
			if f.name == "requirements_dev.txt" && !asked[m[1]] {
				t.Errorf("%s: no test asks for %q", f.name, m[1])
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d sections were found: this test does not see them", len(seen))
	}
}

// TestNPMPins: npm's packages that tests fetch stand where they are used.
func TestNPMPins(t *testing.T) {
	found := 0
	for _, p := range packages(t) {
		for name, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if s, ok := call.Fun.(*ast.SelectorExpr); ok && is(s.X, "interop") && s.Sel.Name == "NPM" {
						found += pinned(t, name, call.Args, npmPin)
					}
				}
				return true
			})
		}
	}
	if found == 0 {
		t.Error("none was found: this test looks for them in the wrong places")
	}
}

// TestCUDAPins: what requirements_dev.txt repeats of torch/LIBTORCH, it repeats in the same version.
func TestCUDAPins(t *testing.T) {
	libtorch, err := os.ReadFile("torch/LIBTORCH")
	if err != nil {
		t.Fatal(err)
	}
	dev, err := os.ReadFile("requirements_dev.txt")
	if err != nil {
		t.Fatal(err)
	}
	wheels := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^ +wheel (nvidia_[a-z0-9_]+)-([0-9.]+)-`).FindAllStringSubmatch(string(libtorch), -1) {
		wheels[strings.ReplaceAll(m[1], "_", "-")] = m[2]
	}
	compared := 0
	for _, m := range regexp.MustCompile(`(?m)^(nvidia-[a-z0-9-]+)==([0-9.]+)`).FindAllStringSubmatch(string(dev), -1) {
		if want := wheels[m[1]]; want != "" {
			compared++
			if m[2] != want {
				t.Errorf("requirements_dev.txt names %s %s; torch/LIBTORCH pins %s", m[1], m[2], want)
			}
		}
	}
	if compared < 10 {
		t.Errorf("only %d versions were compared: this test does not see them", compared)
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

// literal is the value of a string in the source.
func literal(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if s, err := strconv.Unquote(lit.Value); err == nil {
			return s
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
