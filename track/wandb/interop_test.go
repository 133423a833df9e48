//go:build interop

package wandb

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/track"
)

// Sections of requirements_dev.txt: realWandb is the release that the records are written after, olderWandb the
// first whose `wandb sync` is the one in use today.
const (
	realWandb  = "wandb"
	olderWandb = "wandb-oldest"
)

// wandbCommand puts a real wandb on PATH, pointed at a server of the test's.
func wandbCommand(t *testing.T, server string, release string) string {
	t.Helper()
	bin := filepath.Dir(interop.Python(t, release))
	bin, err := filepath.Abs(bin)
	require.NoError(t, err)
	home := t.TempDir()
	for name, value := range map[string]string{
		"PATH": bin + ":" + os.Getenv("PATH"), "HOME": home,
		"WANDB_BASE_URL": server, "WANDB_API_KEY": testKey, "WANDB_ERROR_REPORTING": "false",
	} {
		t.Setenv(name, value)
	}
	return filepath.Join(bin, "wandb")
}

var testKey = strings.Repeat("k3y4", 10)

// wandbSync has the real client upload folders.
func wandbSync(t *testing.T, wandb string, dirs ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, wandb, append([]string{"sync"}, dirs...)...)
	cmd.Dir, cmd.WaitDelay = t.TempDir(), time.Second // it writes logs where it is
	cmd.Env = uploadEnv(os.Environ())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// TestInteropReadsBack parses the log with the client's own protobuf classes and
// compares each record with what was logged.
func TestInteropReadsBack(t *testing.T) {
	python := interop.Python(t, realWandb)
	dir := recordWholeRun(t, modeOffline)
	out := interop.Run(t, python, "testdata/read_log.py", only(t, filepath.Join(dir, "*.wandb")))
	var log struct {
		Kinds   []string
		Run     map[string]any
		Config  map[string]any
		History []map[string]any
		Summary map[string]any
		Stats   []map[string]float64
		Files   []string
		Metrics map[string]map[string]bool
		Exit    map[string]int
		Unknown []string
		Image   map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(out), &log), "%s", out)
	require.Empty(t, log.Unknown, "fields that the client does not know")
	require.Equal(t, []string{"header", "run", "environment", "telemetry", "metric"}, log.Kinds[:5])
	require.Equal(t, []string{"exit", "final", "footer"}, log.Kinds[len(log.Kinds)-3:])
	require.Equal(t, "nightly", log.Run["display_name"])
	require.Equal(t, "cifar", log.Run["project"])
	require.Equal(t, []any{"a", "b"}, log.Run["tags"])
	require.Equal(t, map[string]any{
		"_wandb": map[string]any{}, "optim": map[string]any{"lr": 0.1, "name": "sgd"}, "layers": []any{2.0, 2.0}, "note": nil,
	}, log.Config)
	require.Equal(t, map[string]map[string]bool{"val_acc": {"max": true, "last": true}}, log.Metrics)
	require.Equal(t, 0, log.Exit["exit_code"])
	require.NotEmpty(t, log.Stats)
	require.Greater(t, log.Stats[0]["proc.memory.rssMB"], 1.0)

	require.Len(t, log.History, 3)
	require.Equal(t, 2.5, log.History[0]["train_loss"])
	require.Equal(t, 50.0, log.History[0]["_step"])
	require.Equal(t, 0.5, log.History[1]["val_acc"])
	require.Equal(t, "NaN", log.History[2]["train_loss"])
	require.Equal(t, map[string]any{"max": 0.5, "last": 0.25}, log.Summary["val_acc"])
	require.Equal(t, 0.75, log.Summary["test_acc"])
	require.Equal(t, 150.0, log.Summary["_step"])
	require.Equal(t, "images/separated", log.History[2]["worst"].(map[string]any)["_type"])
	require.Len(t, log.Files, 3)
}

// TestInteropHistogram compares with wandb.Histogram, which is numpy's.
func TestInteropHistogram(t *testing.T) {
	python := interop.Python(t, realWandb)
	f := func(values ...float32) {
		t.Helper()
		got, ok := histogram(values)
		require.True(t, ok)
		exact := make([]float64, len(values)) // as Python reads a float32
		for i, v := range values {
			exact[i] = float64(v)
		}
		in, err := json.Marshal(exact)
		require.NoError(t, err)
		out := interop.Run(t, python, "testdata/histogram.py", string(in))
		var want, have struct {
			Values []int
			Bins   []float64
		}
		require.NoError(t, json.Unmarshal([]byte(out), &want))
		require.NoError(t, json.Unmarshal([]byte(got), &have))
		require.Equal(t, want.Values, have.Values)
		require.InDeltaSlice(t, want.Bins, have.Bins, 1e-12)
	}
	f(1)
	f(0, 1, 2, 3, 64)
	var many []float32
	for i := range 2000 {
		many = append(many, float32(i*7919%1009)/97-3)
	}
	f(many...)
}

// TestInteropSync has the real `wandb sync` upload a run to a server that speaks
// W&B's protocol, and looks at what arrives.
func TestInteropSync(t *testing.T) {
	t.Run("0.31", func(t *testing.T) { testSync(t, realWandb) })
	t.Run("0.28", func(t *testing.T) {
		dir := testSync(t, olderWandb)
		require.NoFileExists(t, filepath.Join(dir, "artifacts", "2-model", "config.json"), "it removes what it uploaded")
	})
}

func testSync(t *testing.T, release string) (dir string) {
	server := newFakeServer(t)
	wandb := wandbCommand(t, server.URL, release)
	model := filepath.Join(t.TempDir(), "model")
	dir = recordWholeRun(t, modeOffline, model)
	out := wandbSync(t, wandb, dir)
	require.NotContains(t, strings.ToLower(out), "error")
	require.FileExists(t, only(t, filepath.Join(dir, "*.wandb.synced")))

	run := server.run(t, "us", "cifar", "abc123")
	require.Equal(t, "nightly", run.vars["displayName"])
	require.Equal(t, []any{"a", "b"}, run.vars["tags"])
	require.Equal(t, "grp", run.vars["groupName"])
	require.Equal(t, map[string]any{"lr": 0.1, "name": "sgd"}, run.config["optim"].(map[string]any)["value"])
	require.Equal(t, []any{2.0, 2.0}, run.config["layers"].(map[string]any)["value"])

	require.Len(t, run.history, 3)
	require.Equal(t, 2.5, run.history[0]["train_loss"])
	require.Equal(t, []float64{50, 100, 150}, column(run.history, "_step"))
	require.Equal(t, "histogram", run.history[1]["weights"].(map[string]any)["_type"])
	require.Equal(t, map[string]any{"max": 0.5, "last": 0.25}, run.summary["val_acc"])
	require.Equal(t, 0.75, run.summary["test_acc"])
	require.NotEmpty(t, run.events)
	require.Contains(t, run.events[0], "system.proc.memory.rssMB")
	require.True(t, run.complete)
	require.Equal(t, 0, run.exitCode)

	files := server.files()
	image := run.history[1]["confusion"].(map[string]any)
	require.Equal(t, image["sha256"], sha256Hex(files[image["path"].(string)]))
	for _, name := range run.history[2]["worst"].(map[string]any)["filenames"].([]any) {
		require.Contains(t, files, name)
	}
	require.Contains(t, files, "config.yaml")
	require.Contains(t, files, "wandb-summary.json")
	require.Contains(t, string(files["wandb-metadata.json"]), "optim.lr=0.1")

	require.Len(t, server.artifacts, 2)
	a := server.artifacts["model"]
	require.Equal(t, "model", a.vars["artifactTypeName"])
	require.True(t, a.committed)
	require.Equal(t, "weights", string(a.files["sub/model.safetensors"]))
	require.Equal(t, "{}", string(a.files["config.json"]))
	contents := a.manifest["contents"].(map[string]any)
	require.ElementsMatch(t, []string{"config.json", "sub/model.safetensors"}, slices.Collect(maps.Keys(contents)))
	require.Equal(t, "weights", read(t, filepath.Join(model, "sub", "model.safetensors")), "the original is not the client's to remove")
	data := server.artifacts["cifar10"]
	require.Empty(t, data.files, "a data set is referred to, not uploaded")
	require.Contains(t, data.manifest["contents"].(map[string]any)["train/1.png"].(map[string]any)["ref"], "file:///")
	return dir
}

// TestInteropResumedSync uploads both parts of a run that was killed and resumed:
// the second goes behind the first, and no step is there twice.
func TestInteropResumedSync(t *testing.T) {
	server := newFakeServer(t)
	wandb := wandbCommand(t, server.URL, realWandb)
	info := track.Run{Name: "r", Dir: t.TempDir(), Config: map[string]any{"lr": 0.1}, Warn: func(s string) { t.Error(s) }}
	opts := Options{Mode: modeOffline, Entity: "us", Project: "cifar", Summary: map[string]string{"loss": "min,mean"}, StatsInterval: -1}
	first := start(t, opts, info)
	for step := int64(1); step <= 5; step++ {
		require.NoError(t, first.Log(step, map[string]float64{"loss": 10 - float64(step)}))
	}
	first.kill()
	info.Resumed, info.Step = true, 2
	second := start(t, opts, info)
	for step := int64(3); step <= 8; step++ {
		require.NoError(t, second.Log(step, map[string]float64{"loss": 10 - float64(step)}))
	}
	require.NoError(t, second.Finish(track.StatusFinished, nil))
	require.Equal(t, first.settings.id, second.settings.id)

	wandbSync(t, wandb, filepath.Dir(first.dir))
	run := server.run(t, "us", "cifar", first.settings.id)
	require.Equal(t, []float64{1, 2, 3, 4, 5, 6, 7, 8}, column(run.history, "_step"))
	require.True(t, slices.IsSorted(column(run.history, "_runtime")))
	require.Equal(t, map[string]any{"min": 2.0, "mean": 5.5}, run.summary["loss"])
	require.Equal(t, 0, run.exitCode)
}

// TestInteropOnline follows a run while it is written.
func TestInteropOnline(t *testing.T) {
	server := newFakeServer(t)
	wandbCommand(t, server.URL, realWandb)
	info := track.Run{Name: "r", Dir: t.TempDir(), Warn: func(s string) { t.Error(s) }}
	r := start(t, Options{Mode: modeOnline, Entity: "us", Project: "cifar", ID: "live", UploadTimeout: time.Minute}, info)
	require.NoError(t, r.Log(1, map[string]float64{"loss": 2}))
	require.NoError(t, r.Log(2, map[string]float64{"loss": 1}))
	require.Eventually(t, func() bool { return server.seen("us", "cifar", "live") }, 30*time.Second, 50*time.Millisecond, "uploaded while the run goes on")
	require.NoError(t, r.Finish(track.StatusInterrupted, nil))
	run := server.run(t, "us", "cifar", "live")
	require.Equal(t, []float64{1, 2}, column(run.history, "_step"))
	require.Equal(t, 255, run.exitCode)
	require.NotContains(t, read(t, filepath.Join(r.dir, "logs", "sync.log")), testKey)
}

// TestInteropOnlineResume kills a run that is being uploaded, and resumes it: what
// the first upload did not get to goes up before the rest.
func TestInteropOnlineResume(t *testing.T) {
	server := newFakeServer(t)
	wandbCommand(t, server.URL, realWandb)
	info := track.Run{Name: "r", Dir: t.TempDir(), Warn: func(s string) { t.Error(s) }}
	opts := Options{Mode: modeOnline, Entity: "us", Project: "cifar", StatsInterval: -1, UploadTimeout: time.Minute}
	first := start(t, opts, info)
	first.kill() // before its upload has begun
	offline := opts
	offline.Mode = modeOffline
	info.Resumed = true
	second := start(t, offline, info)
	for step := int64(1); step <= 3; step++ {
		require.NoError(t, second.Log(step, map[string]float64{"loss": 1}))
	}
	second.kill()
	third := start(t, opts, info)
	require.Len(t, third.upload.older, 2)
	require.NoError(t, third.Log(3, map[string]float64{"loss": 1}))
	require.NoError(t, third.Log(4, map[string]float64{"loss": 1}))
	require.NoError(t, third.Finish(track.StatusFinished, nil))
	run := server.run(t, "us", "cifar", third.settings.id)
	require.Equal(t, []float64{1, 2, 3, 4}, column(run.history, "_step"))
	require.Equal(t, 0, run.exitCode)
}

// TestInteropCutFile uploads a log that ends within a record.
func TestInteropCutFile(t *testing.T) {
	server := newFakeServer(t)
	wandb := wandbCommand(t, server.URL, realWandb)
	dir := recordWholeRun(t, modeOffline)
	log := only(t, filepath.Join(dir, "*.wandb"))
	data := read(t, log)
	at := strings.Index(data, `"image-file"`) // within the second row
	require.NoError(t, os.WriteFile(log, []byte(data[:at]), 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, wandb, "sync", dir)
	cmd.Dir = t.TempDir()
	out, _ := cmd.CombinedOutput() // it says that it could not read all
	run := server.run(t, "us", "cifar", "abc123")
	assert.Equal(t, []float64{50}, column(run.history, "_step"), "%s", out)
	assert.Equal(t, 1, run.exitCode, "a run without its end has failed")
}
