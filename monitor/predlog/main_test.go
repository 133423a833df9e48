package predlog

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/internal/pgserver"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerVariable); dir != "" {
		writeUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(withPostgres{m})
}

// postgres is for the tests that only need a database of their own.
var postgres pgserver.Shared

// withPostgres ends it before leaks are looked for.
type withPostgres struct{ *testing.M }

// Run implements goleak.TestingM.
func (m withPostgres) Run() int {
	defer postgres.Stop()
	return m.M.Run()
}
