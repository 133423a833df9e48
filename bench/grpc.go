package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/torchlit/torchlit/internal/inferencepb"
)

// grpcConns is the number of HTTP/2 connections that the senders share. One would do for a slow server; but its frames are written
// by one goroutine at each end, and what is in it waits for what was sent before.
const grpcConns = 8

// grpcTarget sends prepared messages to ModelInfer.
type grpcTarget struct {
	info     Info
	conns    []*grpc.ClientConn
	next     atomic.Uint64 // the next sender's connection
	ctx      context.Context
	cancel   context.CancelFunc
	messages [][]byte
	timeout  time.Duration
	deadline bool // timeout is the deadline that was asked for
}

// openGRPC makes a target of the Open Inference Protocol over gRPC.
func openGRPC(ctx context.Context, o Options) (_ Target, err error) {
	t := &grpcTarget{
		info:    Info{URL: o.URL, Protocol: GRPC, Model: o.Model, Input: o.Input, Batch: o.Batch},
		timeout: o.Timeout,
	}
	if o.Deadline > 0 && o.Deadline < o.Timeout {
		t.timeout, t.deadline = o.Deadline, true
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	for _, line := range o.Header {
		name, value, err := header(line)
		if err != nil {
			return nil, err
		}
		t.ctx = metadata.AppendToOutgoingContext(t.ctx, strings.ToLower(name), value)
	}
	if err := t.dial(o); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if md, ok := metadata.FromOutgoingContext(t.ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	in, err := t.look(ctx, &o)
	if err != nil {
		return nil, err
	}
	return t, t.prepare(in)
}

// dial makes the connections; the first request of each opens it.
func (t *grpcTarget) dial(o Options) error {
	address, secure, err := grpcAddress(o.URL)
	if err != nil {
		return err
	}
	security := insecure.NewCredentials()
	if secure {
		c, err := o.tls()
		if err != nil {
			return err
		}
		security = credentials.NewTLS(c)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(security), grpc.WithDisableRetry(), grpc.WithUserAgent("torchlit-bench"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20), grpc.MaxCallSendMsgSize(bytesLimit)),
	}
	if o.Dial != nil {
		options = append(options, grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return o.Dial() }))
	}
	for range grpcConns {
		c, err := grpc.NewClient("dns:///"+address, options...)
		if err != nil {
			return fmt.Errorf("cannot use the address %q: %w", o.URL, err)
		}
		t.conns = append(t.conns, c)
	}
	return nil
}

// grpcAddress reads HOST:PORT, with or without a scheme.
func grpcAddress(text string) (address string, secure bool, err error) {
	if !strings.Contains(text, "://") {
		text = "grpc://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", false, fmt.Errorf("cannot read the address %q: %w", text, err)
	case u.Port() == "" || strings.Trim(u.Path, "/") != "":
		return "", false, fmt.Errorf("cannot use the address %q: give HOST:PORT", text)
	case u.Scheme == "grpc" || u.Scheme == "http":
		return u.Host, false, nil
	case u.Scheme == "grpcs" || u.Scheme == "https":
		return u.Host, true, nil
	}
	return "", false, fmt.Errorf("cannot use the address %q: give grpc://HOST:PORT, or grpcs:// with TLS", text)
}

// look asks the server for its model, and makes what is to be sent.
func (t *grpcTarget) look(ctx context.Context, o *Options) (*oipInput, error) {
	client := inferencepb.NewGRPCInferenceServiceClient(t.conns[0])
	if o.Model == "" {
		index, err := client.RepositoryIndex(ctx, &inferencepb.RepositoryIndexRequest{Ready: true})
		if err != nil {
			return nil, fmt.Errorf("cannot find out which models there are: %w; if gRPC is served at %s, name one", err, o.URL)
		}
		var names []string
		for _, m := range index.Models {
			names = append(names, m.Name)
		}
		if o.Model, err = firstModel(names); err != nil {
			return nil, err
		}
	}
	t.info.Model = o.Model
	described, err := client.ModelMetadata(ctx, &inferencepb.ModelMetadataRequest{Name: o.Model})
	if err != nil {
		return nil, fmt.Errorf("cannot ask for model %q: %w", o.Model, err)
	}
	if server, err := client.ServerMetadata(ctx, &inferencepb.ServerMetadataRequest{}); err == nil {
		t.info.Server = strings.TrimSpace(server.Name + " " + server.Version)
	}
	var inputs []tensorMetadata
	for _, in := range described.Inputs {
		inputs = append(inputs, tensorMetadata{in.Name, in.Datatype, in.Shape})
	}
	return o.oipInput(inputs)
}

// prepare makes the messages.
func (t *grpcTarget) prepare(in *oipInput) error {
	total := 0
	for _, raw := range in.contents {
		message, err := proto.Marshal(&inferencepb.ModelInferRequest{
			ModelName:        t.info.Model,
			Inputs:           []*inferencepb.ModelInferRequest_InferInputTensor{{Name: in.Name, Datatype: in.Datatype, Shape: in.Shape}},
			RawInputContents: [][]byte{raw},
		})
		if err != nil {
			return fmt.Errorf("cannot make a request: %w", err)
		}
		t.messages = append(t.messages, message)
		total += len(message)
	}
	t.info.Requests, t.info.Bytes = len(t.messages), total/len(t.messages)
	return nil
}

// Info says what is known of the target.
func (t *grpcTarget) Info() Info { return t.info }

// Abort cancels all calls.
func (t *grpcTarget) Abort() { t.cancel() }

// Close closes the connections.
func (t *grpcTarget) Close() error {
	t.cancel()
	var failed error
	for _, c := range t.conns {
		failed = errors.Join(failed, c.Close())
	}
	return failed
}

// Sender returns a sender for the calling goroutine.
func (t *grpcTarget) Sender() Sender {
	return &grpcSender{t, t.conns[t.next.Add(1)%uint64(len(t.conns))]}
}

type grpcSender struct {
	t    *grpcTarget
	conn *grpc.ClientConn
}

// prepared hands a message through as it is: it was encoded once, and nobody reads the answer.
type prepared struct{}

func (prepared) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (prepared) Unmarshal(mem.BufferSlice, any) error { return nil }
func (prepared) Name() string                         { return "proto" }

var asPrepared = grpc.ForceCodecV2(prepared{})

// Send sends the n-th request.
func (s *grpcSender) Send(n uint64, due time.Time) Reply {
	t := s.t
	if !t.deadline {
		due = time.Now()
	}
	limit := due.Add(t.timeout)
	ctx, cancel := context.WithDeadline(t.ctx, limit)
	defer cancel()
	err := s.conn.Invoke(ctx, inferencepb.GRPCInferenceService_ModelInfer_FullMethodName, t.messages[n%uint64(len(t.messages))], nil, asPrepared)
	if err == nil {
		return Reply{Outcome: Answered, Images: t.info.Batch}
	}
	return t.failure(status.Convert(err), time.Until(limit))
}

// failure says what a status means that came so long before the call's own end. gRPC tells the server of that end, so a server
// that gives up in the last moments of it has done so for our sake.
func (t *grpcTarget) failure(s *status.Status, left time.Duration) Reply {
	switch code := s.Code(); {
	case code == codes.ResourceExhausted, code == codes.Unavailable && !brokenTransport(s.Message()):
		return Reply{Outcome: Refused}
	case code == codes.Unavailable:
		return Reply{Outcome: Failed, Kind: "connection"}
	case code == codes.DeadlineExceeded && (t.deadline || t.ctx.Err() == nil && left > t.timeout/20 && !gaveUp(s.Message())):
		return Reply{Outcome: Expired}
	case code == codes.DeadlineExceeded:
		return Reply{Outcome: Failed, Kind: kindTimeout}
	default:
		return Reply{Outcome: Failed, Kind: "grpc_" + strings.ToLower(code.String())}
	}
}

// brokenTransport tells an UNAVAILABLE that grpc-go made up from one that the server sent.
func brokenTransport(message string) bool {
	for _, says := range []string{"connection error", "error reading from server", "transport is closing", "closing transport", "connection closed", "name resolver"} {
		if strings.Contains(message, says) {
			return true
		}
	}
	return false
}

// gaveUp tells the same of a DEADLINE_EXCEEDED.
func gaveUp(message string) bool { return strings.Contains(message, "context deadline exceeded") }
