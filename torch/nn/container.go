package nn

import (
	"reflect"
	"sync"

	"github.com/torchlit/torchlit/torch"
)

// FunctionalModule is a function as a module: see Functional. The layers without
// parameters, such as ReLU and MaxPool2d, are of this type.
type FunctionalModule struct {
	Module
	function func(torch.Tensor) torch.Tensor
}

// Functional makes a module of a function, as in Functional(torch.Relu).
func Functional(f func(torch.Tensor) torch.Tensor) *FunctionalModule {
	m := &FunctionalModule{function: f}
	m.Init(m)
	return m
}

// Forward calls the function.
func (f *FunctionalModule) Forward(input torch.Tensor) torch.Tensor { return f.function(input) }

// ChainModule runs layers one after another: see Chain.
type ChainModule struct {
	Module
	Modules []Layer `torch:"."`
}

// Chain is Sequential of layers alone, so that the compiler knows what Forward takes
// and returns.
func Chain(layers ...Layer) *ChainModule {
	c := &ChainModule{Modules: layers}
	c.Init(c)
	return c
}

// Forward hands x through all the layers. Without layers it returns x itself.
func (c *ChainModule) Forward(x torch.Tensor) torch.Tensor {
	for _, layer := range c.Modules {
		x = layer.Forward(x)
	}
	return x
}

// SequentialModule runs modules one after another: see Sequential.
type SequentialModule struct {
	Module
	Modules []IModule `torch:"."`
}

// Sequential makes a module of modules that each have a method Forward, whatever its
// parameters and results. [Chain] is the typed form.
func Sequential(modules ...IModule) *SequentialModule {
	s := &SequentialModule{Modules: modules}
	s.Init(s)
	return s
}

// Forward calls the first module's Forward with inputs, hands its results to the next
// one's, and returns the result of the last, which has exactly one. It panics when
// there are no modules, or when one does not take what it is handed.
func (s *SequentialModule) Forward(inputs ...interface{}) interface{} {
	if len(s.Modules) == 0 {
		panic(misuse("nn.Sequential", "it has no modules to run"))
	}
	for i, module := range s.Modules {
		inputs = forward(i, module, inputs)
	}
	if len(inputs) != 1 {
		panic(misuse("nn.Sequential", "the last module, a %T, has %d results; it must have one",
			s.Modules[len(s.Modules)-1], len(inputs)))
	}
	return inputs[0]
}

// forward runs the i-th module: a Layer as such, any other by reflection.
func forward(i int, module IModule, inputs []interface{}) []interface{} {
	if layer, ok := module.(Layer); ok && len(inputs) == 1 {
		if x, ok := inputs[0].(torch.Tensor); ok {
			return []interface{}{layer.Forward(x)}
		}
	}
	method := forwardMethod(i, module)
	results := method.Call(arguments(i, module, method.Type(), inputs))
	outputs := make([]interface{}, len(results))
	for j, r := range results {
		outputs[j] = r.Interface()
	}
	return outputs
}

// forwards remembers where the method Forward stands in each type, as a search by name
// in every call would cost more than many an operator.
var forwards sync.Map // reflect.Type → int

func forwardMethod(i int, module IModule) reflect.Value {
	v := reflect.ValueOf(module)
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		panic(misuse("nn.Sequential", "module %d is nil", i))
	}
	if place, ok := forwards.Load(v.Type()); ok {
		return v.Method(place.(int))
	}
	method, ok := v.Type().MethodByName("Forward")
	if !ok {
		panic(misuse("nn.Sequential", "module %d, a %T, has no method Forward", i, module))
	}
	forwards.Store(v.Type(), method.Index)
	return v.Method(method.Index)
}

// arguments turns inputs into the values that Forward takes, or panics with a sentence
// that says which one does not fit.
func arguments(i int, module IModule, signature reflect.Type, inputs []interface{}) []reflect.Value {
	fixed := signature.NumIn()
	if signature.IsVariadic() {
		fixed--
	}
	if len(inputs) < fixed || len(inputs) > fixed && !signature.IsVariadic() {
		panic(misuse("nn.Sequential", "module %d, a %T, takes %d inputs, not %d", i, module, signature.NumIn(), len(inputs)))
	}
	values := make([]reflect.Value, len(inputs))
	for j, input := range inputs {
		want := signature.In(min(j, signature.NumIn()-1))
		if j >= fixed {
			want = want.Elem()
		}
		values[j] = reflect.ValueOf(input)
		if input == nil {
			values[j] = reflect.Zero(want)
		}
		if !values[j].Type().AssignableTo(want) {
			panic(misuse("nn.Sequential", "input %d of module %d, a %T, is a %s, not a %T", j, i, module, want, input))
		}
	}
	return values
}
