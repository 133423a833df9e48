package torch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

// operator is how the tests call one declared operator: its function, the Try form,
// and the arguments of each golden case. One list of arguments serves all cases.
type operator struct {
	name       string
	plain, try reflect.Value
	cases      []args
}

// args are a call's arguments: numbers, strings and slices as they are; in, ins and
// via for tensors of the case; nil for the zero Tensor and the nil slice.
type (
	args []any
	in   string   // the input of that name
	ins  []string // a []Tensor of these inputs, "" for the zero Tensor
	via  struct { // an input that f prepares
		name string
		f    func(torch.Tensor) torch.Tensor
	}
	ints = []int64
)

// complexIn is an input that the golden holds as [..., 2].
func complexIn(name string) via {
	return via{name, func(x torch.Tensor) torch.Tensor {
		return torch.ViewAsComplex(x.Contiguous(torch.ContiguousFormat))
	}}
}

var (
	unary  = args{in("a")}
	binary = args{in("a"), in("other")}
)

func op(plain, try any, cases ...args) operator {
	return operator{nameOf(reflect.ValueOf(plain)), reflect.ValueOf(plain), reflect.ValueOf(try), cases}
}

// nameOf returns the name of a function without its package's.
func nameOf(f reflect.Value) string {
	name := runtime.FuncForPC(f.Pointer()).Name()
	return name[strings.LastIndex(name, ".")+1:]
}

// values turns the arguments into those of a function of that type.
func (a args) values(t *testing.T, f reflect.Type, tensors inputs) []reflect.Value {
	t.Helper()
	find := func(name string) torch.Tensor {
		x, ok := tensors[name]
		require.True(t, ok || name == "", "no input %q in the golden", name)
		return x
	}
	var list []reflect.Value
	for i, x := range a {
		var typ reflect.Type
		if f.IsVariadic() && i >= f.NumIn()-1 {
			typ = f.In(f.NumIn() - 1).Elem()
		} else {
			typ = f.In(i)
		}
		switch x := x.(type) {
		case nil:
			list = append(list, reflect.Zero(typ))
		case in:
			list = append(list, reflect.ValueOf(find(string(x))))
		case via:
			list = append(list, reflect.ValueOf(x.f(find(x.name))))
		case ins:
			ts := make([]torch.Tensor, len(x))
			for i, name := range x {
				ts[i] = find(name)
			}
			list = append(list, reflect.ValueOf(ts))
		default:
			list = append(list, reflect.ValueOf(x).Convert(typ))
		}
	}
	return list
}

// invoke calls the function and takes its results apart.
func invoke(f reflect.Value, arguments []reflect.Value) (tensors []torch.Tensor, err error) {
	for _, r := range f.Call(arguments) {
		switch r := r.Interface().(type) {
		case torch.Tensor:
			tensors = append(tensors, r)
		case []torch.Tensor:
			tensors = append(tensors, r...)
		case bool:
			tensors = append(tensors, torch.NewTensor([]bool{r}).View())
		case error:
			err = r
		}
	}
	return tensors, err
}

// call returns a call of the plain function with arguments a.
func (o operator) call(t *testing.T, a args) func(inputs) []torch.Tensor {
	return func(tensors inputs) []torch.Tensor {
		t.Helper()
		results, _ := invoke(o.plain, a.values(t, o.plain.Type(), tensors))
		return results
	}
}

// operators is the table: each declared operator stands in one of the lists.
var operators = slices.Concat(unaryOperators, pointwiseOperators, compareOperators, reduceOperators,
	shapeOperators, indexOperators, likeOperators, randomOperators, linalgOperators, complexOperators,
	lossOperators, nnOperators)

func TestOperatorsAgainstPyTorch(t *testing.T) {
	list := declarations(t)
	for _, o := range operators {
		t.Run(o.name, func(t *testing.T) {
			d, ok := list[o.name]
			require.True(t, ok, "the list has no such operator any more")
			inScope(t, func() {
				cases := goldensOf(t, o.name)
				if len(o.cases) > 1 {
					require.Len(t, o.cases, len(cases), "cases here and in operators.py")
				}
				for i, g := range cases {
					a := o.cases[min(i, len(o.cases)-1)]
					g.checkForward(t, g.inputs(asItIs), o.call(t, a))
					g.checkGradient(t, o.call(t, a))
					if !needsMemoryOrder[o.name] {
						g.checkForward(t, g.inputs(scattered), o.call(t, a))
					}
					o.checkTry(t, g, a)
					o.checkMethods(t, d, g, a)
				}
				o.checkMisuse(t, d, cases[0])
			})
		})
	}
}

// needsMemoryOrder names the operators whose results depend on the order of their
// operand's elements in memory: those that share it; Kron, which takes a view of a
// product and refuses some orders, in Python too; and those that draw random numbers
// in that order.
var needsMemoryOrder = map[string]bool{
	"View": true, "ViewAsComplex": true, "Kron": true, "Multinomial": true, "Bernoulli": true, "Exponential": true, "Dropout": true, "AlphaDropout": true,
	"RandLike": true, "RandNLike": true, "RandIntLike": true, "Rrelu": true,
}

// scattered returns x with its elements in another order in memory, and not
// contiguous.
func scattered(x torch.Tensor) torch.Tensor {
	switch x.Dim() {
	case 0:
		return x
	case 1:
		return torch.Stack([]torch.Tensor{x, x}, 1).Select(1, 0)
	}
	return x.Transpose(0, -1).Contiguous(torch.ContiguousFormat).Transpose(0, -1)
}

func (o operator) checkTry(t *testing.T, g *golden, a args) {
	t.Helper()
	torch.ManualSeed(20)
	results, err := invoke(o.try, a.values(t, o.try.Type(), g.inputs(asItIs)))
	require.NoError(t, err)
	g.checkResults(t, results)
}

// checkMethods compares the method and the in-place method, where declared. What
// cannot be done in place (a result of another shape or dtype) may be an error.
func (o operator) checkMethods(t *testing.T, d declaration, g *golden, a args) {
	t.Helper()
	method := func(name string) ([]torch.Tensor, torch.Tensor, error) {
		arguments := a.values(t, o.plain.Type(), g.inputs(asItIs))
		receiver := arguments[0].Interface().(torch.Tensor)
		m := reflect.ValueOf(receiver).MethodByName(name)
		require.True(t, m.IsValid(), "no method %s", name)
		torch.ManualSeed(20)
		var results []torch.Tensor
		err := torch.Try(func() { results, _ = invoke(m, arguments[1:]) })
		return results, receiver, err
	}
	if d.method {
		results, _, err := method(o.name)
		require.NoError(t, err)
		g.checkResults(t, results)
	}
	if d.inplace {
		results, receiver, err := method(o.name + "I")
		if err == nil {
			require.Len(t, results, 1)
			require.True(t, results[0].T == receiver.T, "%sI does not return its receiver", o.name)
			g.checkResults(t, results)
			return
		}
		first := g.in[string(a[0].(in))]
		sameKind := first.DType == g.out[0].DType && slices.Equal(first.Shape, g.out[0].Shape)
		require.False(t, sameKind, "%s in place: %v", g.key, err)
	}
}

// checkMisuse gives each tensor argument in turn a zero and a closed Tensor, and a
// dimension that is not there: an error, or a panic with one, never a signal.
func (o operator) checkMisuse(t *testing.T, d declaration, g *golden) {
	t.Helper()
	a := o.cases[0]
	for i := range a {
		p := d.params[min(i, len(d.params)-1)]
		refused := func(bad any, want string) {
			t.Helper()
			arguments := a.values(t, o.plain.Type(), g.inputs(asItIs))
			arguments[i] = reflect.ValueOf(bad)
			_, err := invoke(o.try, arguments)
			assert.ErrorContains(t, err, want, "Try%s, %s = %v", o.name, p.name, bad)
			assert.Contains(t, refusal(t, func() { invoke(o.plain, arguments) }).Error(), want)
		}
		closed := torch.Ones([]int64{1}, false)
		closed.Close()
		switch a[i].(type) {
		case in, via:
			refused(closed, "the tensor is closed")
			if !p.optional {
				refused(torch.Tensor{}, "the tensor is nil")
			}
		case ins:
			refused([]torch.Tensor{closed}, "the tensor is closed")
			if !p.optional {
				refused([]torch.Tensor{{}}, "the tensor is nil")
			}
		}
		if p.name == "dim" {
			refused(int64(99), "imension")
		}
	}
}

// declaration is what the tests know of an operator of the list.
type declaration struct {
	method, inplace bool
	params          []param
}

type param struct {
	name     string
	optional bool // the zero value stands for none
}

// declarations reads the list, the folder operators.
func declarations(t *testing.T) map[string]declaration {
	t.Helper()
	paths, err := filepath.Glob("operators/*.go")
	require.NoError(t, err)
	list := map[string]declaration{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f := decl.(*ast.FuncDecl)
			list[f.Name.Name] = declared(f)
		}
	}
	return list
}

func declared(f *ast.FuncDecl) (d declaration) {
	var call string
	for _, c := range f.Doc.List {
		directive, rest, _ := strings.Cut(c.Text, " ")
		switch directive {
		case "//torch:op":
			call = rest
		case "//torch:method":
			d.method, d.inplace = true, d.inplace || rest == "inplace"
		case "//torch:inplace":
			d.inplace = true
		}
	}
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			d.params = append(d.params, param{name.Name, strings.Contains(call, name.Name+"?")})
		}
	}
	return d
}

func TestEveryOperatorHasAGolden(t *testing.T) {
	has := map[string]bool{}
	for _, o := range operators {
		assert.False(t, has[o.name], "%s stands in the table twice", o.name)
		has[o.name] = true
		assert.Equal(t, "Try"+o.name, nameOf(o.try))
	}
	for name := range declarations(t) {
		assert.True(t, has[name], "no golden for %s: add it to testdata/operators.py and golden_*_test.go", name)
	}
}
