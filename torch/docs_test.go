package torch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every name that docs/source/torch.md gives for this package must exist.
func TestDocumentedNamesExist(t *testing.T) {
	page, err := os.ReadFile("../docs/source/torch.md")
	require.NoError(t, err)
	exported := exportedNames(t)
	found := regexp.MustCompile(`\b(?:torch|a|t|w|loss)\.([A-Z]\w*)`).FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(found), 50)
	for _, m := range found {
		if !exported[m[1]] {
			t.Errorf("docs/source/torch.md names %s, which package torch does not have", m[0])
		}
	}
}

// exportedNames lists the package's exported declarations, methods included.
func exportedNames(t *testing.T) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				names[d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						names[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names[n.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}
