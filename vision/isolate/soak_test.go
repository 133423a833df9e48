//go:build linux && soak

package isolate

import "testing"

// A thousand workers are killed under load. None takes a descriptor, a process or a byte of the budget with it.
func TestSoakKills(t *testing.T) {
	p := openPool(t, 2, nil)
	kills(t, p, 1000)
}
