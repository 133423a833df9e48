package isolate

import (
	"testing"

	"go.uber.org/goleak"
)

// The tests' own binary is what a pool starts as its workers.
func TestMain(m *testing.M) {
	if becomeWorker() {
		return
	}
	goleak.VerifyTestMain(m)
}
