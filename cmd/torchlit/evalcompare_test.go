package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// TestJudge: what the images do not exclude counts as possible.
func TestJudge(t *testing.T) {
	f := func(onlyNew, onlyOld, n int, gain, pass bool, says string) {
		t.Helper()
		c := comparison{Gain: gain}
		c.OnlyNew, c.OnlyOld, c.N = onlyNew, onlyOld, n
		c.Interval[0], c.Interval[1] = evaluate.PairedInterval(onlyNew, onlyOld, n)
		c.judge(0.01)
		assert.Equal(t, pass, c.Passed, c.Verdict)
		assert.Contains(t, c.Verdict, says)
	}
	f(100, 100, 10_000, false, true, "no more than the 1.00 points")
	f(100, 150, 10_000, false, true, "no more")
	f(100, 190, 10_000, false, false, "it may lose 1.23 points, 1.00 are allowed; give more images")
	f(100, 400, 10_000, false, false, "it loses more")
	f(0, 0, 50, false, false, "give more images") // McNemar's p is 1
	f(0, 0, 1000, false, true, "no more")
	f(400, 100, 10_000, true, true, "it is better, by 2.5")
	f(100, 90, 10_000, true, false, "is not shown")
	f(100, 400, 10_000, true, false, "it is worse")
}

func TestEvalCompare(t *testing.T) {
	torchtest.Need(t)
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 32)
	data := writePhotos(t, 4, "cat", "dog", "ship")
	// Of twelve images alike answers prove little.
	out, stderr, code := runCommand(t, "eval", "--model", model, "--compare", model, "--data", data)
	assert.Equal(t, exitRefused, code)
	assert.Contains(t, stderr, "not to be promoted")
	assert.Contains(t, out, "+0.00 points (-19.80 to +19.80), McNemar's p 1")
	assert.Contains(t, out, "no: it may lose 19.80 points, 1.00 are allowed")
	assert.Contains(t, out, "promote "+model+" in the place of "+model+": no")

	out, stderr, code = runCommand(t, "eval", "--model", model, "--compare", model, "--data", data, "--max-loss", "0.2", "--json")
	require.Zero(t, code, stderr)
	var c comparisons
	require.NoError(t, json.Unmarshal([]byte(out), &c))
	assert.True(t, c.Promote)
	require.Len(t, c.Data, 1)
	assert.Equal(t, 12, c.Data[0].N)
	assert.Len(t, c.Data[0].PerClass, 3)
	assert.Contains(t, out, `"mcnemar_p": 1`)

	out, _, code = runCommand(t, "eval", "--model", model, "--compare", model, "--data", data, "--max-loss", "0.2", "--gain", data, "--json")
	assert.Equal(t, exitRefused, code)
	c = comparisons{}
	require.NoError(t, json.Unmarshal([]byte(out), &c))
	assert.False(t, c.Promote)
	assert.Equal(t, []bool{true, false}, []bool{c.Data[0].Passed, c.Data[1].Passed})

	// A failure is told from a no.
	require.NoError(t, os.WriteFile(filepath.Join(data, "cat", "broken.jpg"), []byte("no image"), 0o644))
	_, stderr, code = runCommand(t, "eval", "--model", model, "--compare", model, "--data", data)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, stderr, "broken.jpg")
	_, _, code = runCommand(t, "eval", "--model", model, "--compare", model, "--data", data, "--skip-corrupt", "--max-loss", "0.2")
	assert.Zero(t, code)
}

func TestEvalCompareUsage(t *testing.T) {
	f := func(says string, args ...string) {
		t.Helper()
		_, err := run(t, append([]string{"eval"}, args...)...)
		require.ErrorContains(t, err, says)
		assert.Equal(t, exitUsage, exitCode(err))
	}
	f("--data is missing")
	f("several, and --gain, go with --compare", "--data", "a", "--data", "b")
	f("--gain and --max-loss go with --compare", "--data", "a", "--gain", "b")
	f("--model is missing", "--compare", "old", "--data", "a")
	f("--data is missing", "--compare", "old", "--model", "new")
	f("--max-loss=2", "--compare", "old", "--model", "new", "--data", "a", "--max-loss", "2")
	f("--report is of one model", "--compare", "old", "--model", "new", "--data", "a", "--report", "r")
}
