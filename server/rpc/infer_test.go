package rpc

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/server/oip"
)

// The answer is raw to a raw request, typed to a typed one, and the backend sees the same bytes of both.
func TestInferForms(t *testing.T) {
	b := newBackend()
	var got *oip.InferRequest
	b.infer = func(ctx context.Context, req *oip.InferRequest) (*oip.InferResponse, error) {
		got = req
		return echo(ctx, req)
	}
	_, conn := start(t, Config{Backend: b})
	req := request("a")
	req.Parameters = map[string]*pb.InferParameter{"priority": {ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: 2}}}
	req.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "probabilities", Parameters: map[string]*pb.InferParameter{"classification": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 3}}}}}
	resp, err := client(conn).ModelInfer(t.Context(), req)
	if err != nil || resp.Id != "a" || resp.ModelVersion != "1" || len(resp.RawOutputContents) != 1 || len(resp.RawOutputContents[0]) != 8 || resp.Outputs[0].Contents != nil {
		t.Fatalf("got %v, %v", resp, err)
	}
	if got.Model != "m" || !slices.Equal(got.Inputs[0].Raw, []byte{1, 2, 3}) || got.Parameters["priority"] != uint64(2) || got.Outputs[0].Classification != 3 {
		t.Fatalf("the backend got %+v", got)
	}
	req = request("b")
	req.RawInputContents = nil
	req.Inputs[0].Contents = &pb.InferTensorContents{UintContents: []uint32{1, 2, 3}}
	resp, err = client(conn).ModelInfer(t.Context(), req)
	if err != nil || len(resp.RawOutputContents) != 0 || !slices.Equal(resp.Outputs[0].Contents.GetFp32Contents(), []float32{.5, .25}) {
		t.Fatalf("got %v, %v", resp, err)
	}
	if !slices.Equal(got.Inputs[0].Raw, []byte{1, 2, 3}) {
		t.Fatalf("the backend got %+v", got)
	}
	for _, compressor := range []string{gzip.Name, "deflate"} {
		if _, err := client(conn).ModelInfer(t.Context(), request("c"), grpc.UseCompressor(compressor)); err != nil {
			t.Errorf("%s: %v", compressor, err)
		}
	}
}

func TestBadRequests(t *testing.T) {
	_, conn := start(t, Config{Backend: newBackend(), MaxMessage: 1 << 16})
	f := func(code codes.Code, want string, change func(*pb.ModelInferRequest)) {
		t.Helper()
		req := request("")
		change(req)
		_, err := client(conn).ModelInfer(t.Context(), req)
		if status.Code(err) != code || !strings.Contains(message(err), want) {
			t.Errorf("got %v; want %s with %q", err, code, want)
		}
	}
	f(codes.InvalidArgument, "2 raw_input_contents for 1 inputs", func(r *pb.ModelInferRequest) { r.RawInputContents = append(r.RawInputContents, nil) })
	f(codes.InvalidArgument, "has no contents", func(r *pb.ModelInferRequest) { r.RawInputContents = nil })
	f(codes.InvalidArgument, "has 2 bytes", func(r *pb.ModelInferRequest) { r.RawInputContents[0] = r.RawInputContents[0][1:] })
	f(codes.InvalidArgument, "has no name", func(r *pb.ModelInferRequest) { r.Inputs[0].Name = "" })
	f(codes.InvalidArgument, `datatype "FP128"`, func(r *pb.ModelInferRequest) { r.Inputs[0].Datatype = "FP128" })
	f(codes.InvalidArgument, "dimension of -1", func(r *pb.ModelInferRequest) { r.Inputs[0].Shape[0] = -1 })
	f(codes.InvalidArgument, "beside the request's raw_input_contents", func(r *pb.ModelInferRequest) { r.Inputs[0].Contents = &pb.InferTensorContents{} })
	f(codes.InvalidArgument, "that UINT8 does not hold", func(r *pb.ModelInferRequest) {
		r.RawInputContents, r.Inputs[0].Contents = nil, &pb.InferTensorContents{UintContents: []uint32{1, 2, 256}}
	})
	f(codes.InvalidArgument, "send it in raw_input_contents", func(r *pb.ModelInferRequest) {
		r.RawInputContents, r.Inputs[0].Datatype, r.Inputs[0].Contents = nil, "FP16", &pb.InferTensorContents{}
	})
	f(codes.InvalidArgument, "ends in the middle", func(r *pb.ModelInferRequest) { r.Inputs[0].Datatype = "BYTES" })
	f(codes.InvalidArgument, `parameter "timeout"`, func(r *pb.ModelInferRequest) {
		r.Parameters = map[string]*pb.InferParameter{"timeout": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: -1}}}
	})
	f(codes.InvalidArgument, "classification of output", func(r *pb.ModelInferRequest) {
		r.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "p", Parameters: map[string]*pb.InferParameter{"classification": {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "three"}}}}}
	})
	f(codes.ResourceExhausted, "larger than max", func(r *pb.ModelInferRequest) { r.RawInputContents[0] = make([]byte, 1<<17) })
}

// An error has the code of its HTTP status, and in its details the word for programs, the time to come again, and the id.
func TestErrors(t *testing.T) {
	b, why := newBackend(), errors.New("why")
	b.infer = func(ctx context.Context, _ *oip.InferRequest) (*oip.InferResponse, error) {
		oip.CallerOf(ctx).RequestID += "!"
		return nil, why
	}
	_, conn := start(t, Config{Backend: b})
	f := func(http int, word string, code codes.Code) {
		t.Helper()
		b.status[why] = oip.Status{HTTP: http, Code: word, Sentence: "A sentence.", RetryAfter: time.Duration(http) * time.Millisecond}
		var header metadata.MD
		_, err := client(conn).ModelInfer(metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "id"), request(""), grpc.Header(&header))
		st := status.Convert(err)
		if st.Code() != code || st.Message() != "A sentence." || first(header, requestIDKey) != "id!" {
			t.Fatalf("%d: got %v, header %v", http, err, header)
		}
		var reason, id string
		var retry time.Duration
		for _, d := range st.Details() {
			switch d := d.(type) {
			case *errdetails.ErrorInfo:
				reason = d.Reason
			case *errdetails.RetryInfo:
				retry = d.RetryDelay.AsDuration()
			case *errdetails.RequestInfo:
				id = d.RequestId
			}
		}
		if reason != strings.ToUpper(word) || id != "id!" || retry != time.Duration(http)*time.Millisecond {
			t.Errorf("%d: got details %v", http, st.Details())
		}
	}
	f(400, "bad_inputs", codes.InvalidArgument)
	f(401, "admin_key_needed", codes.Unauthenticated)
	f(403, "admin_local_only", codes.PermissionDenied)
	f(404, "model_not_found", codes.NotFound)
	f(413, "too_many_pixels", codes.InvalidArgument)
	f(415, "not_an_image", codes.InvalidArgument)
	f(422, "cannot_decode", codes.InvalidArgument)
	f(422, "model_load_failed", codes.FailedPrecondition)
	f(429, "rate", codes.ResourceExhausted)
	f(499, "client_gone", codes.Canceled)
	f(500, "internal", codes.Internal)
	f(501, "not_implemented", codes.Unimplemented)
	f(503, "queue_full", codes.Unavailable)
	f(504, "deadline_exceeded", codes.DeadlineExceeded)
}

// The deadline of the call, the parameter "timeout" and the server's own time all reach the backend, the first to end
// counts, and a call that is cancelled is.
func TestDeadlines(t *testing.T) {
	b := newBackend()
	ended := make(chan error, 1)
	deadline := make(chan time.Duration, 1)
	b.infer = func(ctx context.Context, _ *oip.InferRequest) (*oip.InferResponse, error) {
		at, _ := ctx.Deadline()
		deadline <- time.Until(at)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, context.Cause(ctx)
	}
	_, conn := start(t, Config{Backend: b, DefaultTimeout: 40 * time.Minute, MaxTimeout: time.Hour})
	f := func(call, parameter, want time.Duration) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if call > 0 {
			var stop context.CancelFunc
			ctx, stop = context.WithTimeout(ctx, call)
			defer stop()
		}
		req := request("")
		if parameter > 0 {
			req.Parameters = map[string]*pb.InferParameter{"timeout": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: parameter.Microseconds()}}}
		}
		failed := make(chan error, 1)
		go func() {
			_, err := client(conn).ModelInfer(ctx, req)
			failed <- err
		}()
		select {
		case got := <-deadline:
			if got > want || got < want-time.Minute {
				t.Errorf("the backend has %v; want %v", got, want)
			}
		case err := <-failed:
			t.Fatalf("the call did not reach the backend: %v", err)
		}
		code := codes.DeadlineExceeded
		if want >= time.Minute {
			cancel()
			code = codes.Canceled
		}
		if err := <-failed; status.Code(err) != code {
			t.Errorf("got %v; want %s", err, code)
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("the backend's context ended with %v", err)
		}
	}
	f(0, 0, 40*time.Minute)
	f(30*time.Minute, 0, 30*time.Minute)
	f(0, 20*time.Minute, 20*time.Minute)
	f(30*time.Minute, 20*time.Minute, 20*time.Minute)
	f(20*time.Minute, 30*time.Minute, 20*time.Minute)
	const short = 400 * time.Millisecond // and long enough to reach the backend on a busy machine
	f(short, 0, short)
	f(0, short, short)
}

func TestPanic(t *testing.T) {
	b := newBackend()
	b.infer = func(context.Context, *oip.InferRequest) (*oip.InferResponse, error) { panic("ouch") }
	told := make(chan any, 2)
	_, conn := start(t, Config{Backend: b, Panicked: func(v any) { told <- v }})
	if _, err := client(conn).ModelInfer(t.Context(), request("")); status.Code(err) != codes.Internal || strings.Contains(message(err), "ouch") || <-told != "ouch" {
		t.Errorf("got %v", err)
	}
	stream, err := client(conn).ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(request("x")); err != nil {
		t.Fatal(err)
	}
	if r, err := stream.Recv(); err != nil || r.ErrorMessage == "" || r.InferResponse.Id != "x" || <-told != "ouch" {
		t.Errorf("got %v, %v", r, err)
	}
}

// Who may load is asked with the caller's address and key; what was forwarded has no address.
func TestAdmin(t *testing.T) {
	b := newBackend()
	var loaded map[string]any
	b.load = func(_ string, p map[string]any) error { loaded = p; return nil }
	no := errors.New("no")
	b.status[no] = oip.Status{HTTP: 403, Code: "admin_local_only", Sentence: "No."}
	var remote net.Addr
	var key string
	_, conn := start(t, Config{Backend: b, Admin: func(a net.Addr, authorization string) error {
		remote, key = a, authorization
		if a == nil {
			return no
		}
		return nil
	}})
	f := func(code codes.Code, wantKey string, md ...string) {
		t.Helper()
		ctx := metadata.AppendToOutgoingContext(t.Context(), md...)
		_, err := client(conn).RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "m", Parameters: map[string]*pb.ModelRepositoryParameter{
			"config": {ParameterChoice: &pb.ModelRepositoryParameter_StringParam{StringParam: "{}"}},
		}})
		if status.Code(err) != code || key != wantKey || (remote == nil) != (code != codes.OK) {
			t.Errorf("%v: got %v, key %q, remote %v", md, err, key, remote)
		}
		if _, err := client(conn).RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{ModelName: "m"}); status.Code(err) != code {
			t.Errorf("unload, %v: got %v", md, err)
		}
	}
	f(codes.PermissionDenied, "", "x-forwarded-for", "10.0.0.1")
	if loaded != nil {
		t.Error("it was loaded")
	}
	f(codes.OK, "")
	f(codes.OK, "Bearer secret", "authorization", "Bearer secret")
	f(codes.OK, "Bearer secret", "x-admin-key", "secret")
}

// allowance is a Memory of a fixed size.
type allowance struct{ limit, used, most atomic.Int64 }

func (a *allowance) Fits(n int64) bool { return a.used.Load()+n <= a.limit.Load() }
func (a *allowance) Add(n int64) {
	if used := a.used.Add(n); used > a.most.Load() { // of several at once one may be lost
		a.most.Store(used)
	}
}

// What calls hold is counted and given back, and while there is no room a call is refused by its headers.
func TestMemory(t *testing.T) {
	a := &allowance{}
	a.limit.Store(1 << 20)
	b := newBackend()
	var most atomic.Int64
	b.infer = func(ctx context.Context, req *oip.InferRequest) (*oip.InferResponse, error) {
		most.Store(a.most.Load())
		return echo(ctx, req)
	}
	var refused atomic.Int64
	_, conn := start(t, Config{Backend: b, Memory: a, Refused: func() { refused.Add(1) }})
	large := request("a")
	large.Inputs[0].Shape = []int64{1, 500, 500, 3}
	large.RawInputContents = [][]byte{make([]byte, 750000)}
	if _, err := client(conn).ModelInfer(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	if most.Load() < 750000 {
		t.Errorf("%d bytes were counted", most.Load())
	}
	for a.used.Load() > 1<<16 { // what the connection itself keeps
		time.Sleep(time.Millisecond)
	}
	a.limit.Store(0)
	_, err := client(conn).ModelInfer(t.Context(), request("b"))
	if status.Code(err) != codes.Unavailable || refused.Load() != 1 {
		t.Errorf("got %v, and %d refusals", err, refused.Load())
	}
	a.limit.Store(1 << 20)
	if _, err := client(conn).ModelInfer(t.Context(), request("c")); err != nil {
		t.Error(err)
	}
}

// Who asks presents a key, in either form of metadata; what the backend says of it is the call's error, and leave follows each request.
// TestCheck: a call without a key is refused by its headers, before its message has come. Whoever does not ask for an answer needs none.
func TestCheck(t *testing.T) {
	refused := &oip.Error{HTTP: 401, Code: "key_needed", Sentence: "A key is needed."}
	_, conn := start(t, Config{Backend: newBackend(), Check: func(key string) error {
		if key != "sesame" {
			return refused
		}
		return nil
	}})
	for _, method := range []string{"ModelInfer", "ModelStreamInfer"} {
		stream := silent(t, t.Context(), conn, method)
		if err := stream.RecvMsg(&pb.ModelInferResponse{}); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "A key is needed.") {
			t.Errorf("%s: got %v", method, err)
		}
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "bearer sesame")
	if _, err := client(conn).ModelInfer(ctx, request("a")); err != nil {
		t.Error(err)
	}
	if _, err := client(conn).ServerLive(t.Context(), &pb.ServerLiveRequest{}); err != nil {
		t.Error(err)
	}
}

// silent opens a call and sends no message.
func silent(t *testing.T, ctx context.Context, conn *grpc.ClientConn, method string) grpc.ClientStream {
	t.Helper()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/inference.GRPCInferenceService/"+method)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// TestMessageTime: a call whose message does not come ends; a call whose message came may take as long as it needs, and a stream may be
// silent.
func TestMessageTime(t *testing.T) {
	b := newBackend()
	b.infer = func(ctx context.Context, req *oip.InferRequest) (*oip.InferResponse, error) {
		time.Sleep(200 * time.Millisecond)
		if ctx.Err() != nil {
			t.Errorf("a call that is answered was cut off: %v", ctx.Err())
		}
		return echo(ctx, req)
	}
	_, conn := start(t, Config{Backend: b, ReadTimeout: 100 * time.Millisecond})
	open := silent(t, t.Context(), conn, "ModelStreamInfer")
	if err := silent(t, t.Context(), conn, "ModelInfer").RecvMsg(&pb.ModelInferResponse{}); status.Code(err) != codes.Canceled {
		t.Errorf("got %v; want an end", err)
	}
	if _, err := client(conn).ModelInfer(t.Context(), request("a")); err != nil {
		t.Error(err)
	}
	if err := open.SendMsg(request("b")); err != nil {
		t.Error(err)
	}
	if err := open.RecvMsg(&pb.ModelStreamInferResponse{}); err != nil {
		t.Error(err)
	}
	_ = open.CloseSend()
}

func TestEnter(t *testing.T) {
	var inside atomic.Int64
	b := newBackend()
	var named atomic.Pointer[string]
	b.infer = func(ctx context.Context, req *oip.InferRequest) (*oip.InferResponse, error) {
		named.Store(&oip.CallerOf(ctx).Key)
		return echo(ctx, req)
	}
	refused := &oip.Error{HTTP: 401, Code: "key_needed", Sentence: "A key is needed."}
	_, conn := start(t, Config{Backend: b, Enter: func(key string) (string, func(), error) {
		if key != "sesame" {
			return "", nil, refused
		}
		inside.Add(1)
		return "ali", func() { inside.Add(-1) }, nil
	}})
	f := func(code codes.Code, pairs ...string) {
		t.Helper()
		ctx := metadata.AppendToOutgoingContext(t.Context(), pairs...)
		if _, err := client(conn).ModelInfer(ctx, request("a")); status.Code(err) != code {
			t.Errorf("%v: got %v; want %s", pairs, err, code)
		}
		stream, err := client(conn).ModelStreamInfer(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(request("b")); err != nil {
			t.Fatal(err)
		}
		resp, err := stream.Recv()
		if err != nil || (resp.ErrorMessage == "") != (code == codes.OK) {
			t.Errorf("%v: got %v, %v", pairs, resp, err)
		}
		_ = stream.CloseSend()
	}
	f(codes.Unauthenticated)
	f(codes.Unauthenticated, "authorization", "Bearer open")
	f(codes.OK, "authorization", "bearer sesame")
	f(codes.OK, "x-api-key", "sesame")
	if n := inside.Load(); n != 0 {
		t.Errorf("%d have not left", n)
	}
	if name := named.Load(); name == nil || *name != "ali" {
		t.Error("the backend does not hear who calls")
	}
}
