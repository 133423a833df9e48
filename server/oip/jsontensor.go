package oip

import (
	"encoding/binary"
	"math"

	"github.com/valyala/fastjson"
)

// setJSON fills the tensor with "data": a list of values, flat or nested in any way, row-major.
func (t *Tensor) setJSON(data *fastjson.Value, count int) error {
	switch t.Datatype {
	case FP16, BF16:
		return bad("bad_datatype", "Input %q is of %s, which has no JSON form; send it as binary data.", clip(t.Name), t.Datatype)
	case Bytes:
		t.Elements = make([][]byte, 0, min(count, 1<<10))
	default:
		t.Raw = make([]byte, 0, min(count*t.Datatype.Size(), 1<<20)) // it grows with what is there, not with what the shape says
	}
	return t.appendJSON(data)
}

func (t *Tensor) appendJSON(v *fastjson.Value) error {
	if v.Type() != fastjson.TypeArray {
		return t.appendValue(v)
	}
	list, _ := v.Array()
	for _, v := range list {
		if err := t.appendJSON(v); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tensor) appendValue(v *fastjson.Value) error {
	ok := false
	switch t.Datatype {
	case Bytes:
		var s []byte
		if s, ok = text(v); ok {
			t.Elements = append(t.Elements, append([]byte(nil), s...)) // the parser's memory is used again
		}
	case Bool:
		b, err := v.Bool()
		if ok = err == nil; ok && b {
			t.Raw = append(t.Raw, 1)
		} else if ok {
			t.Raw = append(t.Raw, 0)
		}
	case FP32:
		f, err := v.Float64()
		if ok = err == nil; ok {
			t.Raw = binary.LittleEndian.AppendUint32(t.Raw, math.Float32bits(float32(f)))
		}
	case FP64:
		f, err := v.Float64()
		if ok = err == nil; ok {
			t.Raw = binary.LittleEndian.AppendUint64(t.Raw, math.Float64bits(f))
		}
	case Uint8, Uint16, Uint32, Uint64:
		n, err := v.Uint64()
		size := t.Datatype.Size()
		if ok = err == nil && (size == 8 || n < 1<<(8*size)); ok {
			t.appendInt(n)
		}
	case Int8, Int16, Int32, Int64:
		n, err := v.Int64()
		half := int64(1) << (8*t.Datatype.Size() - 1) // wraps to the smallest number for 64 bits
		if ok = err == nil && (t.Datatype == Int64 || n >= -half && n < half); ok {
			t.appendInt(uint64(n))
		}
	}
	if !ok {
		return bad("bad_tensor", "Input %q holds %s, which is no %s.", clip(t.Name), clip(v.String()), t.Datatype)
	}
	return nil
}

// text is a string's bytes.
func text(v *fastjson.Value) ([]byte, bool) {
	s, err := v.StringBytes()
	return s, err == nil
}

func (t *Tensor) appendInt(n uint64) {
	switch t.Datatype.Size() {
	case 1:
		t.Raw = append(t.Raw, byte(n))
	case 2:
		t.Raw = binary.LittleEndian.AppendUint16(t.Raw, uint16(n))
	case 4:
		t.Raw = binary.LittleEndian.AppendUint32(t.Raw, uint32(n))
	case 8:
		t.Raw = binary.LittleEndian.AppendUint64(t.Raw, n)
	}
}
