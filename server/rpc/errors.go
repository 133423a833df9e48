package rpc

import (
	"context"
	"net/http"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/torchlit/torchlit/server/oip"
)

// statusClientGone is the status under which HTTP counts a client that did not wait.
const statusClientGone = 499

// codeOf is the code of an HTTP status. What depends on the server's state and not on the request, and may be tried again,
// is UNAVAILABLE, as gRPC's own guide has it.
func codeOf(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case statusClientGone:
		return codes.Canceled
	case http.StatusNotImplemented:
		return codes.Unimplemented
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	}
	return codes.Internal
}

// cannotLoad is the code of a model that cannot be loaded: the state of its folder is wrong, not the request.
const cannotLoad = "model_load_failed"

// fail makes a backend's error the call's: the sentence, and as details the code (ErrorInfo.reason, in capitals as there usual),
// when to come again, and the request's id.
func (s *service) fail(err error, requestID string) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	d := s.Backend.Describe(err)
	code := codeOf(d.HTTP)
	if d.Code == cannotLoad {
		code = codes.FailedPrecondition
	}
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: strings.ToUpper(d.Code), Domain: "torchlit"}}
	if d.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(d.RetryAfter.Round(time.Millisecond))})
	}
	if requestID != "" {
		details = append(details, &errdetails.RequestInfo{RequestId: requestID})
	}
	st, err := status.New(code, d.Sentence).WithDetails(details...)
	if err != nil {
		panic("BUG: details that cannot be attached: " + err.Error())
	}
	return st.Err()
}

// sentenceOf is what a stream, whose errors are texts, says of err.
func (s *service) sentenceOf(err error) string { return s.Backend.Describe(err).Sentence }

func absent(context.Context) error {
	return status.Error(codes.Unimplemented, "This server does not have that extension of the protocol; ServerMetadata lists those that it has.")
}

// bad makes the error of a request that is not as the protocol has it.
func bad(code, sentence string) error {
	return &oip.Error{HTTP: http.StatusBadRequest, Code: code, Sentence: sentence}
}
