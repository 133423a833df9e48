//go:build soak

package main

import (
	"fmt"
	"testing"
)

// Two hundred drains, in four rows at once: on busy cores a signal finds the server in more states.
func TestSoakDrains(t *testing.T) {
	for row := range 4 {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			t.Parallel()
			drains(t, 50)
		})
	}
}
