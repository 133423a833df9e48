package rpc

import (
	"context"
	"encoding/json"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"google.golang.org/grpc/codes"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
)

// service answers the protocol's calls.
type service struct {
	pb.UnimplementedGRPCInferenceServiceServer
	Config
	draining <-chan struct{}
}

// translate fills m from v, whose JSON is that of the protocol over HTTP: both forms have the same names. For the calls
// where speed does not matter.
func translate[M proto.Message](v any, m M) M {
	b, err := json.Marshal(v)
	if err == nil {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, m)
	}
	if err != nil {
		panic("BUG: the protocol's two forms differ: " + err.Error())
	}
	return m
}

// ServerLive implements pb.GRPCInferenceServiceServer.
func (s *service) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

// ServerReady implements pb.GRPCInferenceServiceServer.
func (s *service) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: s.Backend.Ready()}, nil
}

// ModelReady implements pb.GRPCInferenceServiceServer.
func (s *service) ModelReady(_ context.Context, req *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	ready, err := s.Backend.ModelReady(req.Name, req.Version)
	if err != nil {
		return nil, s.fail(err, "")
	}
	return &pb.ModelReadyResponse{Ready: ready}, nil
}

// ServerMetadata implements pb.GRPCInferenceServiceServer.
func (s *service) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return translate(s.Backend.ServerMetadata(), &pb.ServerMetadataResponse{}), nil
}

// ModelMetadata implements pb.GRPCInferenceServiceServer.
func (s *service) ModelMetadata(_ context.Context, req *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	md, err := s.Backend.ModelMetadata(req.Name, req.Version)
	if err != nil {
		return nil, s.fail(err, "")
	}
	return translate(md, &pb.ModelMetadataResponse{}), nil
}

// ModelConfig implements pb.GRPCInferenceServiceServer.
func (s *service) ModelConfig(_ context.Context, req *pb.ModelConfigRequest) (*pb.ModelConfigResponse, error) {
	c, err := s.Backend.ModelConfig(req.Name, req.Version)
	if err != nil {
		return nil, s.fail(err, "")
	}
	return &pb.ModelConfigResponse{Config: translate(c, &pb.ModelConfig{})}, nil
}

// ModelStatistics implements pb.GRPCInferenceServiceServer.
func (s *service) ModelStatistics(_ context.Context, req *pb.ModelStatisticsRequest) (*pb.ModelStatisticsResponse, error) {
	stats, err := s.Backend.Statistics(req.Name, req.Version)
	if err != nil {
		return nil, s.fail(err, "")
	}
	return translate(map[string]any{"model_stats": stats}, &pb.ModelStatisticsResponse{}), nil
}

// RepositoryIndex implements pb.GRPCInferenceServiceServer.
func (s *service) RepositoryIndex(_ context.Context, req *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	entries, err := s.Backend.Index(req.Ready)
	if err != nil {
		return nil, s.fail(err, "")
	}
	return translate(map[string]any{"models": entries}, &pb.RepositoryIndexResponse{}), nil
}

// RepositoryModelLoad implements pb.GRPCInferenceServiceServer.
func (s *service) RepositoryModelLoad(ctx context.Context, req *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	if err := s.admit(ctx); err != nil {
		return nil, err
	}
	parameters := map[string]any{}
	for name, p := range req.Parameters {
		switch v := p.GetParameterChoice().(type) {
		case *pb.ModelRepositoryParameter_BoolParam:
			parameters[name] = v.BoolParam
		case *pb.ModelRepositoryParameter_Int64Param:
			parameters[name] = v.Int64Param
		case *pb.ModelRepositoryParameter_StringParam:
			parameters[name] = v.StringParam
		case *pb.ModelRepositoryParameter_BytesParam:
			parameters[name] = v.BytesParam
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.MaxTimeout) // a large model takes its time
	defer cancel()
	if err := s.Backend.Load(ctx, req.ModelName, parameters); err != nil {
		return nil, s.fail(err, "")
	}
	return &pb.RepositoryModelLoadResponse{}, nil
}

// RepositoryModelUnload implements pb.GRPCInferenceServiceServer.
func (s *service) RepositoryModelUnload(ctx context.Context, req *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	if err := s.admit(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.MaxTimeout)
	defer cancel()
	if err := s.Backend.Unload(ctx, req.ModelName); err != nil {
		return nil, s.fail(err, "")
	}
	return &pb.RepositoryModelUnloadResponse{}, nil
}

// admit refuses whoever may not change what is served. What a proxy on this machine passes on does not come from it.
func (s *service) admit(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	authorization := first(md, "authorization")
	if key := first(md, "x-admin-key"); bearer(authorization) == "" && key != "" {
		authorization = "Bearer " + key
	}
	p, ok := peer.FromContext(ctx)
	if !ok {
		return status.Error(codes.PermissionDenied, "It is not known where this call comes from.")
	}
	remote := p.Addr
	for _, name := range []string{"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"} {
		if first(md, name) != "" {
			remote = nil
		}
	}
	if err := s.Admin(remote, authorization); err != nil {
		return s.fail(err, "")
	}
	return nil
}

// The extensions that make no sense for this server.

// SystemSharedMemoryStatus implements pb.GRPCInferenceServiceServer.
func (s *service) SystemSharedMemoryStatus(ctx context.Context, _ *pb.SystemSharedMemoryStatusRequest) (*pb.SystemSharedMemoryStatusResponse, error) {
	return nil, absent(ctx)
}

// SystemSharedMemoryRegister implements pb.GRPCInferenceServiceServer.
func (s *service) SystemSharedMemoryRegister(ctx context.Context, _ *pb.SystemSharedMemoryRegisterRequest) (*pb.SystemSharedMemoryRegisterResponse, error) {
	return nil, absent(ctx)
}

// SystemSharedMemoryUnregister implements pb.GRPCInferenceServiceServer.
func (s *service) SystemSharedMemoryUnregister(ctx context.Context, _ *pb.SystemSharedMemoryUnregisterRequest) (*pb.SystemSharedMemoryUnregisterResponse, error) {
	return nil, absent(ctx)
}

// CudaSharedMemoryStatus implements pb.GRPCInferenceServiceServer.
func (s *service) CudaSharedMemoryStatus(ctx context.Context, _ *pb.CudaSharedMemoryStatusRequest) (*pb.CudaSharedMemoryStatusResponse, error) {
	return nil, absent(ctx)
}

// CudaSharedMemoryRegister implements pb.GRPCInferenceServiceServer.
func (s *service) CudaSharedMemoryRegister(ctx context.Context, _ *pb.CudaSharedMemoryRegisterRequest) (*pb.CudaSharedMemoryRegisterResponse, error) {
	return nil, absent(ctx)
}

// CudaSharedMemoryUnregister implements pb.GRPCInferenceServiceServer.
func (s *service) CudaSharedMemoryUnregister(ctx context.Context, _ *pb.CudaSharedMemoryUnregisterRequest) (*pb.CudaSharedMemoryUnregisterResponse, error) {
	return nil, absent(ctx)
}

// TraceSetting implements pb.GRPCInferenceServiceServer.
func (s *service) TraceSetting(ctx context.Context, _ *pb.TraceSettingRequest) (*pb.TraceSettingResponse, error) {
	return nil, absent(ctx)
}

// LogSettings implements pb.GRPCInferenceServiceServer.
func (s *service) LogSettings(ctx context.Context, _ *pb.LogSettingsRequest) (*pb.LogSettingsResponse, error) {
	return nil, absent(ctx)
}
