//go:build !linux

package isolate

import (
	"errors"
	"testing"
)

func becomeWorker() bool { return false }

func TestOpenSaysWhereItWorks(t *testing.T) {
	if _, err := Open(Config{}); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}
