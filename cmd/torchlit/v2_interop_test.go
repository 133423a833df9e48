//go:build interop

package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// examples are the code blocks of a page in one language, in order.
func examples(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "source", page))
	require.NoError(t, err)
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	require.NotEmpty(t, out)
	return out
}

// TestInteropV2Page runs what docs/source/v2.md shows, and holds the answers against those of /v1/classify.
func TestInteropV2Page(t *testing.T) {
	torchtest.Need(t)
	python := interop.Python(t, "triton")
	s := serveModel(t, "--models", filepath.Join("..", "..", "models"))
	dir := t.TempDir()
	labels := map[string]string{}
	for name, seed := range map[string]uint64{"cat.jpg": 1, "dog.jpg": 2} {
		image := photo(t, 200, 150, seed)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), image, 0o600))
		labels[name] = classified(t, s.url, image)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".curlrc"), []byte("silent\nshow-error\nfail-with-body\nwrite-out = \"\\n\"\n"), 0o600))
	run := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CURL_HOME="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", args, out)
		return string(out)
	}
	here := func(text string) string {
		return strings.ReplaceAll(text, "localhost:8080", strings.TrimPrefix(s.url, "http://"))
	}
	var said []string
	for _, block := range examples(t, "v2.md", "sh") {
		said = append(said, run("bash", "-euo", "pipefail", "-c", here(block)))
	}
	require.Len(t, said, 3)
	answer, err := os.ReadFile(filepath.Join(dir, "answer.bin"))
	require.NoError(t, err)
	assert.Contains(t, string(answer), `"parameters":{"binary_data_size":40}`)
	assert.Regexp(t, `"id":"42",.*"shape":\[1,3\],"data":\["0\.\d+:\d:`+labels["cat.jpg"]+`",`, said[1])
	for _, part := range []string{`"name":"torchlit"`, `{"ready":true}`, `"models":["cifar10-resnet18"]`, `"shape":[-1,3,32,32]`, `"max_batch_size":32`, `"inference_count":4`, `"state":"READY"`} {
		assert.Contains(t, said[2], part)
	}
	assert.Regexp(t, "^"+labels["cat.jpg"]+` 0\.\d+\n`+labels["dog.jpg"]+` 0\.\d+\n\(100, 10\)\n$`, run(python, "-c", here(examples(t, "v2.md", "python")[0])))
}

// classified is the label that /v1/classify gives an image.
func classified(t *testing.T, url string, image []byte) string {
	t.Helper()
	a, status, err := post(http.DefaultClient, url, "", image)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	return a.Predictions[0].Label
}
