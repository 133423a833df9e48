package oip

import (
	"encoding/binary"
	"math"
	"strconv"
)

// readJSON fills the tensor with "data": a list of values, flat or nested in any way, row-major. Memory grows with what
// is there, not with what the shape says, and never beyond that.
func (t *Tensor) readJSON(s *scanner) error {
	if t.Datatype == FP16 || t.Datatype == BF16 {
		return bad("bad_datatype", "Input %q is of %s, which has no JSON form; send it as binary data.", clip(t.Name), t.Datatype)
	}
	n, err := Count(t.Name, t.Shape)
	if err != nil {
		return err
	}
	room := min(n, (len(s.text)-s.at)/2) // an element has a byte at least, and a comma
	t.Text = t.Datatype == Bytes
	if t.Text {
		t.Elements = make([][]byte, 0, room)
	} else {
		t.Raw = make([]byte, 0, room*t.Datatype.Size())
	}
	v := values{s, t, n}
	if err := v.read(); err != nil {
		return err
	}
	if v.left > 0 {
		return bad("bad_tensor", "Input %q has %d elements; its shape %v makes %d.", clip(t.Name), n-v.left, t.Shape, n)
	}
	return nil
}

// values reads a tensor's elements one by one.
type values struct {
	*scanner
	t    *Tensor
	left int // so many may still come
}

func (v *values) read() (err error) {
	t, c := v.t, v.next()
	if c == '[' {
		return v.array(v.read)
	}
	if v.left--; v.left < 0 {
		return bad("bad_tensor", "Input %q has more elements than its shape %v makes.", clip(t.Name), t.Shape)
	}
	if t.Text && c == '"' {
		b, err := v.str()
		t.Elements = append(t.Elements, b)
		return err
	}
	var text []byte
	if c-'0' < 10 {
		text, err = v.number()
	} else {
		text, err = v.value()
	}
	if err != nil {
		return err
	}
	var ok bool
	if t.Raw, ok = t.Datatype.appendText(t.Raw, text); !ok {
		return bad("bad_tensor", "Input %q holds %s, which is no %s.", clip(t.Name), clip(string(text)), t.Datatype)
	}
	return nil
}

// appendText appends the element whose JSON is text.
func (d Datatype) appendText(raw, text []byte) (_ []byte, ok bool) {
	bits := 8 * d.Size()
	switch d {
	case Bool:
		switch string(text) {
		case "true":
			return append(raw, 1), true
		case "false":
			return append(raw, 0), true
		}
	case FP32:
		f, err := strconv.ParseFloat(string(text), bits)
		return binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f))), err == nil
	case FP64:
		f, err := strconv.ParseFloat(string(text), bits)
		return binary.LittleEndian.AppendUint64(raw, math.Float64bits(f)), err == nil
	case Uint8, Uint16, Uint32, Uint64:
		n, err := strconv.ParseUint(string(text), 10, bits)
		return appendInt(raw, n, bits), err == nil
	case Int8, Int16, Int32, Int64:
		n, err := strconv.ParseInt(string(text), 10, bits)
		return appendInt(raw, uint64(n), bits), err == nil
	}
	return raw, false
}

func appendInt(raw []byte, n uint64, bits int) []byte {
	switch bits {
	case 8:
		return append(raw, byte(n))
	case 16:
		return binary.LittleEndian.AppendUint16(raw, uint16(n))
	case 32:
		return binary.LittleEndian.AppendUint32(raw, uint32(n))
	}
	return binary.LittleEndian.AppendUint64(raw, n)
}
