//go:build interop

package mlflow

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/track"
)

// seen is what testdata/read.py writes.
type seen struct {
	Runs []struct {
		Name, Status string
		Start, End   int64
		Params, Tags map[string]string
		Metrics      map[string][][3]any // step, value, time
		Artifacts    map[string]string   // in hexadecimal
		Inputs       [][2]string
	}
	Models []struct {
		Name, Status string
		Version      json.Number
		RunID        string `json:"run_id"`
		Files        []string
	}
}

// TestInteropMLflowServer records a run that begins while the server is down, is
// interrupted, resumed and finished, and a run in an experiment with an artifact folder
// of this machine; MLflow's client reads both back.
func TestInteropMLflowServer(t *testing.T) {
	python := interop.Python(t, "mlflow")
	address := freeAddress(t)
	uri := "http://" + address
	dir := t.TempDir()
	model, data := testModel(t, dir), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(data, "a.png"), []byte("data"), 0o644))
	w := &warnings{}
	config := map[string]any{"optim": map[string]any{"lr": 0.1, "name": "sgd"}, "seed": 1, "sizes": []any{24, 32}, "long": strings.Repeat("ä", 7000)}
	for i := range 140 {
		config[fmt.Sprintf("many_%03d", i)] = i
	}
	run := track.Run{Name: "baseline", Dir: dir, Config: config, Overrides: []string{"seed=1"}, Tags: []string{"cifar"}, Warn: w.add}
	o := Options{TrackingURI: uri, ExperimentName: "first try", RegisteredModelName: "resnet", FinishWait: time.Minute}

	// 3 × 700 metrics, more than a request holds, before there is a server.
	first, err := New(o, run)
	require.NoError(t, err)
	for step := int64(1); step <= 700; step++ {
		require.NoError(t, first.Log(step, map[string]float64{"train_loss": 1 / float64(step), "lr": 0.1, "acc: ü/top-1": float64(step)}))
	}
	startServer(t, python, address)
	require.NoError(t, first.Log(701, map[string]float64{"odd": math.NaN(), "odd/inf": math.Inf(-1)}))
	picture := testPNG(t, 600, 300)
	require.NoError(t, first.Image(701, "worst/cats", picture, "a caption"))
	require.NoError(t, first.Artifact("cifar10", "dataset", data))
	require.NoError(t, first.Finish(track.StatusInterrupted, nil))

	config["seed"], config["added"] = 2, true
	run.Resumed, run.Step = true, 701
	second, err := New(o, run)
	require.NoError(t, err)
	require.NoError(t, second.Log(702, map[string]float64{"train_loss": 0.5}))
	require.NoError(t, second.Artifact("model", "model", model))
	require.NoError(t, second.Artifact("report", "report", filepath.Join(model, "config.json")))
	require.NoError(t, second.Finish(track.StatusFinished, map[string]float64{"best": 0.9}))
	require.Len(t, w.list, 2, "%q", w.list)
	require.Contains(t, w.list[0], "takes nothing")
	require.Contains(t, w.list[1], "takes records again")

	got := readBack(t, python, uri, "first try")
	require.Len(t, got.Runs, 1, "the resumed run is the same run")
	r := got.Runs[0]
	require.Equal(t, []string{"baseline", "FINISHED"}, []string{r.Name, r.Status})
	require.Greater(t, r.End, r.Start)
	require.Len(t, r.Params, 140+5+1)
	require.Equal(t, "0.1", r.Params["optim.lr"])
	require.Equal(t, "[24,32]", r.Params["sizes"])
	require.Equal(t, "1", r.Params["seed"], "a param cannot be changed")
	require.Equal(t, "true", r.Params["added"])
	require.Equal(t, strings.Repeat("ä", 5997)+"...", r.Params["long"])
	require.Equal(t, "2", r.Tags["resumed.seed"])
	require.Equal(t, "seed=1", r.Tags["torchlit.overrides"])
	require.Contains(t, r.Tags, "cifar")
	require.Len(t, r.Tags["mlflow.source.git.commit"], 40)
	require.Len(t, r.Metrics["train_loss"], 701)
	for i, m := range r.Metrics["train_loss"][:700] {
		require.Equal(t, [2]any{float64(i + 1), 1 / float64(i+1)}, [2]any{m[0], m[1]})
	}
	require.Len(t, r.Metrics["acc: _/top-1"], 700)
	require.Equal(t, "nan", r.Metrics["odd"][0][1])
	require.Equal(t, -math.MaxFloat64, r.Metrics["odd/inf"][0][1].(float64), "the server's own infinity")
	require.Equal(t, 0.9, r.Metrics["summary/best"][0][1])
	require.Equal(t, [][2]string{{"cifar10", data}}, r.Inputs)
	var pictures []string
	for path, content := range r.Artifacts {
		if strings.HasPrefix(path, "images/") {
			pictures = append(pictures, path)
			if !strings.Contains(path, "compressed") {
				require.Equal(t, hex.EncodeToString(picture), content)
				require.Contains(t, path, "images/worst~cats+step+701+timestamp+")
			}
		}
	}
	require.Len(t, pictures, 2)
	require.Equal(t, hex.EncodeToString([]byte(`{"architecture":"resnet18"}`)), r.Artifacts["model/config.json"])
	require.Equal(t, "", r.Artifacts["model/nested/empty"])
	require.Len(t, r.Artifacts["model/model.safetensors"], 2*(3<<20))
	require.Contains(t, r.Artifacts, "report/config.json")
	require.Len(t, got.Models, 1)
	require.Equal(t, []string{"resnet", "READY"}, []string{got.Models[0].Name, got.Models[0].Status})
	require.Equal(t, []string{"config.json", "model.safetensors", "nested"}, got.Models[0].Files)

	localArtifacts(t, python, uri)
}

// localArtifacts records a run in an experiment whose artifacts lie in a folder.
func localArtifacts(t *testing.T, python, uri string) {
	t.Helper()
	c, err := newClient(uri)
	require.NoError(t, err)
	store := filepath.Join(t.TempDir(), "store")
	require.NoError(t, c.post(t.Context(), "experiments/create", map[string]any{"name": "local", "artifact_location": "file://" + store}, nil))
	dir, w := t.TempDir(), &warnings{}
	tr, err := New(Options{TrackingURI: uri, ExperimentName: "local", LogModel: true}, track.Run{Name: "other", Dir: dir, Warn: w.add})
	require.NoError(t, err)
	require.NoError(t, tr.Artifact("model", "model", testModel(t, dir)))
	require.NoError(t, tr.Finish(track.StatusFailed, nil))
	require.Empty(t, w.list)
	got := readBack(t, python, uri, "local")
	require.Equal(t, []string{"other", "FAILED"}, []string{got.Runs[0].Name, got.Runs[0].Status})
	require.Len(t, got.Runs[0].Artifacts["model/model.safetensors"], 2*(3<<20))
	require.Len(t, got.Models, 1, "none was asked for")
}

func testModel(t *testing.T, dir string) string {
	t.Helper()
	model := filepath.Join(dir, "model")
	require.NoError(t, os.MkdirAll(filepath.Join(model, "nested"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(model, "config.json"), []byte(`{"architecture":"resnet18"}`), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(model, "model.safetensors"), slices.Repeat([]byte("abc"), 1<<20), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(model, "nested", "empty"), nil, 0o644))
	return model
}

func readBack(t *testing.T, python, uri, experiment string) (got seen) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "seen.json")
	interop.Run(t, python, "testdata/read.py", uri, experiment, t.TempDir(), out)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &got))
	return got
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// startServer runs an MLflow server on address until the test ends.
func startServer(t *testing.T, python, address string) {
	t.Helper()
	dir := t.TempDir()
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	cmd := exec.Command(python, "-m", "mlflow", "server", "--host", host, "--port", port, "--workers", "1",
		"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "mlflow.db"), "--artifacts-destination", filepath.Join(dir, "artifacts"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true")
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its workers end with it
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
		}
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what SIGTERM left
		log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the server's log:\n%s", text)
		}
	})
	require.Eventually(t, func() bool {
		answer, err := http.Get("http://" + address + "/health")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, 2*time.Minute, 200*time.Millisecond)
}
