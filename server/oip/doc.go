// Package oip is the Open Inference Protocol, version 2 (KServe V2, as Triton speaks it): its requests and replies as
// Go values, and its HTTP form. The gRPC form is in server/grpc. Neither knows the server: they ask a [Backend].
//
// Sources: the protocol's rest and grpc specifications (github.com/kserve/open-inference-protocol) and Triton's
// extensions (binary tensors, classification, statistics, configuration, repository).
package oip
