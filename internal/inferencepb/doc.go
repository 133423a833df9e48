// Package inferencepb holds the messages of inference.GRPCInferenceService, the Open Inference Protocol over gRPC, and its
// client and server stubs. The .proto files beside it are their source; what is made of them is committed, so that
// nothing but Go is needed to build. After a change of a .proto file run go generate here.
package inferencepb

//go:generate ./generate.sh
