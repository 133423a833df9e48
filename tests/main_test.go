package tests

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The names that the tests print are those from the root of the repository.
func TestMain(m *testing.M) {
	if err := os.Chdir(".."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
