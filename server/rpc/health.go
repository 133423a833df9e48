package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/torchlit/torchlit/internal/inferencepb"
)

// healthService is grpc.health.v1: the server as a whole, under "" and under the protocol's name, serves when /readyz says so.
// grpc-go's own would have to be told of each change; this one asks.
type healthService struct {
	health.UnimplementedHealthServer
	ready    func() bool
	draining <-chan struct{}
}

// watchEvery is how often Watch looks.
const watchEvery = 250 * time.Millisecond

var services = []string{"", inferencepb.GRPCInferenceService_ServiceDesc.ServiceName}

func known(service string) bool { return service == services[0] || service == services[1] }

func (h *healthService) state() health.HealthCheckResponse_ServingStatus {
	if h.ready() {
		return health.HealthCheckResponse_SERVING
	}
	return health.HealthCheckResponse_NOT_SERVING
}

// Check implements health.HealthServer.
func (h *healthService) Check(_ context.Context, req *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	if !known(req.Service) {
		return nil, status.Errorf(codes.NotFound, "There is no service %q here; known are %q.", req.Service, services)
	}
	return &health.HealthCheckResponse{Status: h.state()}, nil
}

// List implements health.HealthServer.
func (h *healthService) List(context.Context, *health.HealthListRequest) (*health.HealthListResponse, error) {
	list := &health.HealthListResponse{Statuses: map[string]*health.HealthCheckResponse{}}
	for _, name := range services {
		list.Statuses[name] = &health.HealthCheckResponse{Status: h.state()}
	}
	return list, nil
}

// Watch implements health.HealthServer. An unknown service stays unknown, as the protocol has it.
func (h *healthService) Watch(req *health.HealthCheckRequest, stream grpc.ServerStreamingServer[health.HealthCheckResponse]) error {
	state := h.state
	if !known(req.Service) {
		state = func() health.HealthCheckResponse_ServingStatus { return health.HealthCheckResponse_SERVICE_UNKNOWN }
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	said := health.HealthCheckResponse_UNKNOWN
	for {
		if now := state(); now != said {
			said = now
			if err := stream.Send(&health.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-h.draining:
			return status.Error(codes.Unavailable, "The server is shutting down.")
		}
	}
}
