//go:build !race

// The race detector empties pools at random, so the budgets hold without it only.

package imageops

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNothingIsAllocated(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	for name, do := range every {
		m := noise(40, 30)
		do(m)
		require.Zero(t, testing.AllocsPerRun(50, func() { do(m) }), name)
	}
	m := noise(40, 30)
	KernelBlur(m, 23, 1)
	require.Zero(t, testing.AllocsPerRun(50, func() { KernelBlur(m, 23, 1) }))
}
