package oip

import (
	"context"
	"time"
)

// Backend is what a front end asks. Many goroutines call its methods at once. Its errors are turned into the protocol's
// by Describe.
type Backend interface {
	// Ready reports whether new work should come here.
	Ready() bool

	// ServerMetadata describes the server; its extensions are those of the front ends.
	ServerMetadata() ServerMetadata

	// ModelReady reports whether the version answers. An unknown model is an error.
	ModelReady(name, version string) (bool, error)

	// ModelMetadata describes a model. With a version it is about that one.
	ModelMetadata(name, version string) (*ModelMetadata, error)

	// ModelConfig is the model's configuration in Triton's terms.
	ModelConfig(name, version string) (*ModelConfig, error)

	// Statistics are those of one version, of all versions of a model, or with an empty name of all models.
	Statistics(name, version string) ([]ModelStatistics, error)

	// Infer runs a request. A request of more images than one batch holds runs as several. The context's end ends it.
	Infer(ctx context.Context, req *InferRequest) (*InferResponse, error)

	// Index lists the versions in the repository; with ready only those that answer.
	Index(ready bool) ([]IndexEntry, error)

	// Load loads or reloads a model and returns when it serves, or when it cannot, with the old one still serving.
	Load(ctx context.Context, name string, parameters map[string]any) error

	// Unload stops serving a model and returns when its last request is answered.
	Unload(ctx context.Context, name string) error

	// Describe says what a caller is told of an error that one of the other methods returned.
	Describe(err error) Status
}

// Status is an error as a caller sees it.
type Status struct {
	HTTP       int           // the status code
	Code       string        // snake_case, for programs
	Sentence   string        // for people
	RetryAfter time.Duration // when to come again; 0 when that is no use
}
