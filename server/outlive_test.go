package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// fasthttp gives a RequestCtx to the next request when its handler returns. Two ways in which one could live on are
// forbidden in the text of this package and those below it: a goroutine that uses one, and a struct that keeps one or a part of it.
// What a goroutine gets instead is memory of ours, or a slice of the body that its handler waits for.
func TestRequestCtxStaysInItsHandler(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "*/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	set, checked := token.NewFileSet(), 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range outliving(f) {
			t.Errorf("%s: memory of a request may outlive its handler here", set.Position(at))
		}
		checked++
	}
	if checked < 20 {
		t.Fatalf("only %d files were looked at", checked)
	}
}

// requestScoped are fasthttp's types whose memory is a request's. requestHeaders in tracing.go holds a header, but is a
// value that no goroutine sees.
var requestScoped = map[string]bool{"RequestCtx": true, "Request": true, "Response": true}

// isRequestScoped reports whether an expression is the type *fasthttp.RequestCtx, or that of a part.
func isRequestScoped(e ast.Expr) bool {
	star, ok := e.(*ast.StarExpr)
	if !ok {
		return false
	}
	sel, ok := star.X.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "fasthttp" && requestScoped[sel.Sel.Name]
}

// outliving returns the places in f that break the rule.
func outliving(f *ast.File) (at []token.Pos) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if isRequestScoped(field.Type) {
					at = append(at, field.Pos())
				}
			}
		case *ast.FuncDecl:
			at = append(at, inGoroutines(n.Type, n.Body)...)
		case *ast.FuncLit:
			at = append(at, inGoroutines(n.Type, n.Body)...)
		}
		return true
	})
	return at
}

// inGoroutines finds the uses of a function's request-scoped parameters in goroutines that it starts, by go or by
// a WaitGroup's Go.
func inGoroutines(typ *ast.FuncType, body *ast.BlockStmt) (at []token.Pos) {
	scoped := map[string]bool{}
	for _, p := range typ.Params.List {
		for _, name := range p.Names {
			scoped[name.Name] = isRequestScoped(p.Type)
		}
	}
	uses := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && scoped[id.Name] {
				at = append(at, id.Pos())
			}
			return true
		})
	}
	if body == nil {
		return nil
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			uses(n.Call)
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Go" || sel.Sel.Name == "AfterFunc") {
				for _, arg := range n.Args {
					uses(arg)
				}
			}
		}
		return true
	})
	return at
}

// The rule sees what it should.
func TestOutliving(t *testing.T) {
	f := func(want int, body string) {
		t.Helper()
		parsed, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+body, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := outliving(parsed); len(got) != want {
			t.Errorf("%d places in %q; want %d", len(got), body, want)
		}
	}
	f(1, "func f(ctx *fasthttp.RequestCtx) { go func() { ctx.Path() }() }")
	f(1, "func f(ctx *fasthttp.RequestCtx) { go g(ctx) }")
	f(1, "func f(ctx *fasthttp.RequestCtx) { wg.Go(func() { g(ctx) }) }")
	f(1, "var h = func(r *fasthttp.Request) { time.AfterFunc(d, func() { g(r) }) }")
	f(1, "type s struct { ctx *fasthttp.RequestCtx }")
	f(0, "func f(ctx *fasthttp.RequestCtx, rctx context.Context) { wg.Go(func() { g(rctx) }) }")
	f(0, "func f(ctx context.Context) { go g(ctx) }")
}
