package certs

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/server/certs/acmetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(acmetest.Leaves)) }
