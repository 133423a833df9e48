package jit_test

import (
	"os"
	"testing"

	"github.com/torchlit/torchlit/torch/torchtest"
)

func TestMain(m *testing.M) { os.Exit(torchtest.Main(m)) }
