package evaluate

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMcNemar(t *testing.T) {
	f := func(onlyA, onlyB int, want float64) {
		t.Helper()
		assert.InDelta(t, want, McNemar(onlyA, onlyB), 1e-12)
		assert.Equal(t, McNemar(onlyA, onlyB), McNemar(onlyB, onlyA), "it is two-sided")
	}
	f(0, 0, 1)
	f(1, 0, 1)
	f(5, 0, 2.0/32)
	f(6, 1, 2*8.0/128)
	f(3, 3, 1)
	f(24, 0, math.Ldexp(1, -23))
	f(13, 12, 1)                          // the correction takes all of the difference
	f(50, 50, 1)                          // and no more than that
	f(25, 0, math.Erfc(24/math.Sqrt(50))) // chi-squared (25-1)²/25
	assert.Panics(t, func() { McNemar(-1, 2) })
}

// TestMcNemarMeets: where the one formula takes over from the other they say nearly the same.
func TestMcNemarMeets(t *testing.T) {
	for onlyA := range fewDiscordant + 1 {
		onlyB := fewDiscordant - onlyA
		assert.InDelta(t, exactMcNemar(min(onlyA, onlyB), fewDiscordant), McNemar(onlyA, onlyB), 0.005, "%d and %d", onlyA, onlyB)
	}
}
