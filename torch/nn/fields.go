package nn

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
	"unicode"

	"github.com/torchlit/torchlit/torch"
)

// part is one of the things that a module is made of: a tensor or a submodule.
type part struct {
	field  reflect.StructField
	value  reflect.Value // of type torch.Tensor, or of a type that implements IModule
	index  int           // in the field's slice; -1 when the field is no slice
	module IModule       // nil for a tensor
}

var (
	baseType   = reflect.TypeFor[Module]()
	moduleType = reflect.TypeFor[IModule]()
	tensorType = reflect.TypeFor[torch.Tensor]()
)

// partsOf lists the parts of a module that are there, in the order of its fields.
func partsOf(module IModule) []part {
	return appendParts(nil, structOf(module))
}

// structOf returns the struct that a module points to, and for the Module that gotorch
// hands to functions of Apply, the one around it.
func structOf(module IModule) reflect.Value {
	if m, ok := module.(*Module); ok && m != nil {
		module = m.self()
	}
	v := reflect.ValueOf(module)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(misuse("nn.Module", "a module is a pointer to a struct, not %#v", module))
	}
	return v.Elem()
}

func appendParts(list []part, v reflect.Value) []part {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		switch {
		case field.Anonymous && field.Type != baseType && field.Type != tensorType && field.Type.Kind() == reflect.Struct:
			list = appendParts(list, value)
		case !field.IsExported():
		case field.Type.Kind() == reflect.Slice || field.Type.Kind() == reflect.Array:
			if element := field.Type.Elem(); element == tensorType || element.Implements(moduleType) {
				for j := range value.Len() {
					list = appendPart(list, part{field: field, value: value.Index(j), index: j})
				}
			}
		default:
			list = appendPart(list, part{field: field, value: value, index: -1})
		}
	}
	return list
}

// appendPart adds p when it is a part, and there.
func appendPart(list []part, p part) []part {
	switch t := p.value.Type(); {
	case t == tensorType:
		if p.tensor().T == nil {
			return list
		}
	case t.Implements(moduleType):
		if p.value.Kind() == reflect.Struct || p.value.IsNil() {
			return list
		}
		p.module = p.value.Interface().(IModule)
		if inner := reflect.ValueOf(p.module); inner.Kind() == reflect.Pointer && inner.IsNil() {
			return list
		}
	default:
		return list // a setting
	}
	return append(list, p)
}

func (p part) tensor() torch.Tensor { return p.value.Interface().(torch.Tensor) }

// name is gotorch's: the field's, with the place in a slice in brackets.
func (p part) name() string {
	if p.index < 0 {
		return p.field.Name
	}
	return fmt.Sprintf("%s[%d]", p.field.Name, p.index)
}

// torchName is PyTorch's: see TorchStateDict.
func (p part) torchName() string {
	name, tagged := p.field.Tag.Lookup("torch")
	switch {
	case !tagged:
		name = snakeCase(p.field.Name)
	case name == ".":
		return fmt.Sprint(p.index)
	case strings.Contains(name, "%d"):
		return fmt.Sprintf(name, p.index)
	}
	if p.index < 0 {
		return name
	}
	return fmt.Sprintf("%s.%d", name, p.index)
}

// snakeCase turns RunningMean into running_mean, and BN1 into bn1.
func snakeCase(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, r := range letters {
		if i > 0 && unicode.IsUpper(r) {
			endOfAcronym := unicode.IsUpper(letters[i-1]) && i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if !unicode.IsUpper(letters[i-1]) || endOfAcronym {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// entry is a parameter or buffer of a module or of one of its submodules.
type entry struct {
	part
	tensor      torch.Tensor
	prefix      string // gotorch's name of the module that holds it
	torchPrefix string // PyTorch's, with a dot at the end; empty for the outermost
}

func (e entry) name() string      { return e.prefix + "." + e.part.name() }
func (e entry) torchName() string { return e.torchPrefix + e.part.torchName() }
func (e entry) buffer() bool      { return e.field.Tag.Get("gotorch") == "buffer" }

func entriesOf(module IModule) []entry {
	return appendEntries(nil, module, structOf(module).Type().Name(), "")
}

func appendEntries(list []entry, module IModule, prefix, torchPrefix string) []entry {
	for _, p := range partsOf(module) {
		if p.module == nil {
			list = append(list, entry{p, p.tensor(), prefix, torchPrefix})
		} else {
			list = appendEntries(list, p.module, prefix+"."+p.name(), torchPrefix+p.torchName()+".")
		}
	}
	return list
}

func children(module IModule) iter.Seq[IModule] {
	return func(yield func(IModule) bool) {
		for _, p := range partsOf(module) {
			if p.module != nil && !yield(p.module) {
				return
			}
		}
	}
}

// Modules goes over a module and all its submodules, each before its own parts.
func Modules(module IModule) iter.Seq[IModule] {
	return func(yield func(IModule) bool) {
		visitModules(structOf(module).Addr().Interface().(IModule), yield)
	}
}

func visitModules(module IModule, yield func(IModule) bool) bool {
	if !yield(module) {
		return false
	}
	for child := range children(module) {
		if !visitModules(child, yield) {
			return false
		}
	}
	return true
}

// Visitor is called with a field that holds a tensor, the tensor's own Value, and the
// name of the module that has the field. noSuffix tells that the tensor is an element
// of a slice, and that prefix is its whole name. An error ends the visit.
type Visitor func(f reflect.StructField, v reflect.Value, prefix string, noSuffix bool) error

// VisitTensors calls visit with every parameter and buffer of a module and of its
// submodules, and returns the error that visit ended with.
func VisitTensors(module IModule, visit Visitor) error {
	for _, e := range entriesOf(module) {
		prefix := e.prefix
		if e.index >= 0 {
			prefix = e.name()
		}
		if err := visit(e.field, e.value, prefix, e.index >= 0); err != nil {
			return err
		}
	}
	return nil
}

// Close frees all parameters and buffers of a module and of its submodules, and their
// gradients. The module is of no use afterwards. Closing twice does nothing.
func Close(module IModule) {
	for _, e := range entriesOf(module) {
		e.tensor.Close()
	}
}
