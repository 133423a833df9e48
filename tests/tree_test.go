package tests

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/torchlit/torchlit"

// pkg is one folder with Go files. All its files are read, whatever their build tags
// say: "go list" would not see a forbidden import in a file for another system.
type pkg struct {
	dir   string // slash-separated, below the repository root
	files map[string]*ast.File
}

var parsed = sync.OnceValues(func() ([]*pkg, error) {
	byDir := map[string]*pkg{}
	err := walk(func(name string, _ fs.DirEntry) error {
		dir := path.Dir(name)
		if path.Ext(name) != ".go" || strings.Contains("/"+name, "/testdata/") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir, map[string]*ast.File{}}
		}
		byDir[dir].files[name] = f
		return nil
	})
	var all []*pkg
	for _, p := range byDir {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *pkg) int { return strings.Compare(a.dir, b.dir) })
	return all, err
})

// packages returns all packages of the repository.
func packages(t *testing.T) []*pkg {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// code reports whether the package has more than tests.
func (p *pkg) code() bool {
	for name := range p.files {
		if !strings.HasSuffix(name, "_test.go") {
			return true
		}
	}
	return false
}

// imports maps each import path to a file that imports it.
func (p *pkg) imports(withTests bool) map[string]string {
	out := map[string]string{}
	for name, f := range p.files {
		if !withTests && strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, i := range f.Imports {
			if imported, err := strconv.Unquote(i.Path.Value); err == nil {
				out[imported] = name
			}
		}
	}
	return out
}

// reach returns how the package (its tests included) gets to the room, or nil. Of the
// packages in between only the code counts: their tests do not come along.
func reach(all []*pkg, from *pkg, to string) []string {
	byDir := map[string]*pkg{}
	for _, p := range all {
		byDir[p.dir] = p
	}
	seen := map[string]bool{}
	var visit func(p *pkg, withTests bool) []string
	visit = func(p *pkg, withTests bool) []string {
		seen[p.dir] = true
		for imported := range p.imports(withTests) {
			dir, ours := strings.CutPrefix(imported, module+"/")
			if !ours || seen[dir] || byDir[dir] == nil {
				continue
			}
			if within(dir, to) {
				return []string{p.dir, dir}
			}
			if chain := visit(byDir[dir], false); chain != nil {
				return append([]string{p.dir}, chain...)
			}
		}
		return nil
	}
	return visit(from, true)
}

// roomOf finds the rule for a package: that of the longest name which fits.
func roomOf(dir string) (name string, r room, ok bool) {
	for n, candidate := range rooms {
		if within(dir, n) && len(n) >= len(name) {
			name, r, ok = n, candidate, true
		}
	}
	return name, r, ok
}

// within reports whether the path is the root or lies below it.
func within(name, root string) bool {
	return name == root || strings.HasPrefix(name, root+"/")
}

// foreign reports whether an import path belongs to another module: its first element
// has a dot, as no package of the standard library has.
func foreign(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".")
}

func receiver(d *ast.FuncDecl) string {
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// file is one text file of the repository.
type file struct{ name, text string }

var texts = sync.OnceValues(func() ([]file, error) {
	var out []file
	err := walk(func(name string, d fs.DirEntry) error {
		if info, err := d.Info(); err != nil || info.Size() > 1<<20 {
			return err
		}
		b, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil || bytes.IndexByte(b[:min(len(b), 8000)], 0) >= 0 {
			return err
		}
		out = append(out, file{name, string(b)})
		return nil
	})
	return out, err
})

func textFiles(t *testing.T) []file {
	t.Helper()
	all, err := texts()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// walk visits the regular files that are ours: not what make fetches, builds, trains or
// downloads (compare .gitignore), and no hidden folders but the ones with CI in them.
func walk(visit func(name string, d fs.DirEntry) error) error {
	made := []string{"bin", "release", "site", "runs", "outputs", "multirun", "data/raw", "data/processed", "reports/tmp"}
	hidden := []string{".ci", ".github", ".devcontainer"}
	// TestMain went to the root before go test began to note which files are read; without this it looks for them in the wrong folder,
	// and would answer from its cache whatever has changed.
	if err := os.Chdir("."); err != nil {
		return err
	}
	return filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		base := path.Base(name)
		switch {
		case name == ".":
			return nil
		case d.IsDir():
			if slices.Contains(made, name) || base == "node_modules" || base == "__pycache__" ||
				strings.HasPrefix(base, ".") && !slices.Contains(hidden, name) {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || strings.HasPrefix(base, ".#"):
			return nil
		}
		return visit(name, d)
	})
}
