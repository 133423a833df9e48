package rpc

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/server/oip"
)

// requestIDKey is the metadata that names a request, as the header of the same name does over HTTP.
const requestIDKey = "x-request-id"

// traceContext reads traceparent and tracestate.
var traceContext propagation.TraceContext

// callerOf is what the metadata tell of who calls.
func callerOf(ctx context.Context) *oip.Caller {
	md, _ := metadata.FromIncomingContext(ctx)
	return &oip.Caller{RequestID: first(md, requestIDKey), Headers: headers(md)}
}

// headers are metadata in the form of HTTP's headers.
type headers metadata.MD

// Peek implements oip.Headers.
func (h headers) Peek(key string) []byte { return []byte(first(metadata.MD(h), key)) }

// Get implements propagation.TextMapCarrier.
func (h headers) Get(key string) string { return first(metadata.MD(h), key) }

// Set implements propagation.TextMapCarrier. Nothing is ever set.
func (headers) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (headers) Keys() []string { return nil }

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// keyOf is the API key that the metadata bring.
func keyOf(h headers) string {
	if key := bearer(h.Get("authorization")); key != "" {
		return key
	}
	return h.Get("x-api-key")
}

// bearer takes the key out of "Bearer <key>", "" if it is something else.
func bearer(authorization string) string {
	scheme, key, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

// ModelInfer implements pb.GRPCInferenceServiceServer.
func (s *service) ModelInfer(ctx context.Context, m *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	who := callerOf(ctx)
	resp, err := s.infer(ctx, who, m)
	if who.RequestID != "" {
		_ = grpc.SetHeader(ctx, metadata.Pairs(requestIDKey, who.RequestID)) // fails only when the client has gone
	}
	if err != nil {
		return nil, s.fail(err, who.RequestID)
	}
	return resp, nil
}

// infer answers one request, by itself or of a stream. It ends with ctx, with the parameter "timeout", or after the
// server's own time when neither says when.
func (s *service) infer(ctx context.Context, who *oip.Caller, m *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	name, leave, err := s.Enter(keyOf(who.Headers.(headers)))
	if err != nil {
		return nil, err
	}
	defer leave()
	who.Key = name
	req, err := requestOf(m)
	if err != nil {
		return nil, err
	}
	timeout, err := oip.Timeout(req.Parameters, s.MaxTimeout)
	if err != nil {
		return nil, err
	}
	if _, set := ctx.Deadline(); timeout == 0 && !set {
		timeout = s.DefaultTimeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	ctx = traceContext.Extract(oip.WithCaller(ctx, who), who.Headers.(headers))
	resp, err := s.Backend.Infer(ctx, req)
	if err != nil {
		return nil, err
	}
	return responseOf(resp, len(m.RawInputContents) == 0), nil
}
