//go:build !race

package predlog

import (
	"testing"
	"time"
)

// TestRecordAllocations: recording costs the garbage collector nothing, whether there is room or not.
func TestRecordAllocations(t *testing.T) {
	for _, queue := range []int{1 << 14, 1} {
		l := open(t, Config{Queue: queue, Interval: time.Hour})
		a := answerTo(1)
		if n := testing.AllocsPerRun(500, func() {
			l.Record(a)
			l.Wants(a.RequestID)
		}); n > 1 { // the writer's, which grows what is pending in the meantime
			t.Errorf("with a queue of %d: %v allocations", queue, n)
		}
	}
}
