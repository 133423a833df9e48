package rpc

import (
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
)

// FuzzRequest: whatever a client sends is refused in words, or is a request whose tensors are what they say.
func FuzzRequest(f *testing.F) {
	add := func(m *pb.ModelInferRequest) {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	add(request("x"))
	add(&pb.ModelInferRequest{Inputs: []*pb.ModelInferRequest_InferInputTensor{
		{Name: "a", Datatype: "BYTES", Shape: []int64{2}, Contents: &pb.InferTensorContents{BytesContents: [][]byte{{1}, {2}}}},
		{Name: "b", Datatype: "INT8", Shape: []int64{1, 2}, Contents: &pb.InferTensorContents{IntContents: []int32{-128, 127}}},
		{Name: "c", Datatype: "FP32", Shape: []int64{}, Contents: &pb.InferTensorContents{Fp32Contents: []float32{1}}},
		{Name: "d", Datatype: "UINT64", Shape: []int64{1}, Contents: &pb.InferTensorContents{Uint64Contents: []uint64{1 << 63}}},
	}})
	f.Fuzz(func(t *testing.T, data []byte) {
		m := new(pb.ModelInferRequest)
		if proto.Unmarshal(data, m) != nil {
			return
		}
		req, err := requestOf(m)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		for i := range req.Inputs {
			if err := req.Inputs[i].Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
