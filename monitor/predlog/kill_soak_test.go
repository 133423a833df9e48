//go:build soak

package predlog

import "testing"

func TestSoakKill(t *testing.T) { killManyTimes(t, 300) }
