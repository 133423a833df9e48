package weights

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/torchlit/torchlit/torch/internal/ptfile"
	"github.com/torchlit/torchlit/torch/safetensors"
)

// pickled is a state dict in a file of torch.save.
type pickled map[string]*ptfile.Tensor

func openPickled(r io.ReaderAt, size int64) (*File, error) {
	root, err := ptfile.ReadCheckpoint(r, size)
	if err != nil {
		return nil, err
	}
	list, section, err := find(root)
	if err != nil {
		return nil, err
	}
	f := &File{section: section}
	tensors := pickled{}
	var total int64
	for _, e := range list {
		if tensors[e.name] == nil {
			f.names = append(f.names, e.name)
		}
		tensors[e.name] = e.tensor
		bytes, err := bytesOf(e.tensor)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", e.name, err)
		}
		// Weights that are tied lie on the same memory; a file that claims much more than
		// it has would cost memory and time without an end.
		if total += bytes; total > 4*size+1<<20 {
			return nil, errors.New("its tensors lie on each other: they have many times the bytes of the file; save them with .clone()")
		}
	}
	f.tensors = tensors
	return f, nil
}

// bytesOf is the size of a tensor that is laid out in full.
func bytesOf(t *ptfile.Tensor) (int64, error) {
	n := ptfile.Size(t.DType)
	for _, d := range t.Sizes {
		n *= d // bounded by the reader: see Tensor.check there
	}
	if n > max(t.Storage.Bytes, 1<<16) {
		return 0, fmt.Errorf("it is expanded to shape %v; save it with .contiguous()", t.Sizes)
	}
	return n, nil
}

func (p pickled) shape(name string) ([]int64, bool) {
	t, ok := p[name]
	if !ok {
		return nil, false
	}
	return t.Sizes, true
}

func (p pickled) read(name string) (safetensors.View, error) {
	t := p[name]
	v := safetensors.View{Name: name, DType: dtype(t.DType), Shape: t.Sizes}
	if v.DType == "" {
		return v, errors.New("its element type is not one of weights")
	}
	data, err := t.Storage.Read()
	if err != nil {
		return v, err
	}
	v.Data = rowMajor(t, data)
	return v, nil
}

// rowMajor lays a tensor out in full. Weights of networks that ran in PyTorch's
// channels_last have other strides.
func rowMajor(t *ptfile.Tensor, storage []byte) []byte {
	size := ptfile.Size(t.DType)
	contiguous, n := true, int64(1)
	for i := len(t.Sizes) - 1; i >= 0; i-- {
		contiguous = contiguous && (t.Sizes[i] == 1 || t.Strides[i] == n)
		n *= t.Sizes[i]
	}
	if n == 0 {
		return []byte{}
	}
	if contiguous {
		return storage[t.Offset*size : (t.Offset+n)*size]
	}
	out := make([]byte, 0, n*size)
	var walk func(dim int, at int64)
	walk = func(dim int, at int64) {
		if dim == len(t.Sizes) {
			out = append(out, storage[at*size:(at+1)*size]...)
			return
		}
		for range t.Sizes[dim] {
			walk(dim+1, at)
			at += t.Strides[dim]
		}
	}
	walk(0, t.Offset)
	return out
}

type entry struct {
	name   string
	tensor *ptfile.Tensor
}

// sections are the keys under which training programs keep a state dict, in the order in
// which timm prefers them: an average of the weights before the weights themselves.
// Sources: load_state_dict in timm's models/_helpers.py; Lightning's checkpoint; the
// reference scripts of torchvision.
var sections = []string{
	"state_dict_ema", "model_ema", "ema_state_dict", "ema",
	"state_dict", "model_state_dict", "model", "net", "network", "weights", "module", "params", "parameters",
}

// find looks for the state dict in what a file holds.
func find(root any) (list []entry, section string, err error) {
	if list = flatten(root); list != nil {
		return list, "", nil
	}
	d, ok := root.(*ptfile.Dict)
	if !ok {
		return nil, "", fmt.Errorf("it holds %s, and no state dict; save model.state_dict()", ptfile.Describe(root))
	}
	for _, key := range sections {
		inner := d.Get(key)
		if list = flatten(inner); list != nil {
			return list, key, nil
		}
		if deeper, ok := inner.(*ptfile.Dict); ok { // an average that keeps its count beside the weights
			for _, key2 := range sections {
				if list = flatten(deeper.Get(key2)); list != nil {
					return list, key + "." + key2, nil
				}
			}
		}
	}
	return nil, "", fmt.Errorf("it holds no state dict: its keys are %s; save model.state_dict()", keys(d))
}

// flatten returns the tensors of a state dict or of a whole network; nil if v is neither.
func flatten(v any) []entry {
	switch v := v.(type) {
	case *ptfile.Dict:
		return stateDict(v)
	case *ptfile.Object:
		m := module{seen: map[*ptfile.Object]bool{}}
		m.walk("", v, 0)
		return m.list
	}
	return nil
}

// stateDict returns the tensors of a dictionary by name, if there are any. Other entries,
// such as a count of steps, are passed over.
func stateDict(d *ptfile.Dict) []entry {
	list := tensors("", d.Items)
	if 2*len(list) < len(d.Items) { // a checkpoint that has a tensor among other things
		return nil
	}
	return list
}

func tensors(prefix string, items []ptfile.Item) (list []entry) {
	for _, item := range items {
		name, ok1 := item.Key.(string)
		tensor, ok2 := item.Value.(*ptfile.Tensor)
		if ok1 && ok2 {
			list = append(list, entry{prefix + name, tensor})
		}
	}
	return list
}

// module walks over a network that was pickled whole: an object whose attributes
// _parameters, _buffers and _modules are dictionaries.
type module struct {
	list []entry
	seen map[*ptfile.Object]bool // a network is a tree; a file need not be
}

// maxDepth bounds the nesting of modules, and with it the length of a name.
const maxDepth = 64

func (m *module) walk(prefix string, o *ptfile.Object, depth int) {
	attributes, ok := o.State.(*ptfile.Dict)
	if !ok || m.seen[o] || depth > maxDepth {
		return
	}
	m.seen[o] = true
	m.list = append(m.list, tensors(prefix, items(attributes.Get("_parameters")))...)
	m.list = append(m.list, tensors(prefix, items(attributes.Get("_buffers")))...)
	for _, item := range items(attributes.Get("_modules")) {
		name, ok1 := item.Key.(string)
		child, ok2 := item.Value.(*ptfile.Object)
		if ok1 && ok2 {
			m.walk(prefix+name+".", child, depth+1)
		}
	}
}

func items(v any) []ptfile.Item {
	if d, ok := v.(*ptfile.Dict); ok {
		return d.Items
	}
	return nil
}

// keys lists the first keys of a dictionary for an error.
func keys(d *ptfile.Dict) string {
	var list []string
	for i, item := range d.Items {
		if i == 8 {
			list = append(list, "…")
			break
		}
		if s, ok := item.Key.(string); ok {
			list = append(list, fmt.Sprintf("%.40q", s))
		}
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, ", ")
}
