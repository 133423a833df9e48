package oip

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// AppendResponse appends a response's JSON to dst, and behind it the tensors that inBinary chooses, in the order
// listed. header is the length of the JSON if there is such a tensor, and 0 if all is JSON.
func AppendResponse(dst []byte, r *InferResponse, inBinary func(output int) bool) (body []byte, header int, err error) {
	start := len(dst)
	dst = append(dst, `{"model_name":`...)
	dst = appendString(dst, r.Model)
	dst = append(dst, `,"model_version":`...)
	dst = appendString(dst, r.Version)
	if r.ID != "" {
		dst = append(dst, `,"id":`...)
		dst = appendString(dst, r.ID)
	}
	dst = appendParameters(dst, r.Parameters, -1)
	dst = append(dst, `,"outputs":[`...)
	bytes := 0
	for i := range r.Outputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		t := &r.Outputs[i]
		if inBinary(i) {
			dst = appendDescription(dst, t, t.rawSize())
			bytes += t.rawSize()
		} else {
			dst = appendDescription(dst, t, -1)
			dst = append(dst, `,"data":`...)
			if dst, err = appendData(dst, t); err != nil {
				return nil, 0, err
			}
		}
		dst = append(dst, '}')
	}
	dst = append(dst, "]}"...)
	if bytes == 0 {
		return dst, 0, nil
	}
	header = len(dst) - start
	dst = slices.Grow(dst, bytes)
	for i := range r.Outputs {
		if t := &r.Outputs[i]; !inBinary(i) {
			continue
		} else if t.Datatype == Bytes {
			dst = AppendElements(dst, t.Elements)
		} else {
			dst = append(dst, t.Raw...)
		}
	}
	return dst, header, nil
}

// appendDescription appends an output without its closing brace and data.
func appendDescription(dst []byte, t *Tensor, binarySize int) []byte {
	dst = append(dst, `{"name":`...)
	dst = appendString(dst, t.Name)
	dst = append(dst, `,"datatype":"`...)
	dst = append(dst, t.Datatype...)
	dst = append(dst, `","shape":[`...)
	for i, d := range t.Shape {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, d, 10)
	}
	dst = append(dst, ']')
	return appendParameters(dst, t.Parameters, binarySize)
}

// appendParameters appends the member "parameters", with the binary size among them if it is not negative.
func appendParameters(dst []byte, p map[string]any, binarySize int) []byte {
	if len(p) == 0 && binarySize < 0 {
		return dst
	}
	dst = append(dst, `,"parameters":{`...)
	first := true
	if binarySize >= 0 {
		dst = append(dst, `"binary_data_size":`...)
		dst = strconv.AppendInt(dst, int64(binarySize), 10)
		first = false
	}
	for name, v := range p {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendString(dst, name)
		dst = append(dst, ':')
		b, err := json.Marshal(v)
		if err != nil {
			panic("BUG: a parameter that JSON cannot hold: " + err.Error())
		}
		dst = append(dst, b...)
	}
	return append(dst, '}')
}

// appendData appends a tensor's contents, flat, as Triton does.
func appendData(dst []byte, t *Tensor) ([]byte, error) {
	dst = append(dst, '[')
	for i, e := range t.Elements {
		if !utf8.Valid(e) {
			return nil, bad("not_text", "Output %q holds bytes that are no UTF-8, which JSON cannot carry; ask for it as binary data.", t.Name)
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, string(e))
	}
	size := t.Datatype.Size()
	for at := 0; size > 0 && at < len(t.Raw); at += size {
		if at > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendNumber(dst, t, t.Raw[at:at+size]); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendNumber(dst []byte, t *Tensor, b []byte) ([]byte, error) {
	switch t.Datatype {
	case FP32:
		return appendFloat(dst, t.Name, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32)
	case FP64:
		return appendFloat(dst, t.Name, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
	case Bool:
		return strconv.AppendBool(dst, b[0] != 0), nil
	case Uint8:
		return strconv.AppendUint(dst, uint64(b[0]), 10), nil
	case Int64:
		return strconv.AppendInt(dst, int64(binary.LittleEndian.Uint64(b)), 10), nil
	case Int32:
		return strconv.AppendInt(dst, int64(int32(binary.LittleEndian.Uint32(b))), 10), nil
	}
	return nil, bad("bad_output", "Output %q is of %s, which has no JSON form here; ask for it as binary data.", t.Name, t.Datatype)
}

func appendFloat(dst []byte, name string, f float64, bits int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, &Error{422, "not_finite", "Output " + strconv.Quote(name) + " is not finite, which JSON cannot carry: the input's values are out of the range that the model can take."}
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits), nil
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			b, err := json.Marshal(s)
			if err != nil {
				panic("BUG: a string that JSON cannot hold: " + err.Error())
			}
			return append(dst, b...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
