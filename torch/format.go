package torch

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// A tensor as text, to the letter as PyTorch's Python prints it:
//
//	tensor([[1.0000, 2.5000],
//	        [3.0000,    nan]], requires_grad=True)
//
// libtorch's own text is another one. So the rules are Python's (its module
// torch._tensor_str), and the elements are read here. Of a tensor with more than
// a thousand elements only the first and last three along each dimension are
// printed, and only those are fetched.
const (
	printDigits    = 4    // behind the point
	printThreshold = 1000 // elements beyond which the middle is left out
	printEdge      = 3    // elements kept at both ends then
	printWidth     = 80   // characters of a line
	printPrefix    = "tensor("
)

var (
	opPick = libtorch.NewOp("aten::index.Tensor")
)

// dtypeNames are the names of the element types in Python's torch.
var dtypeNames = map[int64]string{
	0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32",
	7: "float64", 8: "complex32", 9: "complex64", 10: "complex128", 11: "bool", 12: "qint8",
	13: "quint8", 14: "qint32", 15: "bfloat16", 23: "float8_e5m2", 24: "float8_e4m3fn",
	25: "float8_e5m2fnuz", 26: "float8_e4m3fnuz", 27: "uint16", 28: "uint32", 29: "uint64",
}

// Print writes String and a newline to the standard output.
func (t Tensor) Print() { fmt.Println(t.String()) }

// String formats the tensor as PyTorch's Python does, with its elements, or the
// first and last of them when there are more than a thousand. A tensor of a
// layout or type that is not supported comes in libtorch's own format.
func (t Tensor) String() string {
	switch _, err := t.borrow(); err {
	case nil:
	case errNil:
		return "nil"
	default:
		return "a closed tensor"
	}
	var s string
	err := Try(func() { s = t.format() })
	if err != nil {
		s, err = libtorch.Print(t.pointer())
		runtime.KeepAlive(t.T)
	}
	if err != nil {
		return fmt.Sprintf("a tensor that cannot be printed: %v", err)
	}
	return s
}

func (t Tensor) format() string {
	info := t.info()
	body := "[]"
	if info.Numel > 0 {
		body = t.elements(&info)
	}
	return appendSuffixes(printPrefix+body, t.suffixes(&info))
}

// suffixes lists what is said behind the elements.
func (t Tensor) suffixes(info *libtorch.Info) (list []string) {
	if d := (Device{info.DeviceType, info.DeviceIndex}); d.kind != 0 {
		list = append(list, "device='"+d.String()+"'")
	}
	dtype := int8(info.DType)
	usual := dtype == Float
	if info.Numel == 0 {
		if info.Dims != 1 {
			list = append(list, "size="+tuple(info.Sizes[:info.Dims]))
		}
	} else {
		usual = usual || dtype == ComplexFloat || dtype == Long || dtype == Bool
	}
	if !usual {
		list = append(list, "dtype=torch."+dtypeNames[info.DType])
	}
	made, err := libtorch.GradFn(t.pointer())
	runtime.KeepAlive(t.T)
	switch {
	case err != nil:
		list = append(list, "grad_fn=<Invalid>")
	case made != "":
		list = append(list, "grad_fn=<"+made[strings.LastIndexByte(made, ':')+1:]+">")
	case info.RequiresGrad != 0:
		list = append(list, "requires_grad=True")
	}
	return list
}

// appendSuffixes breaks the line where a suffix would cross its end.
func appendSuffixes(s string, suffixes []string) string {
	last := len(s) - strings.LastIndexByte(s, '\n') + 1
	for _, suffix := range suffixes {
		if last+len(suffix)+2 > printWidth {
			s += ",\n" + strings.Repeat(" ", len(printPrefix)) + suffix
			last = len(printPrefix) + len(suffix)
		} else {
			s += ", " + suffix
			last += len(suffix) + 2
		}
	}
	return s + ")"
}

func tuple(list []int64) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.FormatInt(n, 10)
	}
	if len(texts) == 1 {
		return "(" + texts[0] + ",)"
	}
	return "(" + strings.Join(texts, ", ") + ")"
}

// grid is the part of a tensor that is printed: one cell for each element, in
// row-major order.
type grid struct {
	sizes []int64
	cut   []bool // dimensions whose middle is left out
	cells []string
	width int // of a cell, as far as the lengths of lines are concerned
}

func (t Tensor) elements(info *libtorch.Info) string {
	g := grid{sizes: info.Sizes[:info.Dims], cut: make([]bool, info.Dims)}
	part := t.Detach()
	defer func() { part.Close() }()
	become := func(next Tensor) {
		part.Close()
		part = next
	}
	if info.Numel > printThreshold {
		become(part.edges(&g))
	}
	switch dtype := int8(info.DType); dtype {
	case Byte, Char, Short, Int, Long:
		become(part.CastTo(Long))
		g.integers(Slice[int64](part))
	case Bool:
		g.bools(part.Bytes())
	case 27, 28, 29: // uint16, uint32, uint64
		g.unsigned(part.Bytes(), int(info.Bytes/info.Numel))
	case ComplexHalf, ComplexFloat, ComplexDouble:
		become(part.CastTo(ComplexDouble))
		g.complexes(part.Bytes())
	default:
		become(part.CastTo(Double))
		g.floats(Slice[float64](part))
	}
	text, _ := g.text(0, len(printPrefix), g.cells)
	return text
}

// edges picks the elements that are printed of a large tensor, by one index
// vector for each dimension, which broadcast against each other.
func (t Tensor) edges(g *grid) Tensor {
	var c call
	c.tensor(t)
	indices := make([]Tensor, len(g.sizes))
	sizes := make([]int64, len(g.sizes))
	for d, n := range g.sizes {
		var kept []int64
		for i := range min(n, 2*printEdge) {
			if n > 2*printEdge && i >= printEdge {
				i += n - 2*printEdge
			}
			kept = append(kept, i)
		}
		g.cut[d] = n > 2*printEdge
		sizes[d] = int64(len(kept))
		shape := make([]int64, len(g.sizes))
		for i := range shape {
			shape[i] = 1
		}
		shape[d] = sizes[d]
		indices[d] = FromSlice(kept, shape...)
		defer indices[d].Close()
	}
	g.sizes = sizes
	c.optionalTensors(indices)
	return must(c.try(opPick))
}

// text formats the cells of the dimensions from d on, and returns those behind.
func (g *grid) text(d, indent int, cells []string) (string, []string) {
	if d == len(g.sizes) {
		return cells[0], cells[1:]
	}
	if d == len(g.sizes)-1 {
		n := g.sizes[d]
		return g.line(cells[:n], indent, g.cut[d]), cells[n:]
	}
	var parts []string
	for i := range g.sizes[d] {
		if g.cut[d] && i == printEdge {
			parts = append(parts, "...")
		}
		var part string
		part, cells = g.text(d+1, indent+1, cells)
		parts = append(parts, part)
	}
	between := "," + strings.Repeat("\n", len(g.sizes)-1-d) + strings.Repeat(" ", indent+1)
	return "[" + strings.Join(parts, between) + "]", cells
}

// line formats the last dimension, on as many lines as it takes.
func (g *grid) line(cells []string, indent int, cut bool) string {
	if cut {
		cells = append(append(append([]string(nil), cells[:printEdge]...), " ..."), cells[printEdge:]...)
	}
	fit := max(1, (printWidth-indent)/(g.width+2))
	var lines []string
	for len(cells) > 0 {
		n := min(fit, len(cells))
		lines = append(lines, strings.Join(cells[:n], ", "))
		cells = cells[n:]
	}
	return "[" + strings.Join(lines, ",\n"+strings.Repeat(" ", indent+1)) + "]"
}

// pad sets the cells flush right, as wide as the widest.
func (g *grid) pad(cells []string) {
	for _, c := range cells {
		g.width = max(g.width, len(c))
	}
	for i, c := range cells {
		cells[i] = strings.Repeat(" ", g.width-len(c)) + c
	}
	g.cells = cells
}

func (g *grid) integers(values []int64) {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = strconv.FormatInt(v, 10)
	}
	g.pad(cells)
}

func (g *grid) unsigned(data []byte, size int) {
	cells := make([]string, len(data)/size)
	for i := range cells {
		var word [8]byte
		copy(word[:], data[i*size:(i+1)*size])
		cells[i] = strconv.FormatUint(binary.LittleEndian.Uint64(word[:]), 10)
	}
	g.pad(cells)
}

func (g *grid) bools(data []byte) {
	cells := make([]string, len(data))
	for i, b := range data {
		cells[i] = "True"
		if b == 0 {
			cells[i] = "False"
		}
	}
	g.pad(cells)
}

func (g *grid) floats(values []float64) {
	f := newFloatFormat(values)
	g.width = f.width
	g.cells = make([]string, len(values))
	for i, v := range values {
		g.cells[i] = f.format(v)
	}
}

// complexes formats both parts in a format of their own.
func (g *grid) complexes(data []byte) {
	n := len(data) / 16
	re, im := make([]float64, n), make([]float64, n)
	for i := range n {
		re[i], im[i] = double(data[16*i:]), double(data[16*i+8:])
	}
	first, second := newFloatFormat(re), newFloatFormat(im)
	g.width = first.width + second.width + 1
	g.cells = make([]string, n)
	for i := range n {
		imaginary := strings.TrimLeft(second.format(im[i]), " ") + "j"
		if imaginary[0] != '-' {
			imaginary = "+" + imaginary
		}
		g.cells[i] = first.format(re[i]) + imaginary
	}
}

// floatFormat is how the numbers of one tensor are printed: chosen from those
// that are finite and not zero, for all.
type floatFormat struct {
	whole   bool // all are whole numbers: "1." instead of "1.0000"
	science bool // some are too large, too small or too far apart: "1.0000e+10"
	width   int
}

func newFloatFormat(values []float64) floatFormat {
	f := floatFormat{whole: true, width: 1}
	least, most := math.Inf(1), 0.0
	for _, v := range values {
		if !ordinary(v) {
			continue
		}
		least, most = min(least, math.Abs(v)), max(most, math.Abs(v))
		f.whole = f.whole && v == math.Ceil(v)
	}
	if most == 0 {
		return f
	}
	f.science = most/least > 1000 || most > 1e8 || least < 1e-4
	for _, v := range values {
		if ordinary(v) {
			f.width = max(f.width, len(f.number(v)))
		}
	}
	return f
}

func ordinary(v float64) bool { return v != 0 && !math.IsInf(v, 0) && !math.IsNaN(v) }

func (f floatFormat) format(v float64) string {
	s := f.number(v)
	return strings.Repeat(" ", max(0, f.width-len(s))) + s
}

func (f floatFormat) number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	case f.science:
		return strconv.FormatFloat(v, 'e', printDigits, 64)
	case f.whole:
		return strconv.FormatFloat(v, 'f', 0, 64) + "."
	}
	return strconv.FormatFloat(v, 'f', printDigits, 64)
}
