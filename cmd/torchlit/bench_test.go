package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

func TestBenchFlags(t *testing.T) {
	f := func(want int, says string, args ...string) {
		t.Helper()
		_, stderr, code := runCommand(t, append([]string{"bench"}, args...)...)
		assert.Equal(t, want, code, stderr)
		assert.Contains(t, stderr, says)
	}
	f(2, "--url is missing")
	f(2, "give one of them", "--engine", "--url", "x")
	f(2, "no use for --rate, --deadline", "--engine", "--rate", "3", "--deadline", "1s")
	f(2, "--threads: only with --engine", "--url", "x", "--threads", "2")
	f(2, "give one of them", "--url", "x", "--rate", "1", "--clients", "1")
	f(2, "give one of them", "--url", "x", "--find-max", "--clients", "1")
	f(2, "--p99 is the bound of --find-max", "--url", "x", "--p99", "1s")
	f(2, "--rate=-1", "--url", "x", "--rate", "-1")
	f(2, "--clients=0", "--url", "x", "--clients", "0")
	f(2, "--duration=0s", "--url", "x", "--duration", "0s")
	f(2, "--batch=0", "--url", "x", "--batch", "0")
	f(2, `arrivals "bursty" are not known`, "--url", "x", "--arrivals", "bursty")
	f(2, "--connections=0", "--url", "x", "--connections", "0")
	f(2, "--timeout=0s", "--url", "x", "--timeout", "0s")
	f(2, `protocol "v3" is not known`, "--url", "x", "--protocol", "v3")
	f(2, `v1 has no input "tensor"`, "--url", "x", "--input", "tensor")
	f(2, "give HOST:PORT", "--url", "x", "--protocol", "grpc")
	f(2, "has no {{image}}", "--url", "x", "--litserve-template", "{}")
	f(2, `write "Name: value"`, "--url", "x", "--header", "key")
	f(1, "no such file", "--url", "x", "--images", filepath.Join(t.TempDir(), "none"))
	f(1, "no name ends in .jpg", "--url", "x", "--images", t.TempDir())
}

// benchJSON runs torchlit bench --json.
func benchJSON(t *testing.T, args ...string) map[string]any {
	t.Helper()
	stdout, stderr, code := runCommand(t, append([]string{"bench", "--json", "--warmup", "0s", "--duration", "400ms"}, args...)...)
	require.Zero(t, code, stderr)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	return got
}

func TestBenchServer(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", writeModel(t, "resnet18", resnet.CIFARStem, 10, 32), "--grpc-addr", "127.0.0.1:0")
	photos := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(photos, "a.jpg"), photo(t, 60, 40, 1), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(photos, "b.JPEG"), photo(t, 60, 40, 2), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(photos, "notes.txt"), []byte("no image"), 0o644))

	f := func(protocol string, args ...string) map[string]any {
		t.Helper()
		address := s.url
		if protocol == "grpc" {
			address = s.grpc
		}
		got := benchJSON(t, append([]string{"--url", address, "--images", photos, "--protocol", protocol}, args...)...)
		assert.GreaterOrEqual(t, got["requests_per_second"], 0.0) // on a busy machine the answers may come after the window
		assert.Zero(t, got["errors"], "%v", got["errors_by_kind"])
		latency := got["latency_ms"].(map[string]any)
		assert.Positive(t, latency["count"])
		assert.Positive(t, latency["p50"])
		assert.GreaterOrEqual(t, latency["p99"], latency["p50"])
		assert.Contains(t, got["target"].(map[string]any)["server"], "torchlit")
		return got
	}
	got := f("v1", "--rate", "20", "--arrivals", "uniform")
	assert.EqualValues(t, 8, got["requests"]) // 20 a second for 0.4 s
	assert.EqualValues(t, 2, got["target"].(map[string]any)["distinct"])
	f("v1", "--clients", "2")
	f("v1", "--clients", "2", "--batch", "3")
	f("v2", "--clients", "2", "--batch", "2", "--deadline", "10s")
	f("v2", "--clients", "2", "--input", "pixels")
	f("v2", "--clients", "2", "--input", "tensor")
	f("grpc", "--rate", "20", "--batch", "2")
	f("grpc", "--clients", "2", "--input", "pixels", "--deadline", "10s")
}

func TestBenchTable(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Server", "uvicorn")
		io.WriteString(w, `{"output": 1}`)
	}))
	defer server.Close()
	dir := t.TempDir()
	stdout, stderr, code := runCommand(t, "bench", "--url", server.URL, "--protocol", "litserve", "--rate", "50", "--arrivals", "uniform",
		"--deadline", "5s", "--warmup", "0s", "--duration", "400ms", "--report", filepath.Join(dir, "a", "b.html"))
	require.Zero(t, code, stderr)
	page, err := os.ReadFile(filepath.Join(dir, "a", "b.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "How it bears 50 requests a second")
	for _, says := range []string{"(uvicorn), litserve, 16 synthetic JPEGs", "open loop: 50 requests/s, uniform arrivals", "0 of 20 requests", "p99.9"} {
		assert.Contains(t, stdout, says)
	}

	stdout, stderr, code = runCommand(t, "bench", "--url", server.URL, "--find-max", "--p99", "1us", "--warmup", "0s", "--duration", "10ms", "--report", dir)
	require.Zero(t, code, stderr)
	assert.FileExists(t, filepath.Join(dir, "index.html"))
	assert.Contains(t, stdout, "One client alone waits for more than 0.001 ms.")
	assert.Contains(t, stdout, "closed loop: 1 client,")
}

// Ctrl-C ends a run with the figures until then, also when an answer never comes.
func TestBenchInterrupted(t *testing.T) {
	arrived := make(chan struct{}, 1000)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case arrived <- struct{}{}:
		default:
		}
		if len(arrived) == 20 {
			<-release
		}
	}))
	defer server.Close()
	defer close(release)
	cmd := command(t, "bench", "--url", server.URL, "--rate", "50", "--warmup", "0s", "--duration", "1h", "--json")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	require.NoError(t, cmd.Start())
	for len(arrived) < 21 {
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait())
	var got map[string]any
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got))
	assert.Equal(t, true, got["interrupted"])
	assert.GreaterOrEqual(t, got["requests"], 20.0)
	assert.EqualValues(t, 1, got["errors"])
	assert.Less(t, got["duration_s"], 3000.0)
}

func TestBenchOfNothing(t *testing.T) {
	_, none, exit := runCommand(t, "bench", "--url", "127.0.0.1:1", "--rate", "0.001", "--warmup", "0s", "--duration", "10ms")
	assert.Equal(t, 1, exit)
	assert.Contains(t, none, "no request began within 10ms")

	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	stdout, stderr, code := runCommand(t, "bench", "--url", server.URL, "--rate", "20", "--warmup", "0s", "--duration", "200ms")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "answered none of")
	assert.Contains(t, stderr, "connection refused")
	assert.Contains(t, stdout, "requests/s")
}

func TestBenchEngine(t *testing.T) {
	torchtest.Need(t)
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 32)
	got := benchJSON(t, "--engine", "--model", model, "--precision", "fp32", "--batch", "4")
	assert.Positive(t, got["images_per_second"])
	latency := got["latency_ms"].(map[string]any)
	assert.Positive(t, latency["p50"])
	assert.GreaterOrEqual(t, latency["p99"], latency["p50"])
	assert.Equal(t, "fp32", got["precision"])
	assert.EqualValues(t, 4, got["batch"])

	stdout, stderr, code := runCommand(t, "bench", "--engine", "--model", model, "--duration", "100ms", "--warmup", "0s")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "images/s")
	assert.True(t, strings.Contains(stdout, "batches of 1"), stdout)
	_, stderr, code = runCommand(t, "bench", "--engine", "--model", model, "--precision", "fp1")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "fp1")
}

// TestBenchTurns: an engine that waits for its turns runs what it is asked to, and says what it cannot.
func TestBenchTurns(t *testing.T) {
	torchtest.Need(t)
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 32)
	images := filepath.Join(t.TempDir(), "images.raw")
	require.NoError(t, os.WriteFile(images, bytes.Repeat([]byte{1, 2, 3, 4}, 4*32*32*3/4), 0o600))
	f := benchFlags{engine: true, modelDir: model, precision: "fp32", device: "cpu", threads: 1, runners: 2}
	f.target.Batch = 8
	turns := func(lines ...string) []turnAnswer {
		t.Helper()
		var out bytes.Buffer
		require.NoError(t, f.benchTurns(t.Context(), strings.NewReader(strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "FILE", images)), &out))
		d := json.NewDecoder(&out)
		var hello struct {
			Name, Version, Refused string
			Settings               []turnSetting
		}
		require.NoError(t, d.Decode(&hello))
		assert.Equal(t, "Torchlit", hello.Name)
		if hello.Refused != "" {
			return []turnAnswer{{Error: hello.Refused}}
		}
		assert.Equal(t, []turnSetting{{"2×1", 2}}, hello.Settings)
		var answers []turnAnswer
		for d.More() {
			var a turnAnswer
			require.NoError(t, d.Decode(&a))
			answers = append(answers, a)
		}
		return answers
	}
	got := turns(
		`{"setting":"2×1","batch":4,"images":"FILE","seconds":0.05}`,
		`{"setting":"2×1","batch":2,"images":"FILE","logits":true}`,
		`{"setting":"9×9","batch":1,"images":"FILE"}`, `{"setting":"2×1","batch":9,"images":"FILE"}`,
		`{"setting":"2×1","batch":5,"images":"FILE"}`, `{"setting":"2×1","batch":1,"images":"/nowhere"}`, `?`,
		`{"setting":"2×1","batch":8,"seconds":0.05}`,
	)
	require.Len(t, got, 8)
	assert.Positive(t, got[7].Batches, "without a file it is noise")
	assert.GreaterOrEqual(t, got[0].Batches, 2)
	assert.Positive(t, got[0].Seconds)
	assert.Positive(t, got[0].P50)
	require.Len(t, got[1].Logits, 2)
	assert.Len(t, got[1].Logits[0], 10)
	for i, says := range []string{`no setting "9×9"`, "--batch allows 1 to 8", "holds 4 images", "cannot read images", "cannot read the turn"} {
		assert.Contains(t, got[i+2].Error, says)
	}
	f.precision = "fp1"
	assert.Contains(t, turns()[0].Error, "fp1")
}

func TestTurnSettings(t *testing.T) {
	f := func(cpus, runners, threads int, want ...string) {
		t.Helper()
		var names []string
		for _, s := range turnSettings(cpus, runners, threads) {
			names = append(names, s.Name)
		}
		assert.Equal(t, want, names)
	}
	f(1, 0, 0, "1×1")
	f(2, 0, 0, "1×2", "2×1")
	f(6, 0, 0, "1×6", "2×3", "3×2", "6×1")
	f(8, 2, 0, "2×4")
	f(8, 0, 3, "1×3")
}
