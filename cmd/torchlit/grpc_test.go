package main

import (
	"encoding/binary"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// TestServeGRPC asks by gRPC what HTTP answers, and stops the server while clients ask: each call is answered, or was never
// taken.
func TestServeGRPC(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", writeModel(t, "resnet18", resnet.CIFARStem, 10, 32), "--grpc-addr", "127.0.0.1:0")
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	client := pb.NewGRPCInferenceServiceClient(conn)

	image := photo(t, 100, 80, 1)
	want, code, err := post(http.DefaultClient, s.url, "image/jpeg", image)
	require.NoError(t, err)
	require.Equal(t, 200, code)
	req := &pb.ModelInferRequest{
		ModelName:        want.Model,
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "image", Datatype: "BYTES", Shape: []int64{1}}},
		RawInputContents: [][]byte{append(binary.LittleEndian.AppendUint32(nil, uint32(len(image))), image...)},
	}
	resp, err := client.ModelInfer(t.Context(), req)
	require.NoError(t, err)
	row := resp.RawOutputContents[0]
	require.Len(t, row, 40)
	for _, p := range want.Predictions {
		got := math.Float32frombits(binary.LittleEndian.Uint32(row[4*p.Index:]))
		assert.InDelta(t, p.Probability, got, 1e-5, p.Label)
	}

	var answered atomic.Int64
	var wg sync.WaitGroup
	begun := make(chan struct{}, 4)
	for range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				_, err := client.ModelInfer(t.Context(), req)
				if i == 2 {
					begun <- struct{}{}
				}
				if err != nil { // the port is closed: nothing was taken
					assert.Equal(t, codes.Unavailable, status.Code(err), err)
					assert.Contains(t, err.Error(), "connect")
					return
				}
				answered.Add(1)
			}
		})
	}
	for range 4 {
		<-begun
	}
	s.stop(t)
	wg.Wait()
	assert.GreaterOrEqual(t, answered.Load(), int64(12))
}
