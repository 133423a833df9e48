package mlflow

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeServer is an MLflow server in memory, which holds clients to the real one's
// limits. TestInteropMLflowServer holds the client to the real one.
type fakeServer struct {
	t    *testing.T
	http *httptest.Server

	mu          sync.Mutex
	before      func(w http.ResponseWriter, r *http.Request, body []byte) (handled bool)
	artifactURI string
	stage       string // of the experiment, once there
	runs        []*fakeRun
	files       map[string][]byte
	versions    []map[string]string
	batches     int
}

type fakeRun struct {
	id, name, status string
	tags, params     map[string]string
	metrics          []metric
	datasets         []any
}

// startFake starts a server on address, or on one of its own.
func startFake(t *testing.T, address string) *fakeServer {
	t.Helper()
	f := &fakeServer{t: t, files: map[string][]byte{}, artifactURI: "mlflow-artifacts:/1/%s/artifacts"}
	f.http = httptest.NewUnstartedServer(f)
	if address != "" {
		l, err := net.Listen("tcp", address)
		require.NoError(t, err)
		f.http.Listener.Close()
		f.http.Listener = l
	}
	f.http.Start()
	t.Cleanup(f.http.Close)
	return f
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || (f.before != nil && f.before(w, r, body)) {
		return
	}
	if path, ok := strings.CutPrefix(r.URL.Path, "/api/2.0/mlflow-artifacts/artifacts/"); ok && r.Method == http.MethodPut {
		f.files[path] = body
		fmt.Fprint(w, "{}")
		return
	}
	var in map[string]any
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		refuse(w, 400, "MALFORMED_REQUEST", "no JSON")
		return
	}
	f.answer(w, r, in, len(body))
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error_code": code, "message": message})
}

func (f *fakeServer) answer(w http.ResponseWriter, r *http.Request, in map[string]any, size int) {
	say := func(v any) { json.NewEncoder(w).Encode(v) }
	endpoint := strings.TrimPrefix(r.URL.Path, "/api/2.0/mlflow/")
	id, _ := in["run_id"].(string)
	if endpoint == "runs/get" {
		id = r.URL.Query().Get("run_id")
	}
	run := f.run(id)
	switch r.Method + " " + endpoint {
	case "GET experiments/get-by-name":
		if f.stage == "" {
			refuse(w, 404, "RESOURCE_DOES_NOT_EXIST", "no such experiment")
			return
		}
		say(map[string]any{"experiment": map[string]string{"experiment_id": "1", "lifecycle_stage": f.stage}})
	case "POST experiments/create":
		f.stage = "active"
		say(map[string]string{"experiment_id": "1"})
	case "POST runs/create":
		run = &fakeRun{id: fmt.Sprint("run", len(f.runs)), status: "RUNNING", tags: map[string]string{}, params: map[string]string{}}
		run.name = in["run_name"].(string)
		run.tag(in["tags"])
		f.runs = append(f.runs, run)
		say(map[string]any{"run": f.info(run)})
	case "POST runs/search":
		found := []any{}
		for _, run := range f.runs {
			if in["filter"] == fmt.Sprintf("tags.`torchlit.run_key` = '%s'", run.tags["torchlit.run_key"]) {
				found = append(found, f.info(run))
			}
		}
		say(map[string]any{"runs": found})
	case "GET runs/get":
		say(map[string]any{"run": f.info(run)})
	case "POST runs/update":
		run.status = in["status"].(string)
		say(map[string]any{})
	case "POST runs/log-batch":
		f.batches++
		if fault := run.batch(in, size); fault != "" {
			refuse(w, 400, "INVALID_PARAMETER_VALUE", fault)
			return
		}
		say(map[string]any{})
	case "POST runs/log-inputs":
		run.datasets = append(run.datasets, in["datasets"].([]any)...)
		say(map[string]any{})
	case "POST registered-models/create":
		if len(f.versions) > 0 {
			refuse(w, 400, "RESOURCE_ALREADY_EXISTS", "there is one")
			return
		}
		say(map[string]any{})
	case "GET model-versions/search":
		say(map[string]any{"model_versions": f.versions})
	case "POST model-versions/create":
		f.versions = append(f.versions, map[string]string{"name": in["name"].(string), "source": in["source"].(string), "run_id": id})
		say(map[string]any{})
	default:
		f.t.Errorf("the server was asked for %s %s", r.Method, r.URL)
	}
}

func (f *fakeServer) run(id string) *fakeRun {
	for _, run := range f.runs {
		if run.id == id {
			return run
		}
	}
	return nil
}

func (f *fakeServer) info(run *fakeRun) any {
	params := []keyValue{}
	for k, v := range run.params {
		params = append(params, keyValue{k, v})
	}
	return map[string]any{
		"info": map[string]string{"run_id": run.id, "artifact_uri": fmt.Sprintf(f.artifactURI, run.id)},
		"data": map[string]any{"params": params},
	}
}

func (r *fakeRun) tag(tags any) {
	list, _ := tags.([]any)
	for _, t := range list {
		r.tags[t.(map[string]any)["key"].(string)] = t.(map[string]any)["value"].(string)
	}
}

// batch takes a log-batch request whole or not at all.
func (r *fakeRun) batch(in map[string]any, size int) (fault string) {
	metrics, _ := in["metrics"].([]any)
	params, _ := in["params"].([]any)
	tags, _ := in["tags"].([]any)
	if len(metrics) > 1000 || len(params) > 100 || len(tags) > 100 || size > 1_000_000 {
		return "the request is too large"
	}
	for _, m := range metrics {
		if strings.Contains(m.(map[string]any)["key"].(string), "bad") {
			return "a metric is bad"
		}
	}
	for _, p := range params {
		p := p.(map[string]any)
		if old, ok := r.params[p["key"].(string)]; ok && old != p["value"] {
			return "a param cannot be changed"
		}
		r.params[p["key"].(string)] = p["value"].(string)
	}
	for _, m := range metrics {
		m := m.(map[string]any)
		r.metrics = append(r.metrics, metric{m["key"].(string), m["value"], int64(m["timestamp"].(float64)), int64(m["step"].(float64))})
	}
	r.tag(in["tags"])
	return ""
}

// curve returns the steps and values of a metric, in the order in which they came.
func (r *fakeRun) curve(key string) (points [][2]any) {
	for _, m := range r.metrics {
		if m.Key == key {
			points = append(points, [2]any{m.Step, m.Value})
		}
	}
	return points
}
