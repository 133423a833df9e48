//go:build interop

package wandb

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeServer answers what wandb 0.31 asks of W&B's server to upload a run: GraphQL
// for the run, its files and its artifacts, the file stream for its rows, and PUT
// for contents.
type fakeServer struct {
	URL string

	mu        sync.Mutex
	runs      map[string]*fakeRun
	uploaded  map[string][]byte // by path below /upload/
	artifacts map[string]*fakeArtifact
	unknown   []string
}

type fakeRun struct {
	vars            map[string]any // of the first upsert
	config, summary map[string]any
	history, events []map[string]any
	complete        bool
	exitCode        int
}

type fakeArtifact struct {
	vars      map[string]any
	files     map[string][]byte
	manifest  map[string]any
	committed bool
}

func newFakeServer(t *testing.T) *fakeServer {
	f := &fakeServer{runs: map[string]*fakeRun{}, uploaded: map[string][]byte{}, artifacts: map[string]*fakeArtifact{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /graphql", f.graphql)
	mux.HandleFunc("POST /files/{entity}/{project}/{run}/file_stream", f.fileStream)
	mux.HandleFunc("PUT /upload/{path...}", f.upload)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	f.URL = server.URL
	return f
}

type obj = map[string]any

func (f *fakeServer) graphql(w http.ResponseWriter, r *http.Request) {
	user, key, _ := r.BasicAuth()
	if user != "api" || key != testKey {
		http.Error(w, "no such key", http.StatusUnauthorized)
		return
	}
	var q struct {
		OperationName string
		Variables     obj
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	json.NewEncoder(w).Encode(obj{"data": f.answer(q.OperationName, q.Variables)})
}

func (f *fakeServer) answer(operation string, vars obj) obj {
	text := func(key string) string { s, _ := vars[key].(string); return s }
	switch operation {
	case "UpsertBucket":
		return f.upsert(vars)
	case "ServerFeaturesQuery":
		return obj{"serverInfo": obj{"features": []any{}}}
	case "RunResumeStatus":
		return obj{"model": obj{
			"id": "p", "name": text("project"), "entity": obj{"id": "e", "name": text("entity")},
			"bucket": f.bucket(runKey(text("entity"), text("project"), text("name"))),
		}}
	case "CreateRunFiles":
		var files []any
		for _, name := range vars["files"].([]any) {
			files = append(files, obj{"name": name, "uploadUrl": f.URL + "/upload/files/" + name.(string)})
		}
		return obj{"createRunFiles": obj{"runID": "r", "uploadHeaders": []any{}, "files": files}}
	case "CreateArtifact":
		input := vars["input"].(obj)
		name := input["artifactCollectionName"].(string)
		f.artifacts[name] = &fakeArtifact{vars: input, files: map[string][]byte{}}
		return obj{"createArtifact": obj{"artifact": obj{"id": name, "state": "PENDING", "artifactSequence": obj{"latestArtifact": nil}}}}
	case "CreateArtifactManifest":
		id := vars["artifactID"].(string)
		return obj{"createArtifactManifest": obj{"artifactManifest": obj{
			"id": "m-" + id, "file": obj{"id": "f", "name": "n", "displayName": "d", "uploadUrl": f.URL + "/upload/manifest/" + id, "uploadHeaders": []any{}},
		}}}
	case "CreateArtifactFiles":
		var edges []any
		input, ok := vars["input"].(obj)
		if !ok {
			input = vars // before 0.31
		}
		for _, spec := range input["artifactFiles"].([]any) {
			spec := spec.(obj)
			url := fmt.Sprintf("%s/upload/artifacts/%s/%s", f.URL, spec["artifactID"], spec["name"])
			edges = append(edges, obj{"node": obj{
				"id": "f", "name": spec["name"], "displayName": spec["name"], "uploadUrl": url, "uploadHeaders": []any{},
				"artifact": obj{"id": spec["artifactID"]}, "storagePath": nil, "uploadMultipartUrls": nil,
			}})
		}
		return obj{"createArtifactFiles": obj{"files": obj{"edges": edges}}}
	case "CommitArtifact":
		f.artifacts[vars["artifactID"].(string)].committed = true
		return obj{"commitArtifact": obj{"artifact": obj{"id": vars["artifactID"], "digest": ""}}}
	}
	f.unknown = append(f.unknown, operation)
	return obj{}
}

func (f *fakeServer) upsert(vars obj) obj {
	text := func(key string) string { s, _ := vars[key].(string); return s }
	key := runKey(text("entity"), text("project"), text("name"))
	run := f.runs[key]
	if run == nil {
		run = &fakeRun{vars: vars, exitCode: -1}
		f.runs[key] = run
	}
	if config := text("config"); config != "" {
		run.config = obj{}
		json.Unmarshal([]byte(config), &run.config)
	}
	return obj{"upsertBucket": obj{"inserted": true, "bucket": obj{
		"id": "r", "name": text("name"), "displayName": run.vars["displayName"], "description": nil, "config": text("config"), "sweepName": nil,
		"historyLineCount": len(run.history),
		"project":          obj{"id": "p", "name": text("project"), "entity": obj{"id": "e", "name": text("entity")}},
	}}}
}

// bucket is what the server knows of a run that a client asks to resume.
func (f *fakeServer) bucket(key string) any {
	run := f.runs[key]
	if run == nil {
		return nil
	}
	encode := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	tail := func(rows []map[string]any) string {
		if len(rows) == 0 {
			return "[]"
		}
		return encode([]string{encode(rows[len(rows)-1])})
	}
	return obj{
		"id": "r", "name": run.vars["name"], "displayName": run.vars["displayName"], "notes": nil, "tags": []any{},
		"summaryMetrics": encode(run.summary), "config": encode(run.config), "wandbConfig": `{"t":{"1":[]}}`,
		"logLineCount": 0, "historyLineCount": len(run.history), "eventsLineCount": len(run.events),
		"historyTail": tail(run.history), "eventsTail": tail(run.events),
	}
}

func (f *fakeServer) fileStream(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Files map[string]struct {
			Offset  int
			Content []string
		}
		Complete *bool
		Exitcode *int
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	run := f.runs[runKey(r.PathValue("entity"), r.PathValue("project"), r.PathValue("run"))]
	if run == nil {
		http.Error(w, "no such run", http.StatusNotFound)
		return
	}
	for name, chunk := range body.Files {
		var rows []map[string]any
		for _, line := range chunk.Content {
			row := map[string]any{}
			line = strings.NewReplacer(":NaN", `:"NaN"`).Replace(line)
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			rows = append(rows, row)
		}
		switch name {
		case "wandb-history.jsonl":
			run.history = append(run.history[:min(chunk.Offset, len(run.history))], rows...)
		case "wandb-events.jsonl":
			run.events = append(run.events[:min(chunk.Offset, len(run.events))], rows...)
		case "wandb-summary.json":
			run.summary = rows[len(rows)-1]
		}
	}
	if body.Complete != nil {
		run.complete = *body.Complete
	}
	if body.Exitcode != nil {
		run.exitCode = *body.Exitcode
	}
	io.WriteString(w, "{}")
}

func (f *fakeServer) upload(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	path := r.PathValue("path")
	f.uploaded[path] = data
	if rest, ok := strings.CutPrefix(path, "artifacts/"); ok {
		name, file, _ := strings.Cut(rest, "/")
		f.artifacts[name].files[file] = data
	}
	if name, ok := strings.CutPrefix(path, "manifest/"); ok {
		json.Unmarshal(data, &f.artifacts[name].manifest)
	}
}

// files returns the run files that were uploaded.
func (f *fakeServer) files() map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[string][]byte{}
	for path, data := range f.uploaded {
		if name, ok := strings.CutPrefix(path, "files/"); ok {
			files[name] = data
		}
	}
	return files
}

// run returns a run, and fails where the client asked what the server has no answer to.
func (f *fakeServer) run(t *testing.T, entity, project, id string) *fakeRun {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Empty(t, f.unknown)
	key := runKey(entity, project, id)
	require.Contains(t, slices.Collect(maps.Keys(f.runs)), key)
	return f.runs[key]
}

// seen says that rows of a run have arrived.
func (f *fakeServer) seen(entity, project, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	run := f.runs[runKey(entity, project, id)]
	return run != nil && len(run.history) > 0
}

func runKey(entity, project, id string) string { return entity + "/" + project + "/" + id }

func column(rows []map[string]any, name string) []float64 {
	var values []float64
	for _, row := range rows {
		values = append(values, row[name].(float64))
	}
	return values
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
