package rpc

import (
	"encoding/binary"
	"math"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/server/oip"
)

// responseOf makes the message of a response: raw, as Triton always answers, or typed for whoever has asked with typed contents,
// as KServe's own servers answer.
func responseOf(r *oip.InferResponse, typed bool) *pb.ModelInferResponse {
	m := &pb.ModelInferResponse{ModelName: r.Model, ModelVersion: r.Version, Id: r.ID, Parameters: parametersFor(r.Parameters)}
	for i := range r.Outputs {
		t := &r.Outputs[i]
		out := &pb.ModelInferResponse_InferOutputTensor{
			Name: t.Name, Datatype: string(t.Datatype), Shape: t.Shape, Parameters: parametersFor(t.Parameters),
		}
		switch {
		case typed:
			out.Contents = contentsOf(t)
		case t.Datatype == oip.Bytes:
			m.RawOutputContents = append(m.RawOutputContents, oip.AppendElements(nil, t.Elements))
		default:
			m.RawOutputContents = append(m.RawOutputContents, t.Raw)
		}
		m.Outputs = append(m.Outputs, out)
	}
	return m
}

// contentsOf are an output's typed contents. A classifier's outputs are of these two types.
func contentsOf(t *oip.Tensor) *pb.InferTensorContents {
	c := &pb.InferTensorContents{}
	switch t.Datatype {
	case oip.Bytes:
		c.BytesContents = t.Elements
	case oip.FP32:
		c.Fp32Contents = make([]float32, len(t.Raw)/4)
		for i := range c.Fp32Contents {
			c.Fp32Contents[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Raw[4*i:]))
		}
	default:
		panic("BUG: an output of " + string(t.Datatype))
	}
	return c
}

// parametersFor is the reverse of parametersOf.
func parametersFor(values map[string]any) map[string]*pb.InferParameter {
	if len(values) == 0 {
		return nil
	}
	out := make(map[string]*pb.InferParameter, len(values))
	for name, v := range values {
		p := &pb.InferParameter{}
		switch v := v.(type) {
		case bool:
			p.ParameterChoice = &pb.InferParameter_BoolParam{BoolParam: v}
		case int64:
			p.ParameterChoice = &pb.InferParameter_Int64Param{Int64Param: v}
		case uint64:
			p.ParameterChoice = &pb.InferParameter_Uint64Param{Uint64Param: v}
		case float64:
			p.ParameterChoice = &pb.InferParameter_DoubleParam{DoubleParam: v}
		case string:
			p.ParameterChoice = &pb.InferParameter_StringParam{StringParam: v}
		}
		out[name] = p
	}
	return out
}
