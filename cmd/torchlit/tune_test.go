package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

func TestTune(t *testing.T) {
	torchtest.Need(t)
	dir := t.TempDir()
	t.Chdir(dir)
	settings := []string{"data.dir=" + writeImages(t), "data.batch_size=4", "data.sizes=[]", "trainer.precision=32", "trainer.device=cpu", "trainer.threads=1"}
	tune := func(args ...string) string {
		t.Helper()
		out, stderr, code := runCommand(t, append(append([]string{"tune"}, args...), settings...)...)
		require.Zero(t, code, stderr)
		return out
	}
	var lr struct {
		LRs, Losses []float64
		Suggestion  float64
	}
	require.NoError(t, json.Unmarshal([]byte(tune("lr", "--json", "--min", "1e-4", "--steps", "20", "--stop-factor=-1", "--plot", "lr.svg")), &lr))
	require.Len(t, lr.LRs, 20)
	assert.Len(t, lr.Losses, 20)
	assert.InDelta(t, 1e-4, lr.LRs[0], 1e-12)
	assert.InDelta(t, 1, lr.LRs[19], 1e-9)

	out := tune("batch-size", "--from", "4", "--steps", "1", "--plot", "batch")
	assert.Regexp(t, `(?m)^ +16 +\d+ +\d+ *$`, out)
	assert.Regexp(t, `(?m)^ +32 +- +- *$`, out)
	assert.Contains(t, out, "32: too few images")
	assert.Contains(t, out, "data.batch_size=15", "16 less a twentieth")

	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	assert.Equal(t, []string{"batch.png", "batch.svg", "lr.svg"}, names)
}

func TestTuneErrors(t *testing.T) {
	f := func(want int, says string, args ...string) {
		t.Helper()
		_, stderr, code := runCommand(t, append([]string{"tune"}, args...)...)
		assert.Equal(t, want, code)
		assert.Contains(t, stderr, says)
	}
	f(2, `cannot tune "momentum": give lr or batch-size`, "momentum")
	f(2, "optim.lrr", "lr", "optim.lrr=1")
	f(1, "it must grow", "lr", "--min", "1", "--max", "0.1", "data.dir=x")
	f(1, "begin with at least 2", "batch-size", "--from", "1", "data.dir=x")
	f(1, filepath.Join("no", "where"), "lr", "data.dir="+filepath.Join("no", "where"))
}

func TestLRTable(t *testing.T) {
	f := func(l lrFound, want string) {
		t.Helper()
		var out strings.Builder
		l.table(&out)
		assert.Equal(t, want, out.String())
	}
	f(lrFound{[]float64{1e-3, 1e-2, 0.1}, []float64{2.5, 2, 3}, 1e-2},
		"   learning rate     loss\n           0.001   2.5000\n            0.01   2.0000 <\n             0.1   3.0000\n\nthe loss falls most steeply at optim.lr=0.01\n")
	f(lrFound{LRs: []float64{1}, Losses: []float64{2}},
		"   learning rate     loss\n               1   2.0000\n\nno suggestion: the loss never falls; give a wider range with --min and --max, or more --steps\n")
}
