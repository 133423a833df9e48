//go:build soak

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Two hundred reloads under load: no request fails, and memory stays where it was.
func TestSoakReloads(t *testing.T) {
	before, after := reloads(t, 200)
	assert.Less(t, after[0], before[0]+64e6, "resident memory")
	assert.LessOrEqual(t, after[1], before[1]+32e6, "libtorch's memory")
}
