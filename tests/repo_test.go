// Package tests has the tests of the repository as a whole; those of a package lie beside its code.
// They check its manners, and say why each one exists.
package tests

import (
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// room is a folder of the first level, or one below that has rules of its own.
type room struct {
	// may lists the rooms that its code (tests aside) imports; its own
	// subfolders always count in. "*" stands for all.
	may []string
	// libraries lists the modules from elsewhere; nil stands for any.
	libraries []string
	why       string
}

var none = []string{}

// rooms says who may import whom. The longest name that fits a package decides. A rule
// that stands in the way is changed together with its reason.
var rooms = map[string]room{
	"cmd": {may: []string{"*"}, why: "cmd wires the rooms together: the only place that knows all of them"},
	"examples": {may: []string{"torch", "dataset/fetch"}, libraries: none,
		why: "examples show torch/ as its users see it: what they do, a program elsewhere can do; only a download is borrowed"},
	"tools":   {may: []string{"dataset"}, why: "tools run before anything is built, so they need no libtorch"},
	"tests":   {may: none, libraries: none, why: "it reads the repository, and calls nothing of it"},
	"scripts": {may: none, libraries: none, why: "scripts run where nothing is built; the Go beside them tests them"},
	"deploy": {may: none, libraries: none,
		why: "what is deployed is scripts and settings; the tests run them with stand-ins and need nothing of the program"},
	"server": {may: []string{"batching", "vision", "monitor", "web", "internal/inferencepb", "internal/cpus", "internal/reload"},
		why: "the server is handed functions: its tests need no libtorch, and it can serve any engine"},
	"batching": {may: none, libraries: none,
		why: "the batcher does not know what it batches: it is tested under fake time, without network, cgo or images"},
	"batching/sim": {may: []string{"batching"}, libraries: []string{"gonum.org"},
		why: "the simulation runs the batcher and draws what comes of it; nothing that serves needs it"},
	"predict": {may: []string{"torch", "vision", "modeldir", "internal/cpus", "internal/fault"},
		why: "an engine is made of a model folder; it knows nothing of HTTP, batches or training"},
	"torch": {may: []string{"internal/pickle"}, libraries: []string{"golang.org/x/sys"},
		why: "torch is a binding of libtorch: it knows nothing of images on the wire, batches or HTTP; its files hold pickles"},
	"torch/torchtest": {may: []string{"torch"}, libraries: []string{"go.uber.org/goleak"},
		why: "it is imported by tests alone"},
	"torch/vision": {may: []string{"torch", "vision"},
		why: "gotorch's image packages sit on torch and may decode with vision"},
	"vision": {may: none, libraries: []string{"golang.org/x/image", "golang.org/x/sync", "github.com/nfnt/resize"},
		why: "vision turns bytes into pixels with no libtorch: it is fuzzed, and built where libtorch is not; its resizer is handed over"},
	"vision/isolate": {may: []string{"vision"}, libraries: []string{"golang.org/x/sys", "github.com/elastic/go-seccomp-bpf"},
		why: "what a worker links can be used against it; the pool knows nothing of requests and is told what to log"},
	"modeldir": {may: []string{"torch/weights", "vision"}, libraries: []string{"golang.org/x/sys"},
		why: "a model folder is where training and serving meet: reading one needs no libtorch"},
	"repository": {may: []string{"modeldir"}, libraries: []string{"github.com/fsnotify/fsnotify"},
		why: "what is to be loaded, and when, is decided without libtorch and HTTP: it is handed a loader, and tested under fake time"},
	"dataset": {may: []string{"vision", "internal/pickle"}, libraries: []string{"golang.org/x/sync"},
		why: "a data set is plain Go values, usable without libtorch; CIFAR is published as pickles, too"},
	"train": {may: []string{"torch", "vision", "dataset", "track", "config", "modeldir", "pretrained", "dist", "evaluate"},
		why: "the loop knows what it trains with, and nothing of serving"},
	"dist": {may: []string{"torch", "internal/process"}, libraries: []string{"golang.org/x/sys"},
		why: "ranks exchange tensors, whatever they are for; a trainer is a user of it"},
	"track":  {may: none, why: "a tracker is handed numbers; it does not know where they come from"},
	"config": {may: none, why: "configuration is text made into values; what they mean is the rooms' own affair"},
	"monitor": {may: none, libraries: []string{"gonum.org", "modernc.org/sqlite", "github.com/jackc/pgx"},
		why: "the monitor is handed embeddings and answers; its log is a database's"},
	"monitor/webhook": {may: none, libraries: []string{"github.com/cenkalti/backoff"},
		why: "what is sent, and when again, has nothing to do with how drift is found"},
	"monitor/detector": {may: []string{"monitor", "evaluate"}, libraries: []string{"gonum.org"},
		why: "the likeliest class is the same wherever it is asked for"},
	"monitor/reference": {may: []string{"monitor", "evaluate", "torch/safetensors"}, libraries: []string{"gonum.org"},
		why: "a reference is tensors in a file, of which the format alone is torch's: it needs no libtorch"},
	"monitor/watch": {may: []string{"monitor", "evaluate"}, libraries: none,
		why: "accuracy by labels is the same figures wherever the labels come from"},
	"evaluate": {may: none, libraries: none, why: "figures are made of labels and probabilities, whoever gave them"},
	"report": {may: []string{"evaluate", "web", "monitor/detector"}, libraries: []string{"gonum.org", "golang.org/x/image", "gopkg.in/yaml.v3"},
		why: "a report is drawn from answers, whoever gave them: no model, no libtorch; the page borrows the upload page's sign, and drift is told by the detectors' own results"},
	"hub": {may: []string{"dataset/fetch"}, libraries: []string{"golang.org/x/sys"},
		why: "the hub's cache is files and names; what a file holds is its reader's affair"},
	"pretrained": {may: []string{"torch", "modeldir", "hub"}, libraries: none,
		why: "weights go from a file into a network: what trains it or serves it is no matter"},
	"internal/pickle": {may: none, libraries: none, why: "Python's pickles are read, never run: a reader that knows nothing can call nothing"},
	"internal/inferencepb": {may: none, libraries: []string{"google.golang.org/grpc", "google.golang.org/protobuf"},
		why: "the protocol's messages are made of .proto files: servers and clients share them"},
	"internal/cpus":   {may: none, libraries: none, why: "how many CPUs there are is asked by rooms that know nothing of each other"},
	"internal/reload": {may: none, libraries: none, why: "a change of a file is noticed alike by whoever reads one at its start"},
	"internal/memlimit": {may: none, libraries: []string{"github.com/prometheus/procfs", "go.uber.org/zap"},
		why: "how much memory there is concerns the process, not what it does with it"},
	"internal/smalldisk": {may: none, libraries: []string{"golang.org/x/sys"}, why: "a disk for tests knows nothing of what is written to it"},
	"internal/pgserver": {may: []string{"internal/process"}, libraries: []string{"github.com/jackc/pgx"},
		why: "a database server for tests knows nothing of what is stored in it"},
	"internal/process": {may: none, libraries: none, why: "whoever starts processes starts them alike"},
	"internal/sockets": {may: none, libraries: []string{"golang.org/x/sys", "github.com/coreos/go-systemd"},
		why: "sockets are found and handed over, whatever is served on them"},
	"internal/supervise": {may: []string{"internal/sockets", "internal/process"}, libraries: []string{"golang.org/x/sys", "go.uber.org/zap"},
		why: "the supervisor knows nothing of what it runs: little in it can fail"},
	"internal/soak": {may: none, libraries: []string{"github.com/prometheus", "gonum.org"},
		why: "who judges a server from outside has nothing of it"},
	"internal/fault": {may: none, libraries: none, why: "a crash on demand needs no help"},
	"internal/reference": {may: none, libraries: []string{"github.com/spf13", "github.com/prometheus", "gopkg.in/yaml.v3"},
		why: "pages are made of what is handed over: commands, metrics, settings, a document; a test of cmd/torchlit does it"},
	"internal/interop": {may: none, why: "a referee knows nothing of what it judges"},
	"web":              {may: none, libraries: none, why: "the pages are embedded files: anyone may import them at no cost"},
	"client":           {may: none, why: "whoever imports the client should not get the server with it"},
	"bench/peers": {may: []string{"bench", "client"},
		why: "servers are compared by the load tool and asked by the client, engines by their own programs, as their users would"},
	"bench": {may: []string{"internal/inferencepb"},
		why: "the load tool measures from outside, as a user would; the messages are those of a public protocol"},
}

// TestRooms holds the code (not the tests) to the table.
func TestRooms(t *testing.T) {
	for _, p := range packages(t) {
		name, r, ok := roomOf(p.dir)
		if !ok {
			t.Errorf("%s: no room of this name: add it to the table with what it may import, and why", p.dir)
			continue
		}
		for imported, file := range p.imports(false) {
			switch dir, ours := strings.CutPrefix(imported, module+"/"); {
			case ours:
				if !within(dir, name) && !slices.Contains(r.may, "*") && !slices.ContainsFunc(r.may, func(m string) bool { return within(dir, m) }) {
					t.Errorf("%s imports %s, but %s may import %q only: %s", file, dir, name, r.may, r.why)
				}
			case foreign(imported) && r.libraries != nil:
				if !slices.ContainsFunc(r.libraries, func(l string) bool { return within(imported, l) }) {
					t.Errorf("%s imports %s, but %s takes %q only from elsewhere: %s", file, imported, name, r.libraries, r.why)
				}
			}
		}
	}
}

// never lists pairs that must not meet, neither through others nor in tests.
var never = []struct{ from, to, why string }{
	{"server", "torch", "the tests of the server need no libtorch"},
	{"server", "predict", "the server is handed its engine as a function"},
	{"server", "train", "a change of the training cannot break serving"},
	{"train", "server", "a change of the training cannot break serving"},
	{"predict", "train", "what is served is made of a model folder, not of training code"},
	{"batching", "vision", "the batcher does not know what it batches"},
	{"vision", "torch", "vision is built and fuzzed where libtorch is not"},
	{"client", "server", "the client is a second reading of the API, not the server's own types"},
	{"tools", "torch", "tools run before libtorch is there"},
}

func TestNeverMeet(t *testing.T) {
	all := packages(t)
	for _, n := range never {
		for _, p := range all {
			if !within(p.dir, n.from) {
				continue
			}
			if chain := reach(all, p, n.to); chain != nil {
				t.Errorf("%s reaches %s (%s): %s", p.dir, n.to, strings.Join(chain, " -> "), n.why)
			}
		}
	}
}

// only lists what belongs to a few rooms. Tests are held to it too.
var only = []struct {
	imported string
	rooms    []string
	why      string
}{
	{"github.com/valyala/fasthttp", []string{"server", "client", "bench"},
		"fasthttp reuses the memory of a request: the code that must know this stays in few places"},
	{"github.com/fasthttp", []string{"server"}, "routes are the server's"},
	{"golang.org/x/crypto/acme", []string{"server/certs"}, "there is one place that may write to an authority, and only when an operator turns it on"},
	{"github.com/letsencrypt", []string{"server/certs/acmetest"}, "an authority for tests signs for everybody"},
	{"github.com/miekg/dns", []string{"server/certs/acmetest"}, "names are resolved by the system; the tests' authority has a resolver of its own"},
	{"C", []string{"torch/internal", "vision/internal", "internal/fault"},
		"cgo is audited in few files; everything above it builds and is tested without a C compiler"},
	{"plugin", nil, "a plugin runs code that came with data"},
}

func TestOnly(t *testing.T) {
	for _, o := range only {
		for _, p := range packages(t) {
			for imported, file := range p.imports(true) {
				if within(imported, o.imported) && !slices.ContainsFunc(o.rooms, func(r string) bool { return within(p.dir, r) }) {
					t.Errorf("%s imports %q, which only %q may: %s", file, imported, o.rooms, o.why)
				}
			}
		}
	}
}

// TestPackageComments: the first thing that a reader of a package meets is what it is for.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		var with []string
		for name, f := range p.files {
			if f.Doc != nil && !strings.HasSuffix(name, "_test.go") && strings.TrimSpace(f.Doc.Text()) != "" {
				with = append(with, path.Base(name))
			}
		}
		slices.Sort(with)
		if p.code() && len(with) != 1 {
			t.Errorf("%s: files with a package comment: %q; want exactly one, which says what the package is for", p.dir, with)
		}
	}
}

// TestExportedNamesAreDocumented looks at functions, methods of exported types, and types.
func TestExportedNamesAreDocumented(t *testing.T) {
	for _, p := range packages(t) {
		for name, f := range p.files {
			if strings.HasSuffix(name, "_test.go") || f.Name.Name == "main" || ast.IsGenerated(f) {
				continue
			}
			for _, d := range f.Decls {
				if undocumented := exportedWithoutComment(d); undocumented != "" {
					t.Errorf("%s: %s has no comment: say what it does, its units, its errors, and who owns what", name, undocumented)
				}
			}
		}
	}
}

// wellKnown methods are documented by the interface that everybody knows them from.
var wellKnown = []string{"Error", "Unwrap", "Is", "As", "String"}

func exportedWithoutComment(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil && slices.Contains(wellKnown, d.Name.Name) {
			return ""
		}
		if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
			return d.Name.Name
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if s, ok := s.(*ast.TypeSpec); ok && s.Name.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
				return s.Name.Name
			}
		}
	}
	return ""
}

// TestNoInit: work at import time cannot fail, be configured, or be left out.
func TestNoInit(t *testing.T) {
	for _, p := range packages(t) {
		for name, f := range p.files {
			if ast.IsGenerated(f) { // protobuf's messages register themselves
				continue
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s has an init function: whoever imports the package cannot refuse it, and it cannot return an error", name)
				}
			}
		}
	}
}

// longest is the number of lines of a file that can still be read in one go.
const longest = 600

func TestNoLongFiles(t *testing.T) {
	source := []string{".go", ".cc", ".h", ".cu", ".py", ".sh", ".js", ".css", ".html"}
	for _, f := range textFiles(t) {
		lines := strings.Count(f.text, "\n")
		if lines <= longest || !slices.Contains(source, path.Ext(f.name)) || strings.Contains(f.name, "testdata/") {
			continue
		}
		top := f.text[:min(len(f.text), 2000)]
		if !strings.Contains(top, "This file is long because ") && !strings.Contains(top, "Code generated ") {
			t.Errorf("%s has %d lines; above %d split it, or write at its top \"This file is long because ...\"", f.name, lines, longest)
		}
	}
}

// words are not written in any file.
var words = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`pypi\.org|pythonhosted\.org|proxy\.golang\.org|sum\.golang\.org|registry\.npmjs\.org|registry\.yarnpkg\.com`),
		"pip, go and npm know which index or mirror their user wants"},
	{regexp.MustCompile(`(^|[^a-zA-Z0-9_.*-])/(work|Users|home)/[a-z]`), "this path exists on one machine only"},
	{regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`), "what is to be done belongs into an issue, where somebody will find it"},
	{regexp.MustCompile(`(?m)^(<{7}|>{7}) `), "a merge conflict was committed"},
}

func TestWords(t *testing.T) {
	for _, f := range textFiles(t) {
		if f.name == "tests/repo_test.go" || f.name == "go.sum" || f.name == ".git" || strings.Contains(f.name, "testdata/") {
			continue
		}
		for _, w := range words {
			if at := w.pattern.FindStringIndex(f.text); at != nil {
				line := 1 + strings.Count(f.text[:at[0]], "\n")
				t.Errorf("%s:%d: %q: %s", f.name, line, strings.TrimSpace(f.text[at[0]:at[1]]), w.why)
			}
		}
	}
}

// TestOneLibtorchVersion: torch/LIBTORCH is the only place that chooses it; where
// another file has to repeat it (a requirements file, an image), it repeats the same.
func TestOneLibtorchVersion(t *testing.T) {
	b, err := os.ReadFile("torch/LIBTORCH")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^version (\S+)$`).FindSubmatch(b)
	if m == nil {
		t.Fatal("torch/LIBTORCH has no version line")
	}
	mention := regexp.MustCompile(`\btorch==([0-9][0-9.]*[0-9])`)
	for _, f := range textFiles(t) {
		for _, got := range mention.FindAllStringSubmatch(f.text, -1) {
			if got[1] != string(m[1]) && !strings.HasSuffix(f.name, "_test.go") {
				t.Errorf("%s names torch %s; torch/LIBTORCH pins %s", f.name, got[1], m[1])
			}
		}
	}
}
