//go:build soak

package batching

import (
	"fmt"
	"testing"
)

// Fifty thousand loads, none of which TestModel has. A failure names its seed.
func TestSoakModel(t *testing.T) {
	const first, each = 1 << 20, 2500
	for i := range uint64(20) {
		t.Run(fmt.Sprint(first+i*each), func(t *testing.T) { models(t, first+i*each, first+(i+1)*each) })
	}
}
