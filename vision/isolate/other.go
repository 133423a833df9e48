//go:build !linux

package isolate

import (
	"context"
	"fmt"
	"runtime"

	"github.com/torchlit/torchlit/vision"
)

// Pool is made on Linux only.
type Pool struct{}

// Open returns ErrUnsupported.
func Open(Config) (*Pool, error) {
	return nil, fmt.Errorf("%w, and this is %s; serve with --decode-isolation=none, in a container or a virtual machine", ErrUnsupported, runtime.GOOS)
}

// Work returns ErrUnsupported.
func Work([]string) error { return ErrUnsupported }

// Read is never reached.
func (*Pool) Read(context.Context, *vision.Preprocess, []byte, vision.Limits, vision.Resizer, []byte) error {
	panic("BUG: isolate: there is no pool on this system")
}

// Alive is never reached.
func (*Pool) Alive() int { panic("BUG: isolate: there is no pool on this system") }

// Close is never reached.
func (*Pool) Close() { panic("BUG: isolate: there is no pool on this system") }
