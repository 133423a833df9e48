package server

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/server/rpc"
)

// BenchmarkNullModelGRPC prints the requests/s of the null model over gRPC, and as a share of those over HTTP, with the same
// tensor, in turns. Its clients are gRPC's own, and share the cores.
func BenchmarkNullModelGRPC(b *testing.B) {
	s, err := Open(Config{Models: []Model{nullModel()}, Logger: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	g := rpc.New(rpc.Config{Backend: s.Backend(), Admin: s.AuthorizeAdmin})
	defer g.Close()
	httpLn, grpcLn := loopback(b), loopback(b)
	go s.Serve(httpLn)
	go g.Serve(grpcLn)
	r := smallRequests[0]
	http := newHammer(httpLn.Addr().String(), r.path, r.header, r.body)
	conn, err := grpc.NewClient(grpcLn.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	req := &pb.ModelInferRequest{
		ModelName:        "null",
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "input", Datatype: "UINT8", Shape: []int64{1, 32, 32, 3}}},
		RawInputContents: [][]byte{r.body},
	}
	const turn = 250 * time.Millisecond
	var rates, ratios []float64
	for b.Loop() {
		x, y := grpcRate(b, pb.NewGRPCInferenceServiceClient(conn), req, turn), http.rate(b, turn)
		rates, ratios = append(rates, x), append(ratios, x/y)
	}
	b.ReportMetric(middle(rates), "requests/s")
	b.ReportMetric(middle(ratios), "of-http")
	b.ReportMetric(0, "ns/op")
}

// grpcRate returns the requests/s of 16 clients on one connection.
func grpcRate(b *testing.B, c pb.GRPCInferenceServiceClient, req *pb.ModelInferRequest, d time.Duration) float64 {
	const clients = 16
	var done atomic.Bool
	var n atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range clients {
		wg.Go(func() {
			for !done.Load() {
				if _, err := c.ModelInfer(b.Context(), req); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	time.Sleep(d)
	done.Store(true)
	wg.Wait()
	return float64(n.Load()) / time.Since(start).Seconds()
}
