package rpc

import (
	"encoding/binary"
	"fmt"
	"math"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/server/oip"
)

// requestOf reads a request. Tensors come in one of two ways: all of them raw, one after the other in raw_input_contents,
// as tritonclient sends them; or each in its typed contents. The bytes are the message's own.
func requestOf(m *pb.ModelInferRequest) (*oip.InferRequest, error) {
	req := &oip.InferRequest{
		Model: m.ModelName, Version: m.ModelVersion, ID: m.Id, Parameters: parametersOf(m.Parameters),
		Inputs: make([]oip.Tensor, len(m.Inputs)),
	}
	if n := len(m.RawInputContents); n > 0 && n != len(m.Inputs) {
		return nil, bad("bad_tensor", fmt.Sprintf("The request has %d raw_input_contents for %d inputs; each input has one, or none has.", n, len(m.Inputs)))
	}
	for i, in := range m.Inputs {
		t := &req.Inputs[i]
		*t = oip.Tensor{Name: in.Name, Datatype: oip.Datatype(in.Datatype), Shape: in.Shape, Parameters: parametersOf(in.Parameters)}
		if in.Name == "" {
			return nil, bad("bad_tensor", "An input has no name.")
		}
		var err error
		switch {
		case len(m.RawInputContents) > 0 && in.Contents != nil:
			err = bad("bad_tensor", fmt.Sprintf("Input %q has contents beside the request's raw_input_contents; give one of them.", clip(in.Name)))
		case len(m.RawInputContents) > 0:
			err = fillRaw(t, m.RawInputContents[i])
		default:
			err = fillTyped(t, in.Contents)
		}
		if err == nil {
			err = t.Check()
		}
		if err != nil {
			return nil, err
		}
	}
	for _, out := range m.Outputs {
		o := oip.RequestedOutput{Name: out.Name, Parameters: parametersOf(out.Parameters)}
		var err error
		if o.Classification, err = oip.ClassCount(o.Name, o.Parameters); err != nil {
			return nil, err
		}
		req.Outputs = append(req.Outputs, o)
	}
	return req, nil
}

func fillRaw(t *oip.Tensor, raw []byte) error {
	if t.Datatype != oip.Bytes {
		t.Raw = raw
		return nil
	}
	n, err := oip.Count(t.Name, t.Shape)
	if err != nil {
		return err
	}
	t.Elements, err = oip.SplitElements(t.Name, raw, n)
	return err
}

// fillTyped makes a tensor's bytes of its typed contents. Types of 16 bits and less share the lists of the wider ones.
func fillTyped(t *oip.Tensor, c *pb.InferTensorContents) error {
	if c == nil {
		return bad("bad_tensor", fmt.Sprintf("Input %q has no contents, and the request no raw_input_contents.", clip(t.Name)))
	}
	var ok bool
	switch t.Datatype {
	case oip.Bytes:
		t.Elements = c.BytesContents
		return nil
	case oip.FP32:
		t.Raw = make([]byte, 0, 4*len(c.Fp32Contents))
		for _, v := range c.Fp32Contents {
			t.Raw = binary.LittleEndian.AppendUint32(t.Raw, math.Float32bits(v))
		}
		return nil
	case oip.FP64:
		for _, v := range c.Fp64Contents {
			t.Raw = binary.LittleEndian.AppendUint64(t.Raw, math.Float64bits(v))
		}
		return nil
	case oip.Bool:
		for _, v := range c.BoolContents {
			b := byte(0)
			if v {
				b = 1
			}
			t.Raw = append(t.Raw, b)
		}
		return nil
	case oip.Uint8, oip.Uint16, oip.Uint32:
		t.Raw, ok = narrow(c.UintContents, t.Datatype.Size(), 0, 1<<(8*t.Datatype.Size())-1)
	case oip.Int8, oip.Int16, oip.Int32:
		half := int64(1) << (8*t.Datatype.Size() - 1)
		t.Raw, ok = narrow(c.IntContents, t.Datatype.Size(), -half, half-1)
	case oip.Uint64:
		t.Raw, ok = narrow(c.Uint64Contents, 8, math.MinInt64, math.MaxInt64)
	case oip.Int64:
		t.Raw, ok = narrow(c.Int64Contents, 8, math.MinInt64, math.MaxInt64)
	case oip.FP16, oip.BF16:
		return bad("bad_tensor", fmt.Sprintf("Input %q of %s has no typed contents in the protocol; send it in raw_input_contents.", clip(t.Name), t.Datatype))
	default:
		return bad("bad_datatype", fmt.Sprintf("Input %q has the datatype %q, which the protocol does not know.", clip(t.Name), clip(string(t.Datatype))))
	}
	if !ok {
		return bad("bad_tensor", fmt.Sprintf("Input %q has a number that %s does not hold.", clip(t.Name), t.Datatype))
	}
	return nil
}

// narrow puts whole numbers into size bytes each. ok says that all are from least to most.
func narrow[T int32 | int64 | uint32 | uint64](values []T, size int, least, most int64) (raw []byte, ok bool) {
	raw = make([]byte, 0, size*len(values))
	var buf [8]byte
	for _, v := range values {
		if n := int64(v); n < least || n > most {
			return nil, false
		}
		binary.LittleEndian.PutUint64(buf[:], uint64(v))
		raw = append(raw, buf[:size]...)
	}
	return raw, true
}

// parametersOf makes plain values of parameters, nil of none.
func parametersOf(m map[string]*pb.InferParameter) map[string]any {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]any, len(m))
	for name, p := range m {
		switch v := p.GetParameterChoice().(type) {
		case *pb.InferParameter_BoolParam:
			out[name] = v.BoolParam
		case *pb.InferParameter_Int64Param:
			out[name] = v.Int64Param
		case *pb.InferParameter_Uint64Param:
			out[name] = v.Uint64Param
		case *pb.InferParameter_DoubleParam:
			out[name] = v.DoubleParam
		case *pb.InferParameter_StringParam:
			out[name] = v.StringParam
		}
	}
	return out
}

// clip keeps a caller's own words short enough to be repeated to them.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
