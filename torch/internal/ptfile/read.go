package ptfile

import (
	"archive/zip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/bits"
	"strings"

	"github.com/torchlit/torchlit/internal/pickle"
)

// Read returns the object in a file of torch.save: nil, bool, int64, float64,
// string, [Tuple], *[List], *[Dict], *[Tensor], or any of these in each other. A
// cycle is possible, so a walk over it needs a bound. A dtype or a class is some
// other value, a device its name.
//
// Storages are read from r when their Read is called; r must be open then.
func Read(r io.ReaderAt, size int64) (any, error) { return readObject(r, size, false) }

// ReadCheckpoint is Read for files that hold more than tensors and plain values, such
// as the configuration that a training program was given: what only Python could make
// is an *[Object], which says what would be made, and nothing is called for it. A name
// that is only good for doing harm is an error all the same.
func ReadCheckpoint(r io.ReaderAt, size int64) (any, error) { return readObject(r, size, true) }

func readObject(in io.ReaderAt, size int64, opaque bool) (any, error) {
	if isLegacy(in) {
		return readLegacy(in, size, opaque)
	}
	f, err := open(in, size)
	if err != nil {
		return nil, err
	}
	if z := f.records[f.prefix+"data.pkl"]; z.UncompressedSize64 > maxDescription {
		return nil, fmt.Errorf("the archive's data.pkl has %d bytes; more than %d describe no tensors", z.UncompressedSize64, maxDescription)
	}
	code, err := f.record("data.pkl")
	if err != nil {
		return nil, err
	}
	if order, err := f.record("byteorder"); err == nil && string(order) != "little" {
		return nil, fmt.Errorf("the file was written by a big-endian machine; save it again on a little-endian one")
	}
	r := pickle.Reader{Call: f.call, Persistent: f.storage, Opaque: opaque}
	v, _, err := r.Read(code)
	return v, err
}

// maxDescription bounds the pickle of a file. That of ten thousand tensors has some
// two million bytes.
const maxDescription = 32 << 20

type file struct {
	records  map[string]*zip.File
	prefix   string
	size     int64
	left     int64 // bytes that storages may still have, all together
	storages map[storageID]*typed
}

type storageID struct {
	key   string
	dtype DType
}

// typed is a storage and the element type that it was mentioned with.
type typed struct {
	*Storage
	dtype DType
}

func open(r io.ReaderAt, size int64) (*file, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, notZip(r, err)
	}
	f := &file{records: map[string]*zip.File{}, size: size, left: size, storages: map[storageID]*typed{}}
	for _, record := range z.File {
		if name, ok := strings.CutSuffix(record.Name, "/data.pkl"); ok && f.prefix == "" {
			f.prefix = name + "/"
		}
		f.records[record.Name] = record
	}
	if f.prefix == "" {
		return nil, errors.New("the archive has no data.pkl: it is not a file of torch.save")
	}
	if f.records[f.prefix+"constants.pkl"] != nil {
		return nil, errors.New("the file is a TorchScript program; load it with package jit")
	}
	return f, nil
}

// notZip looks for formats that are mistaken for this one.
func notZip(r io.ReaderAt, err error) error {
	head := make([]byte, 16)
	n, _ := r.ReadAt(head, 0)
	switch head = head[:n]; {
	case len(head) > 8 && head[8] == '{':
		return errors.New("the file seems to be in safetensors format")
	case len(head) > 2 && head[0] == 0x80 && head[1] <= 5:
		return errors.New("the file is a plain pickle, which is not what torch.save writes; save the state dict with torch.save")
	}
	return fmt.Errorf("not a file of torch.save: %w", err)
}

// record reads a record whole. Records are stored, not compressed, so none is
// longer than the file.
func (f *file) record(name string) ([]byte, error) {
	z := f.records[f.prefix+name]
	if z == nil {
		return nil, fmt.Errorf("the archive has no %s", name)
	}
	if z.UncompressedSize64 > uint64(f.size) {
		return nil, fmt.Errorf("the archive's %s is longer than the file", name)
	}
	if z.Method != zip.Store || z.CompressedSize64 != z.UncompressedSize64 {
		return nil, fmt.Errorf("the archive's %s is compressed", name)
	}
	r, err := z.OpenRaw()
	data := make([]byte, z.UncompressedSize64)
	if err == nil {
		_, err = io.ReadFull(r, data)
	}
	// PyTorch can be told to leave the checksums out; they are 0 then.
	if err == nil && z.CRC32 != 0 && crc32.ChecksumIEEE(data) != z.CRC32 {
		err = zip.ErrChecksum
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the archive's %s: %w", name, err)
	}
	return data, nil
}

// reference is what a persistent id says: ('storage', class, key, location, number of
// elements).
type reference struct {
	class    pickle.Global
	dtype    DType
	key      string
	location string
	elements int64
	bytes    int64
}

func parseReference(id any) (reference, error) {
	t, _ := id.(Tuple)
	if len(t) < 5 || t[0] != any("storage") {
		return reference{}, errors.New("the object refers to something other than a storage")
	}
	var r reference
	var ok1, ok2, ok3, ok4 bool
	r.class, ok1 = t[1].(pickle.Global)
	r.key, ok2 = t[2].(string)
	r.location, ok3 = t[3].(string)
	r.elements, ok4 = t[4].(int64)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return reference{}, errors.New("the object refers to something other than a storage")
	}
	var err error
	if r.dtype, err = storageType(r.class); err != nil {
		return reference{}, err
	}
	size := int64(1)
	if r.dtype != untyped {
		size, _ = r.dtype.size()
	}
	if r.elements < 0 || r.elements > math.MaxInt64/size {
		return reference{}, fmt.Errorf("the file has a storage of %d elements", r.elements)
	}
	r.bytes = r.elements * size
	return r, nil
}

// storage resolves a persistent id.
func (f *file) storage(id any) (any, error) {
	ref, err := parseReference(id)
	if err != nil {
		return nil, err
	}
	if s := f.storages[storageID{ref.key, ref.dtype}]; s != nil {
		return s, nil
	}
	name := "data/" + ref.key
	record := f.records[f.prefix+name]
	switch {
	case record == nil:
		return nil, fmt.Errorf("the archive has no %s", name)
	case uint64(ref.bytes) != record.UncompressedSize64:
		return nil, fmt.Errorf("the archive's %s has %d bytes, not %d elements of %s", name, record.UncompressedSize64, ref.elements, ref.class)
	case ref.bytes > f.left:
		return nil, errors.New("the storages are longer than the file")
	}
	f.left -= ref.bytes
	s := &typed{&Storage{Location: ref.location, Bytes: ref.bytes, Read: func() ([]byte, error) { return f.record(name) }}, ref.dtype}
	f.storages[storageID{ref.key, ref.dtype}] = s
	return s, nil
}

func storageType(class pickle.Global) (DType, error) {
	if class == (pickle.Global{Module: "torch.storage", Name: "UntypedStorage"}) {
		return untyped, nil
	}
	for _, t := range dtypes {
		if class.Module == "torch" && class.Name == t.class {
			return t.dtype, nil
		}
	}
	return 0, fmt.Errorf("the file has a %s, which is not supported", class)
}

// call is the whole list of functions that a file may call.
func (f *file) call(fn pickle.Global, args Tuple) (any, error) {
	switch fn.String() {
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3":
		return rebuild(fn.Name, args)
	case "torch._utils._rebuild_parameter": // data, requires_grad, hooks
		if len(args) >= 2 {
			t, ok1 := args[0].(*Tensor)
			grad, ok2 := args[1].(bool)
			if ok1 && ok2 {
				parameter := *t
				parameter.RequiresGrad = grad
				return &parameter, nil
			}
		}
	case "collections.OrderedDict":
		if len(args) == 0 {
			return &Dict{}, nil
		}
	case "torch.Size", "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_doublelist",
		"torch.jit._pickle.build_boollist", "torch.jit._pickle.build_tensorlist":
		if len(args) == 1 {
			return args[0], nil
		}
	case "torch.jit._pickle.restore_type_tag": // value, its type: libtorch's own files
		if len(args) == 2 {
			return args[0], nil
		}
	case "torch.device":
		if len(args) > 0 {
			if name, ok := args[0].(string); ok {
				return name, nil
			}
		}
	case "torch._tensor._rebuild_from_type_v2": // the function, the subclass of Tensor, its arguments, a state
		if len(args) == 4 {
			inner, ok1 := args[0].(pickle.Global)
			of, ok2 := args[2].(Tuple)
			if ok1 && ok2 && inner != fn {
				return f.call(inner, of)
			}
		}
	default:
		return nil, pickle.ErrUnknown
	}
	return nil, fmt.Errorf("the file calls %s with arguments that it does not take", fn)
}

// rebuild makes a tensor of (storage, offset, sizes, strides, requires_grad,
// hooks, metadata); version 3 has a dtype before the metadata, the first version
// ends with the strides.
func rebuild(version string, args Tuple) (*Tensor, error) {
	bad := fmt.Errorf("the file calls %s with arguments that it does not take", version)
	if len(args) < 4 {
		return nil, bad
	}
	s, ok1 := args[0].(*typed)
	offset, ok2 := args[1].(int64)
	sizes, ok3 := integers(args[2])
	strides, ok4 := integers(args[3])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return nil, bad
	}
	t := &Tensor{DType: s.dtype, Sizes: sizes, Strides: strides, Offset: offset, Storage: s.Storage}
	if len(args) > 4 {
		t.RequiresGrad, _ = args[4].(bool)
	}
	rest := args[min(len(args), 6):]
	if version == "_rebuild_tensor_v3" {
		dtype, ok := first(rest).(pickle.Global)
		if !ok {
			return nil, bad
		}
		if t.DType, ok = dtypeOf(dtype); !ok {
			return nil, fmt.Errorf("the file has a tensor of %s, which is not supported", dtype)
		}
		rest = rest[1:]
	}
	if d, ok := first(rest).(*Dict); ok && len(d.Items) > 0 {
		return nil, errors.New("the file has a conjugate or negative view; call resolve_conj and resolve_neg before saving")
	}
	if t.DType == untyped {
		return nil, bad
	}
	return t, t.check()
}

func first(list Tuple) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func dtypeOf(g pickle.Global) (DType, bool) {
	for _, t := range dtypes {
		if g.Module == "torch" && g.Name == t.name {
			return t.dtype, true
		}
	}
	return 0, false
}

func integers(v any) ([]int64, bool) {
	items, ok := v.(Tuple)
	if list, isList := v.(*List); isList {
		items, ok = list.Items, true
	}
	out := make([]int64, len(items))
	for i, x := range items {
		n, isInt := x.(int64)
		if !isInt {
			return nil, false
		}
		out[i] = n
	}
	return out, ok
}

const maxDims = 16

// check holds a tensor to its storage.
func (t *Tensor) check() error {
	size, _ := t.DType.size()
	bad := fmt.Errorf("the file has a tensor of sizes %v, strides %v and offset %d in a storage of %d bytes",
		t.Sizes, t.Strides, t.Offset, t.Storage.Bytes)
	if len(t.Sizes) != len(t.Strides) || len(t.Sizes) > maxDims || t.Offset < 0 {
		return bad
	}
	elements := t.Storage.Bytes / size
	last, count := uint64(t.Offset), uint64(1)
	for i, n := range t.Sizes {
		if n < 0 || t.Strides[i] < 0 {
			return bad
		}
		if n == 0 {
			return nil // no element, so none is outside
		}
		high1, product := bits.Mul64(count, uint64(n))
		high2, span := bits.Mul64(uint64(n-1), uint64(t.Strides[i]))
		var carry uint64
		last, carry = bits.Add64(last, span, 0)
		if high1|high2|carry != 0 || product > math.MaxInt64/16 {
			return bad
		}
		count = product
	}
	if last >= uint64(elements) {
		return bad
	}
	return nil
}
