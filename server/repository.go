package server

import (
	"context"
	"errors"
)

// Repository is the folder that the models come from. The server asks it on behalf of its callers, from many goroutines
// at once; the repository in turn calls SetModels.
type Repository interface {
	// Index lists every version that lies in the folder or is loaded, by name and then by version number.
	Index() []VersionState

	// Load loads a model, or loads it anew, and returns when it serves. If it cannot, an error says why, and what
	// served before still serves. parameters are those of the protocol's request. The error wraps ErrUnknownModel,
	// ErrCannotLoad, or ErrBadParameter.
	Load(ctx context.Context, name string, parameters map[string]any) error

	// Unload stops serving a model, and returns when its last request is answered. The error wraps ErrUnknownModel.
	Unload(ctx context.Context, name string) error

	// Keep is told a model's traffic before it is in force: the versions that it names are to stay loaded. The zero
	// Traffic names none.
	Keep(name string, t Traffic)
}

// VersionState is what a Repository knows of one version.
type VersionState struct {
	Name, Version string
	State         State
	Reason        string // why it is unavailable, or why its folder's newer content is not what serves
}

// State is the stage of a version's life.
type State string

// The states.
const (
	StateLoading     State = "loading"     // it will serve soon
	StateReady       State = "ready"       // it serves
	StateUnloading   State = "unloading"   // it answers what it accepted, and nothing more
	StateUnavailable State = "unavailable" // it does not serve; Reason says why
)

// What a Repository's errors wrap. Their texts were written for the caller.
var (
	ErrUnknownModel = errors.New("no such model in the repository")
	ErrCannotLoad   = errors.New("the model cannot be loaded")
	ErrBadParameter = errors.New("the parameter cannot be used")
)
