package mlflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/track"
)

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() { // the developer's own server is not for tests
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "MLFLOW_") {
			os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) add(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, s)
}

// begin begins a run that does not wait long for its server.
func begin(t *testing.T, uri string, run track.Run) (*Tracker, *warnings) {
	t.Helper()
	w := &warnings{}
	run.Warn = w.add
	if run.Dir == "" {
		run.Dir = t.TempDir()
	}
	tr, err := New(Options{TrackingURI: uri, ExperimentName: "exp", LogModel: true, FinishWait: 3 * time.Second}, run)
	require.NoError(t, err)
	return tr, w
}

// TestServerComesUpLate begins a run with no server at the address, which then is
// there: real sockets, real time.
func TestServerComesUpLate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())

	tr, w := begin(t, "http://"+address, track.Run{Name: "late", Config: map[string]any{"seed": 1}})
	var want [][2]any
	start := time.Now()
	for step := int64(1); step <= 2500; step++ {
		require.NoError(t, tr.Log(step, map[string]float64{"loss": 1 / float64(step)}))
		want = append(want, [2]any{step, 1 / float64(step)})
	}
	require.Less(t, time.Since(start), time.Second, "nothing waits for the server")
	f := startFake(t, address)
	require.NoError(t, tr.Finish(track.StatusFinished, map[string]float64{"best": 0.5}))
	require.Len(t, f.runs, 1)
	run := f.runs[0]
	require.Equal(t, []string{"late", "FINISHED"}, []string{run.name, run.status})
	require.Equal(t, want, run.curve("loss"))
	require.Equal(t, [][2]any{{int64(2500), 0.5}}, run.curve("summary/best"))
	require.Equal(t, "1", run.params["seed"])
	require.Less(t, f.batches, 20, "many steps go into a request")
	for _, s := range w.list {
		require.Regexp(t, "takes nothing|takes records again", s)
	}
}

func TestServerStaysDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	w := &warnings{}
	dir := t.TempDir()
	tr, err := New(Options{TrackingURI: "http://" + address, FinishWait: 10 * time.Millisecond}, track.Run{Name: "r", Dir: dir, Warn: w.add})
	require.NoError(t, err)
	require.NoError(t, tr.Log(1, map[string]float64{"loss": math.NaN()}))
	require.NoError(t, tr.Finish(track.StatusFailed, nil))
	require.Contains(t, w.list[len(w.list)-1], "send them later with: torchlit upload "+dir)

	_, err = New(Options{TrackingURI: "http://" + address}, track.Run{Name: "other", Dir: dir})
	require.ErrorContains(t, err, "send them with: torchlit upload "+dir)
	_, err = New(Options{TrackingURI: "http://elsewhere"}, track.Run{Name: "r", Dir: dir, Resumed: true})
	require.ErrorContains(t, err, "records of the earlier one wait there for http://"+address)

	f := startFake(t, address)
	sent, err := Upload(t.Context(), dir, nil)
	require.NoError(t, err)
	require.Equal(t, 3, sent)
	require.Equal(t, "FAILED", f.runs[0].status)
	require.Equal(t, [][2]any{{int64(1), "NaN"}}, f.runs[0].curve("loss"))
}

func TestResumedRunGoesOn(t *testing.T) {
	f := startFake(t, "")
	dir := t.TempDir()
	first, w := begin(t, f.http.URL, track.Run{Name: "r", Dir: dir, Config: map[string]any{"seed": 1}})
	require.NoError(t, first.Log(1, map[string]float64{"loss": 2}))
	require.NoError(t, first.Finish(track.StatusInterrupted, nil))
	require.Equal(t, "KILLED", f.runs[0].status)

	second, w2 := begin(t, f.http.URL, track.Run{Name: "r", Dir: dir, Config: map[string]any{"seed": 2, "added": true}, Resumed: true, Step: 1})
	require.NoError(t, second.Log(2, map[string]float64{"loss": 1}))
	require.NoError(t, second.Finish(track.StatusFinished, nil))
	require.Len(t, f.runs, 1)
	require.Equal(t, map[string]string{"seed": "1", "added": "true"}, f.runs[0].params)
	require.Equal(t, "2", f.runs[0].tags["resumed.seed"])
	require.Len(t, f.runs[0].curve("loss"), 2)
	require.Empty(t, append(w.list, w2.list...))

	third, _ := begin(t, f.http.URL, track.Run{Name: "another", Dir: dir})
	require.NoError(t, third.Finish(track.StatusFinished, nil))
	require.Len(t, f.runs, 2, "a run that is not resumed is another")
}

// TestLostAnswer cuts the connection after the run was created: there must not be two.
func TestLostAnswer(t *testing.T) {
	f := startFake(t, "")
	lost := false
	f.before = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if lost || !strings.HasSuffix(r.URL.Path, "runs/create") {
			return false
		}
		lost = true
		var in map[string]any
		require.NoError(t, json.Unmarshal(body, &in))
		f.answer(discard{}, r, in, len(body))
		panic(http.ErrAbortHandler)
	}
	tr, _ := begin(t, f.http.URL, track.Run{Name: "r"})
	require.NoError(t, tr.Finish(track.StatusFinished, nil))
	require.True(t, lost)
	require.Len(t, f.runs, 1)
	require.Equal(t, "FINISHED", f.runs[0].status)
}

// discard is an answer that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func TestOneRefusedMetricTakesNoOthers(t *testing.T) {
	f := startFake(t, "")
	tr, w := begin(t, f.http.URL, track.Run{Name: "r"})
	for step := int64(1); step <= 30; step++ {
		name := "loss"
		if step == 7 {
			name = "bad"
		}
		require.NoError(t, tr.Log(step, map[string]float64{name: 1}))
	}
	require.NoError(t, tr.Finish(track.StatusFinished, nil))
	require.Len(t, f.runs[0].curve("loss"), 29)
	require.Len(t, w.list, 1)
	require.Contains(t, w.list[0], "a record is left out: the server answers 400 Bad Request: a metric is bad")
}

func TestManyMetricsAndParams(t *testing.T) {
	f := startFake(t, "")
	config := map[string]any{}
	for i := range 350 {
		config[fmt.Sprint("key", i)] = strings.Repeat("x", 5000)
	}
	tr, w := begin(t, f.http.URL, track.Run{Name: "r", Config: config})
	metrics := map[string]float64{}
	for i := range 2300 {
		metrics[fmt.Sprint("metric", i)] = float64(i)
	}
	require.NoError(t, tr.Log(1, metrics))
	require.NoError(t, tr.Finish(track.StatusFinished, nil))
	require.Empty(t, w.list)
	require.Len(t, f.runs[0].params, 350)
	require.Len(t, f.runs[0].metrics, 2300)
}

func TestCredentials(t *testing.T) {
	f := func(userinfo, user, password, token, want string) {
		t.Helper()
		t.Setenv("MLFLOW_TRACKING_USERNAME", user)
		t.Setenv("MLFLOW_TRACKING_PASSWORD", password)
		t.Setenv("MLFLOW_TRACKING_TOKEN", token)
		s := startFake(t, "")
		var got string
		s.before = func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
			got = r.Header.Get("Authorization")
			return false
		}
		dir := t.TempDir()
		tr, w := begin(t, strings.Replace(s.http.URL, "http://", "http://"+userinfo, 1), track.Run{Name: "r", Dir: dir})
		require.NoError(t, tr.Finish(track.StatusFinished, nil))
		require.Equal(t, want, got)
		require.Empty(t, w.list)
		noted, err := os.ReadFile(filepath.Join(dir, folder, stateName))
		require.NoError(t, err)
		require.NotContains(t, string(noted), "secret")
	}
	f("", "", "", "", "")
	f("", "", "", "secret", "Bearer secret")
	f("", "me", "secret", "secret", "Basic bWU6c2VjcmV0")
	f("me:secret@", "", "", "", "Basic bWU6c2VjcmV0")
}

// TestMendable refusals leave everything in the spool, for when they are mended.
func TestMendable(t *testing.T) {
	f := func(prepare func(*fakeServer), want string) {
		t.Helper()
		s := startFake(t, "")
		prepare(s)
		dir, w := t.TempDir(), &warnings{}
		tr, err := New(Options{TrackingURI: s.http.URL, ExperimentName: "exp", FinishWait: 50 * time.Millisecond}, track.Run{Name: "r", Dir: dir, Warn: w.add})
		require.NoError(t, err)
		require.NoError(t, tr.Log(1, map[string]float64{"loss": 1}))
		require.NoError(t, tr.Finish(track.StatusFinished, nil))
		require.Contains(t, w.list[0], want)
		require.Contains(t, w.list[1], "has not received 3 of this run's records")
		s.mu.Lock()
		s.before, s.stage = nil, "active"
		s.mu.Unlock()
		sent, err := Upload(t.Context(), dir, nil)
		require.NoError(t, err)
		require.Equal(t, 3, sent)
	}
	f(func(s *fakeServer) { s.stage = "deleted" }, `the experiment "exp" is deleted there: restore it, or set track.mlflow.experiment_name`)
	f(func(s *fakeServer) { s.before = answerWith(401) }, "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN")
	f(func(s *fakeServer) { s.before = answerWith(502) }, "the server answers 502 Bad Gateway")
	f(func(s *fakeServer) { s.before = answerWith(404) }, "the server answers 404 Not Found")
}

func answerWith(status int) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.WriteHeader(status)
		fmt.Fprint(w, "<html>")
		return true
	}
}

func TestArtifacts(t *testing.T) {
	f := startFake(t, "")
	dir := t.TempDir()
	model := filepath.Join(dir, "model")
	require.NoError(t, os.MkdirAll(filepath.Join(model, "sub"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(model, "a b.json"), []byte("{}"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(model, "sub", "empty"), nil, 0o644))
	w := &warnings{}
	tr, err := New(Options{TrackingURI: f.http.URL, RegisteredModelName: "resnet"}, track.Run{Name: "r", Dir: dir, Warn: w.add})
	require.NoError(t, err)
	require.NoError(t, tr.Artifact("model", "model", model))
	require.NoError(t, tr.Artifact("model", "model", model)) // registered once
	require.NoError(t, tr.Artifact("data", "dataset", model))
	require.NoError(t, tr.Artifact("../up", "report", filepath.Join(model, "a b.json")))
	require.NoError(t, tr.Artifact("gone", "report", filepath.Join(dir, "gone")))
	picture := testPNG(t, 3, 2)
	require.NoError(t, tr.Image(4, "worst", picture, ""))
	require.NoError(t, tr.Image(4, "no picture", []byte("GIF"), ""))
	require.NoError(t, tr.Finish(track.StatusFinished, nil))

	root := "1/run0/artifacts/"
	require.Equal(t, "{}", string(f.files[root+"model/a b.json"]))
	require.Contains(t, f.files, root+"model/sub/empty")
	require.Contains(t, f.files, root+"up/a b.json", "a name cannot leave the run's artifacts")
	require.Len(t, f.files, 3+2)
	require.Equal(t, []map[string]string{{"name": "resnet", "source": "mlflow-artifacts:/1/run0/artifacts/model", "run_id": "run0"}}, f.versions)
	require.Len(t, f.runs[0].datasets, 1)
	require.Equal(t, "True", f.runs[0].tags["mlflow.loggedImages"])
	require.Len(t, w.list, 2)
	require.Contains(t, w.list[0], `cannot upload artifact "gone"`)
	require.Contains(t, w.list[1], "2 records were left out")
}

func TestModelStaysHere(t *testing.T) {
	f := startFake(t, "")
	dir := t.TempDir()
	tr, err := New(Options{TrackingURI: f.http.URL}, track.Run{Name: "r", Dir: dir})
	require.NoError(t, err)
	require.NoError(t, tr.Artifact("model", "model", dir))
	require.NoError(t, tr.Finish(track.StatusFinished, nil))
	require.Empty(t, f.files, "log_model is off")
}

func TestArtifactStores(t *testing.T) {
	f := func(uri, want string) {
		t.Helper()
		s := startFake(t, "")
		s.artifactURI = uri + "/%s"
		dir := t.TempDir()
		file := filepath.Join(dir, "x.txt")
		require.NoError(t, os.WriteFile(file, []byte("x"), 0o644))
		tr, w := begin(t, s.http.URL, track.Run{Name: "r", Dir: dir})
		require.NoError(t, tr.Artifact("x", "report", file))
		require.NoError(t, tr.Finish(track.StatusFinished, nil))
		if want == "" {
			require.Empty(t, w.list)
			return
		}
		require.Len(t, w.list, 1)
		require.Contains(t, w.list[0], want)
	}
	store := t.TempDir()
	f("file://"+store, "")
	require.FileExists(t, filepath.Join(store, "run0", "x", "x.txt"))
	f(store+"/plain", "")
	require.FileExists(t, filepath.Join(store, "plain", "run0", "x", "x.txt"))
	f("s3://bucket", `an artifact store of the kind "s3": start the server with --serve-artifacts`)
	f("mlruns", `an artifact store of the kind ""`)
}

func TestFoldersOfOtherMachines(t *testing.T) {
	f := func(uri, root string, want bool) {
		t.Helper()
		c, err := newClient(uri)
		require.NoError(t, err)
		require.Equal(t, want, (&sink{c: c, state: &state{}}).isMine(root))
	}
	there := t.TempDir()
	f("http://localhost:5000", "/nowhere/1/2/artifacts", true)
	f("http://127.0.0.1:5000", "/nowhere/1/2/artifacts", true)
	f("http://server:5000", "/nowhere/1/2/artifacts", false)
	f("http://server:5000", there+"/1/2/artifacts", true)
}

func TestSettingsThatCannotBeRight(t *testing.T) {
	f := func(uri, want string) {
		t.Helper()
		_, err := New(Options{TrackingURI: uri}, track.Run{Dir: t.TempDir()})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
	f("mlruns", "no http or https address")
	f("sqlite:///me:secret@x.db", "no http or https address")
	f("postgresql://me:secret@db/x", "no http or https address")
	t.Setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", filepath.Join(t.TempDir(), "none.pem"))
	f("https://host", "MLFLOW_TRACKING_SERVER_CERT_PATH")
}

func TestCleanName(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		require.Equal(t, want, cleanName(name))
	}
	f("train_loss", "train_loss")
	f("optim.lr", "optim.lr")
	f("a/b c:d-e", "a/b c:d-e")
	f("top-1 (%)", "top-1 ___")
	f("größe", "gr__e")
	f("/a//b/../c/", "a/c")
	f("../../x", "x")
	f("", "_")
	f("..", "_")
	f(strings.Repeat("x", 300), strings.Repeat("x", 247)+"...")
}

func TestThumbnail(t *testing.T) {
	f := func(width, height, wantWidth, wantHeight int) {
		t.Helper()
		small, err := thumbnail(testPNG(t, width, height))
		require.NoError(t, err)
		c, err := png.DecodeConfig(bytes.NewReader(small))
		require.NoError(t, err)
		require.Equal(t, []int{wantWidth, wantHeight}, []int{c.Width, c.Height})
	}
	f(256, 10, 256, 10)
	f(512, 256, 256, 128)
	f(10, 5000, 1, 256)
}

func TestWithoutCredentials(t *testing.T) {
	f := func(address, want string) {
		t.Helper()
		require.Equal(t, want, withoutCredentials(address))
	}
	f("https://me:token@host/x.git", "https://host/x.git")
	f("git@host:x.git", "git@host:x.git")
	f("0123abc", "0123abc")
}

func TestHopeless(t *testing.T) {
	f := func(err error, want bool) {
		t.Helper()
		require.Equal(t, want, hopeless(err))
	}
	f(nil, false)
	f(errors.New("connection refused"), false)
	f(&apiError{Status: 400, Code: "INVALID_PARAMETER_VALUE"}, true)
	f(&apiError{Status: 404, Code: "RESOURCE_DOES_NOT_EXIST"}, true)
	f(&apiError{Status: 404, Code: "ENDPOINT_NOT_FOUND"}, false)
	f(fmt.Errorf("wrapped: %w", &apiError{Status: 413}), true)
	f(&apiError{Status: 429}, false)
	f(&apiError{Status: 503}, false)
}

func testPNG(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, width, height))))
	return b.Bytes()
}
