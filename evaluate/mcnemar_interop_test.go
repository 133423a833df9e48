//go:build interop

package evaluate_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropMcNemar: the p-values are those of statsmodels.
func TestInteropMcNemar(t *testing.T) {
	python := interop.Python(t, "statistics")
	var cases []struct {
		A, B int
		P    float64
	}
	require.NoError(t, json.Unmarshal([]byte(interop.Run(t, python, "testdata/mcnemar.py")), &cases))
	require.Greater(t, len(cases), 100)
	for _, c := range cases {
		assert.InDelta(t, c.P, evaluate.McNemar(c.A, c.B), 1e-9*c.P+1e-300, "%d and %d", c.A, c.B)
	}
}
