package tests

import (
	"go/ast"
	"strings"
	"testing"
)

// unchecked lists the packages whose tests do not look for goroutines that are left at their end, and why.
var unchecked = map[string]string{}

// leakChecks are the functions of which a TestMain calls one.
var leakChecks = map[string]bool{"goleak.VerifyTestMain": true, "goleak.Find": true, "torchtest.Main": true}

// TestGoroutineLeaksAreLookedFor: a goroutine that a test leaves behind is one that a server leaves behind a million times.
func TestGoroutineLeaksAreLookedFor(t *testing.T) {
	for _, p := range packages(t) {
		tests, checked := 0, false
		for name, f := range p.files {
			if !strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Recv != nil {
					continue
				}
				if fn.Name.Name == "TestMain" {
					checked = checked || looksForLeaks(fn)
				} else if strings.HasPrefix(fn.Name.Name, "Test") {
					tests++
				}
			}
		}
		switch why := unchecked[p.dir]; {
		case tests > 0 && !checked && why == "":
			t.Errorf("%s: no TestMain looks for goroutines that are left: func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }", p.dir)
		case checked && why != "":
			t.Errorf("%s looks for goroutines that are left, and is on the list of those that do not: take it off", p.dir)
		}
	}
}

func looksForLeaks(f *ast.FuncDecl) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if from, ok := s.X.(*ast.Ident); ok && leakChecks[from.Name+"."+s.Sel.Name] {
				found = true
			}
		}
		return true
	})
	return found
}
