package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// operator is one declaration of the list.
type operator struct {
	name    string
	doc     []string // lines, without the directives
	params  []param
	results []string // Go types

	call        call
	method      bool
	inplace     bool
	inplaceCall call // the zero call: derived from call
}

type param struct{ name, typ string }

// call is an operator's qualified name and its arguments.
type call struct {
	op   string
	args []string
}

func parse(path string) ([]operator, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var ops []operator
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			return nil, fmt.Errorf("%s: only functions belong here", fset.Position(decl.Pos()))
		}
		op, err := parseFunc(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", fset.Position(f.Pos()), f.Name.Name, err)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func parseFunc(f *ast.FuncDecl) (operator, error) {
	op := operator{name: f.Name.Name}
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			op.params = append(op.params, param{name.Name, typeString(field.Type)})
		}
	}
	if f.Type.Results != nil {
		for _, field := range f.Type.Results.List {
			for range max(1, len(field.Names)) {
				op.results = append(op.results, types.ExprString(field.Type))
			}
		}
	}
	if f.Doc == nil {
		return op, fmt.Errorf("it has no comment")
	}
	for _, c := range f.Doc.List {
		if err := op.line(c.Text); err != nil {
			return op, err
		}
	}
	for len(op.doc) > 0 && op.doc[len(op.doc)-1] == "//" {
		op.doc = op.doc[:len(op.doc)-1]
	}
	return op, op.check()
}

func typeString(e ast.Expr) string {
	if variadic, ok := e.(*ast.Ellipsis); ok {
		return "..." + types.ExprString(variadic.Elt)
	}
	return types.ExprString(e)
}

// line takes one line of the comment, which is a directive or documentation.
func (op *operator) line(text string) (err error) {
	directive, rest, _ := strings.Cut(text, " ")
	switch directive {
	case "//torch:op":
		op.call, err = parseCall(rest)
	case "//torch:method":
		op.method, op.inplace = true, op.inplace || rest == "inplace"
		if rest != "" && rest != "inplace" {
			err = fmt.Errorf("torch:method takes nothing or inplace, not %q", rest)
		}
	case "//torch:inplace":
		op.inplace = true
		if rest != "" {
			op.inplaceCall, err = parseCall(rest)
		}
	default:
		if strings.HasPrefix(text, "//torch:") {
			return fmt.Errorf("unknown directive %s", directive)
		}
		op.doc = append(op.doc, text)
	}
	return err
}

func parseCall(s string) (call, error) {
	name, args, ok := strings.Cut(s, "(")
	if !ok || !strings.HasSuffix(args, ")") {
		return call{}, fmt.Errorf("cannot read the call %q", s)
	}
	c := call{op: name}
	args = strings.TrimSuffix(args, ")")
	if args != "" {
		c.args = strings.Split(args, ", ")
	}
	return c, nil
}

// check finds what the Go compiler would not: a parameter that the call forgets.
func (op *operator) check() error {
	if len(op.doc) == 0 || strings.TrimRight(strings.Fields(op.doc[0])[1], ",") != op.name {
		return fmt.Errorf("its comment does not begin with its name")
	}
	if op.call.op == "" {
		return fmt.Errorf("it has no torch:op")
	}
	for _, p := range op.params {
		if !slices.Contains(op.call.args, p.name) && !slices.Contains(op.call.args, p.name+"?") && !slices.Contains(op.call.args, "number:"+p.name) {
			return fmt.Errorf("the call does not use %s", p.name)
		}
	}
	if (op.method || op.inplace) && (len(op.params) == 0 || op.params[0].typ != "Tensor") {
		return fmt.Errorf("a method needs a Tensor as its first parameter")
	}
	return nil
}

// inplaceOf returns the call of the in-place form: aten::add.Tensor becomes
// aten::add_.Tensor.
func (op *operator) inplaceOf() call {
	if op.inplaceCall.op != "" {
		return op.inplaceCall
	}
	base, overload, found := strings.Cut(op.call.op, ".")
	name := base + "_"
	if found {
		name += "." + overload
	}
	return call{name, op.call.args}
}
