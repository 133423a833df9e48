package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// An alarm may ring late, on a busy machine much so, but never early.
func TestAlarmIsNotEarly(t *testing.T) {
	a := newAlarm()
	defer a.close()
	for _, d := range []time.Duration{-time.Second, 0, time.Nanosecond, 100 * time.Microsecond, 3 * time.Millisecond, 20 * time.Millisecond, time.Microsecond} {
		begin := time.Now()
		a.sleep(d)
		assert.GreaterOrEqual(t, time.Since(begin), d)
	}
}
