package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/server/openapi"
)

// document is the part of the OpenAPI document that the tests look at.
type document struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas map[string]json.RawMessage
	}
}

type operation struct {
	OperationID string `json:"operationId"`
	Summary     string
	Tags        []string
	RequestBody struct{ Content map[string]media }
	Responses   map[string]struct {
		Ref     string `json:"$ref"`
		Content map[string]media
	}
}

type media struct {
	Schema  any
	Example any
}

var methods = []string{"get", "post", "put", "delete"}

func readDocument(t *testing.T) (d document) {
	t.Helper()
	if err := json.Unmarshal(openapi.JSON(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// operations calls f for each operation.
func (d document) operations(t *testing.T, f func(path, method string, op operation)) {
	t.Helper()
	for path, item := range d.Paths {
		for method, raw := range item {
			if !slices.Contains(methods, method) {
				continue
			}
			var op operation
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatal(path, method, err)
			}
			f(path, method, op)
		}
	}
}

// TestOpenAPIPaths: the document has the paths and methods that the router has, each under a name of its own.
func TestOpenAPIPaths(t *testing.T) {
	s, err := Open(Config{Models: []Model{colourModel("colours", "1")}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var routed, described []string
	for method, paths := range s.router.List() {
		for _, path := range paths {
			switch {
			case method == "HEAD" || strings.HasPrefix(path, "/static/") || path == "/favicon.ico":
			case strings.Contains(path, "sharedmemory") || strings.Contains(path, "/trace/") || strings.HasSuffix(path, "/logging") || strings.Contains(path, "/generate"):
				// Extensions that are not there.
			default:
				routed = append(routed, strings.ToLower(method)+" "+path)
			}
		}
	}
	ids := map[string]bool{}
	readDocument(t).operations(t, func(path, method string, op operation) {
		described = append(described, method+" "+path)
		if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" || len(op.Tags) != 1 {
			t.Errorf("%s %s: operationId %q, summary %q, tags %q", method, path, op.OperationID, op.Summary, op.Tags)
		}
		ids[op.OperationID] = true
	})
	slices.Sort(routed)
	slices.Sort(described)
	if !slices.Equal(routed, described) {
		t.Errorf("the router has\n%s\nthe document\n%s", strings.Join(routed, "\n"), strings.Join(described, "\n"))
	}
}

// TestOpenAPICodes: the document lists the codes of errors that the code has.
func TestOpenAPICodes(t *testing.T) {
	var enum struct{ Enum []string }
	if err := json.Unmarshal(readDocument(t).Components.Schemas["ErrorCode"], &enum); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, dir := range []string{".", "oip"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				codesIn(t, file, used)
			}
		}
	}
	for _, code := range enum.Enum {
		if !used[code] {
			t.Errorf("the code has no error %q", code)
		}
		delete(used, code)
	}
	for code := range used {
		t.Errorf("the document lacks the error %q", code)
	}
}

var snake = regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)*$`)

// codesIn finds the codes where errors are made: in apiError{…}, Error{…}, bad(…) and badRequest(…).
func codesIn(t *testing.T, file string, used map[string]bool) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	note := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if code, err := strconv.Unquote(lit.Value); err == nil && snake.MatchString(code) {
				used[code] = true
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if name, ok := n.Fun.(*ast.Ident); ok && (name.Name == "bad" || name.Name == "badRequest") {
				note(n.Args[0])
			}
		case *ast.CompositeLit:
			name, ok := n.Type.(*ast.Ident)
			if !ok || name.Name != "apiError" && name.Name != "Error" || len(n.Elts) == 0 {
				break
			}
			for i, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if fmt.Sprint(kv.Key) == "code" {
						note(kv.Value)
					}
				} else if i == 1 {
					note(e)
				}
			}
		}
		return true
	})
}

// schemas compiles the document's schemas.
func schemas(t *testing.T) func(pointer string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi.JSON()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return func(pointer string) *jsonschema.Schema {
		t.Helper()
		s, err := c.Compile("openapi.json#" + pointer)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func escape(path string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(path)
}

// TestOpenAPIExamples: each schema compiles, and each example fits its own.
func TestOpenAPIExamples(t *testing.T) {
	compile, d := schemas(t), readDocument(t)
	for name := range d.Components.Schemas {
		compile("/components/schemas/" + name)
	}
	examples := 0
	d.operations(t, func(path, method string, op operation) {
		check := func(where string, content map[string]media) {
			for kind, m := range content {
				s := compile("/paths/" + escape(path) + "/" + method + where + "/content/" + escape(kind) + "/schema")
				if m.Example == nil {
					continue
				}
				examples++
				if err := s.Validate(m.Example); err != nil {
					t.Errorf("%s %s%s: %v", method, path, where, err)
				}
			}
		}
		check("/requestBody", op.RequestBody.Content)
		for status, r := range op.Responses {
			check("/responses/"+status, r.Content)
		}
	})
	if examples < 8 {
		t.Errorf("only %d examples", examples)
	}
}

// TestOpenAPIAnswers holds the server's answers to the document.
func TestOpenAPIAnswers(t *testing.T) {
	compile, d := schemas(t), readDocument(t)
	canary := colourModel("colours", "2")
	h := openLogged(t, Config{
		Models: []Model{colourModel("colours", "1"), canary}, Repository: fakeRepository{}, CacheBytes: 1 << 20,
		Traffic:     map[string]Traffic{"colours": {Default: "1", Canary: &Share{Version: "2", Percent: 5}}},
		DriftStatus: func(_, version string) (any, bool) { return json.RawMessage(driftStatus), version == "2" },
		Pictures: func(context.Context, string, string, int) ([]LoggedPicture, error) {
			ood, truth := 3.5, "blue"
			return []LoggedPicture{{Model: "colours", Version: "1", Label: "red", OOD: &ood, Truth: &truth, PNG: redPNG}, {Model: "colours", Version: "2", Label: "red", PNG: redPNG}}, nil
		},
	}, predlog.Config{})
	b64 := base64.StdEncoding.EncodeToString(redPNG)
	f := func(method, path, route, contentType, body string, status int) {
		t.Helper()
		req, err := http.NewRequest(method, "http://torchlit"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "localhost" // some are for callers on the same machine
		req.Header.Set("Content-Type", contentType)
		r, err := h.send(req)
		if err != nil {
			t.Fatal(err)
		}
		if r.status != status {
			t.Errorf("%s %s: got %d %s", method, path, r.status, r.body)
			return
		}
		var op operation
		if err := json.Unmarshal(d.Paths[route][strings.ToLower(method)], &op); err != nil {
			t.Fatal(route, err)
		}
		answer, ok := op.Responses[strconv.Itoa(status)]
		if !ok {
			t.Errorf("%s %s: the document has no status %d", method, route, status)
			return
		}
		pointer := "/paths/" + escape(route) + "/" + strings.ToLower(method) + "/responses/" + strconv.Itoa(status)
		if answer.Ref != "" {
			pointer = strings.TrimPrefix(answer.Ref, "#")
		}
		kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
		if kind != "application/json" {
			if _, ok := answer.Content[kind]; !ok {
				t.Errorf("%s %s: the document has no answer of %s", method, route, kind)
			}
			return
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		if err := compile(pointer + "/content/application~1json/schema").Validate(v); err != nil {
			t.Errorf("%s %s: %s\n%v", method, path, r.body, err)
		}
	}
	classify, infer := "/v1/classify", "/v2/models/{model}/infer"
	for range 2 { // the second comes from the cache
		f("POST", "/v1/classify?top_k=2&priority=low", classify, "image/png", string(redPNG), 200)
	}
	f("POST", classify, classify, "application/json", `{"images": ["`+b64+`", "bm8gaW1hZ2U="]}`, 200)
	f("POST", classify, classify, "application/json", `{"image": 1}`, 400)
	f("POST", classify, classify, "", "no image", 415)
	f("POST", classify, classify, "image/png", string(redPNG[:len(redPNG)-20]), 422)
	f("POST", "/v1/models/nobody/classify", "/v1/models/{model}/classify", "image/png", string(redPNG), 404)
	f("POST", "/v1/models/colours/versions/2/classify", "/v1/models/{model}/versions/{version}/classify", "image/png", string(redPNG), 200)
	f("GET", "/v1/models", "/v1/models", "", "", 200)
	f("GET", "/v1/models/colours", "/v1/models/{model}", "", "", 200)
	f("GET", "/v1/models/broken", "/v1/models/{model}", "", "", 200)
	f("GET", "/v1/models/colours/traffic", "/v1/models/{model}/traffic", "", "", 200)
	f("PUT", "/v1/models/colours/traffic", "/v1/models/{model}/traffic", "", `{"shadow": {"version": "2", "percent": 100}}`, 200)
	f("PUT", "/v1/models/colours/traffic", "/v1/models/{model}/traffic", "", `{"shadow": 7}`, 400)
	f("POST", classify, classify, "image/png", string(pngOf(picture(9, 9, blue))), 200)
	f("DELETE", "/v1/models/colours/traffic", "/v1/models/{model}/traffic", "", "", 200)
	h.classifyAs("known", "image/png", redPNG)
	feedback, predictions := "/v1/models/{model}/feedback", "/v1/models/{model}/predictions"
	f("POST", "/v1/models/colours/feedback", feedback, "", `{"request_id": "known", "label": 1}`, 200)
	f("POST", "/v1/models/colours/feedback", feedback, "", `{"feedback": [{"request_id": "known", "label": "blue"}, {"request_id": "x", "label": 0}]}`, 200)
	f("POST", "/v1/models/colours/feedback", feedback, "", `{"feedback": [{"request_id": "x", "label": 0}]}`, 404)
	f("POST", "/v1/models/colours/feedback", feedback, "", `{"request_id": "known", "label": "violet"}`, 400)
	f("POST", "/v1/models/colours/feedback", feedback, "text/csv", "request_id,label\nknown,blue\nx,blue\n", 200)
	f("POST", "/v1/models/colours/feedback", feedback, "text/csv", "request_id,label\nx,blue\n", 404)
	f("POST", "/v1/models/colours/feedback", feedback, "text/csv; charset=utf-8", "label\n", 400)
	f("DELETE", "/v1/models/colours/predictions", predictions, "", "", 400)
	f("DELETE", "/v1/models/colours/predictions?request_id=known", predictions, "", "", 200)
	f("DELETE", "/v1/models/colours/predictions?request_id=known", predictions, "", "", 404)
	drift, pictures := "/v1/models/{model}/drift", "/v1/models/{model}/predictions/pictures"
	f("GET", "/v1/models/colours/drift", drift, "", "", 200)
	f("GET", "/v1/models/nobody/drift", drift, "", "", 404)
	f("GET", "/v1/models/colours/versions/2/drift", "/v1/models/{model}/versions/{version}/drift", "", "", 200)
	f("GET", "/v1/models/colours/versions/1/drift", "/v1/models/{model}/versions/{version}/drift", "", "", 404)
	f("GET", "/v1/models/colours/predictions/pictures?n=2", pictures, "", "", 200)
	f("GET", "/v1/models/colours/predictions/pictures?n=100", pictures, "", "", 400)
	f("GET", "/v1/models/nobody/predictions/pictures", pictures, "", "", 404)
	f("GET", "/v1/stats?window=5", "/v1/stats", "", "", 200)
	f("GET", "/v1/stats?window=none", "/v1/stats", "", "", 400)
	for _, path := range []string{"/v2", "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/stats", "/healthz", "/readyz", "/metrics", "/", "/dashboard", "/docs", "/openapi.json"} {
		f("GET", path, path, "", "", 200)
	}
	for _, part := range []string{"", "/ready", "/config", "/stats"} {
		f("GET", "/v2/models/colours"+part, "/v2/models/{model}"+part, "", "", 200)
		f("GET", "/v2/models/nobody"+part, "/v2/models/{model}"+part, "", "", 404)
		f("GET", "/v2/models/colours/versions/2"+part, "/v2/models/{model}/versions/{version}"+part, "", "", 200)
	}
	request := func(more string) string {
		return `{"id": "x", "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["` + b64 + `"]}]` + more + `}`
	}
	f("POST", "/v2/models/colours/infer", infer, "", request(""), 200)
	f("POST", "/v2/models/colours/infer", infer, "", request(`, "outputs": [{"name": "probabilities", "parameters": {"classification": 2}}]`), 200)
	f("POST", "/v2/models/colours/infer", infer, "", request(`, "parameters": {"binary_data_output": true}`), 200)
	f("POST", "/v2/models/colours/infer", infer, "", request(`, "outputs": [{"name": "nothing"}]`), 400)
	f("POST", "/v2/repository/index", "/v2/repository/index", "", "", 200)
	f("POST", "/v2/repository/models/other/load", "/v2/repository/models/{model}/load", "", `{}`, 200)
	f("POST", "/v2/repository/models/broken/load", "/v2/repository/models/{model}/load", "", "", 422)
	f("POST", "/v2/repository/models/nobody/unload", "/v2/repository/models/{model}/unload", "", "", 404)
}

// TestOpenAPIFiles: no file is left out.
func TestOpenAPIFiles(t *testing.T) {
	files, err := filepath.Glob("openapi/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`operationId: (\w+)`).FindAllSubmatch(text, -1) {
			if !bytes.Contains(openapi.JSON(), m[1]) {
				t.Errorf("%s: the document has no operation %s", file, m[1])
			}
		}
	}
}
