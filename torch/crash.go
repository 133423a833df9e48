//go:build faults

package torch

import "github.com/torchlit/torchlit/torch/internal/libtorch"

// Crash ends the process by a fault in native code. Builds with the tag faults have it.
func Crash() { libtorch.Crash() }
