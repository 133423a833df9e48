package soak

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
)

// streamed is how many requests a stream carries.
const streamed = 6

// overGRPC are the kinds of the Open Inference Protocol over gRPC. Their statuses are gRPC's codes.
func (m *maker) overGRPC() []kind {
	var inputs []tensor
	for range variants {
		inputs = append(inputs, []func() tensor{m.files, m.pixels, m.planes}[m.rnd.IntN(3)]())
	}
	draw := func(c *client) (tensor, *pb.ModelInferRequest) {
		in := inputs[c.rnd.IntN(len(inputs))]
		return in, &pb.ModelInferRequest{ModelName: in.model, Id: strconv.FormatUint(c.rnd.Uint64(), 36), RawInputContents: [][]byte{in.data},
			Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: in.name, Datatype: in.datatype, Shape: in.shape}}}
	}
	return []kind{
		{name: "gRPC", weight: 70, do: func(c *client) (int, error) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			in, req := draw(c)
			got, err := c.grpc.ModelInfer(ctx, req)
			return int(status.Code(err)), checkGRPC(got, err, in, req)
		}},
		{name: "gRPC stream", weight: 10, do: func(c *client) (int, error) { return stream(c, draw) }},
		{name: "gRPC cancelled", weight: 6, do: func(c *client) (int, error) {
			ctx, cancel := context.WithCancel(context.Background())
			defer time.AfterFunc(c.moment(), cancel).Stop()
			defer cancel()
			in, req := draw(c)
			got, err := c.grpc.ModelInfer(ctx, req)
			if status.Code(err) == codes.Canceled {
				return int(codes.Canceled), nil
			}
			return int(status.Code(err)), checkGRPC(got, err, in, req)
		}},
		{name: "gRPC without time", weight: 4, do: func(c *client) (int, error) {
			ctx, cancel := context.WithTimeout(context.Background(), c.moment())
			defer cancel()
			in, req := draw(c)
			got, err := c.grpc.ModelInfer(ctx, req)
			code := status.Code(err)
			if code == codes.DeadlineExceeded || code == codes.Unavailable && strings.Contains(err.Error(), "no time before its deadline") {
				return int(code), nil
			}
			return int(code), checkGRPC(got, err, in, req)
		}},
		{name: "gRPC bad shape", weight: 5, do: func(c *client) (int, error) {
			_, req := draw(c)
			req.Inputs[0].Shape = []int64{1, 2, 3, 4, 5}
			return wantCode(c, req, codes.InvalidArgument)
		}},
		{name: "gRPC unknown model", weight: 5, do: func(c *client) (int, error) {
			_, req := draw(c)
			req.ModelName = "nobody"
			return wantCode(c, req, codes.NotFound)
		}},
	}
}

func wantCode(c *client, req *pb.ModelInferRequest, want codes.Code) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.grpc.ModelInfer(ctx, req)
	if status.Code(err) != want {
		return int(status.Code(err)), fmt.Errorf("got %v; want %v", err, want)
	}
	return int(want), nil
}

func checkGRPC(got *pb.ModelInferResponse, err error, in tensor, req *pb.ModelInferRequest) error {
	if err != nil {
		return err
	}
	if got.Id != req.Id || got.ModelName != in.model || len(got.RawOutputContents) != 1 {
		return fmt.Errorf("got id %q of %q with %d outputs; want %q of %q with 1", got.Id, got.ModelName, len(got.RawOutputContents), req.Id, in.model)
	}
	return checkRows(floats(got.RawOutputContents[0]), in, got.ModelVersion)
}

// stream sends some requests at once, which are answered in their order.
func stream(c *client, draw func(*client) (tensor, *pb.ModelInferRequest)) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := c.grpc.ModelStreamInfer(ctx)
	if err != nil {
		return int(status.Code(err)), err
	}
	var ins []tensor
	var reqs []*pb.ModelInferRequest
	for range streamed {
		in, req := draw(c)
		ins, reqs = append(ins, in), append(reqs, req)
		if err := s.Send(req); err != nil {
			return int(status.Code(err)), err
		}
	}
	if err := s.CloseSend(); err != nil {
		return int(status.Code(err)), err
	}
	for i := range reqs {
		got, err := s.Recv()
		if err == nil && got.ErrorMessage != "" {
			err = fmt.Errorf("request %d: %s", i, got.ErrorMessage)
		}
		if err := checkGRPC(got.GetInferResponse(), err, ins[i], reqs[i]); err != nil {
			return int(status.Code(err)), fmt.Errorf("request %d of the stream: %w", i, err)
		}
	}
	if got, err := s.Recv(); err == nil {
		return 0, fmt.Errorf("one answer too many: %v", got)
	}
	return 0, nil
}
