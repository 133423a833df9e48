package server

import (
	"context"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/torchlit/torchlit/batching"
)

// pageExamples are the code blocks of docs/source/clients.md in one language, in order.
func pageExamples(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "source", "clients.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	if len(out) == 0 {
		t.Fatalf("docs/source/clients.md has no %s", language)
	}
	return out
}

// clientsPage is a server whose model refuses the first image for load, and a folder with the page's photos: a red cat, a blue dog
// and a text.
type clientsPage struct {
	t         *testing.T
	addr, dir string
	asked     atomic.Int64 // how often the model was
}

func openClientsPage(t *testing.T) *clientsPage {
	t.Helper()
	p := &clientsPage{t: t, dir: t.TempDir()}
	m := colourModel("colours", "1")
	m.Infer = func(ctx context.Context, pixels []byte, priority batching.Priority) (batching.Result[[]float32], error) {
		if p.asked.Add(1) == 1 {
			return batching.Result[[]float32]{}, &batching.RetryError{Reason: batching.ErrQueueFull, RetryAfter: time.Millisecond}
		}
		return byColour(ctx, pixels, priority)
	}
	_, p.addr = openTCP(t, Config{Models: []Model{m}})
	p.write("cat.jpg", jpegOf(picture(40, 30, color.RGBA{230, 20, 10, 255})))
	p.write("dog.jpg", pngOf(picture(30, 40, blue)))
	p.write("notes.txt", []byte("feed the cat"))
	return p
}

func (p *clientsPage) write(name string, data []byte) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// here is an example with this server's address.
func (p *clientsPage) here(example string) string {
	return strings.ReplaceAll(example, "localhost:8080", p.addr)
}

// run runs a program in the folder, or in dir, and returns what it prints.
func (p *clientsPage) run(dir, program string, args ...string) string {
	p.t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
			p.t.Fatal("cannot test docs/source/clients.md: ", err)
		}
		p.t.Skip("docs/source/clients.md is not tested: ", err)
	}
	cmd := exec.CommandContext(p.t.Context(), path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CURL_HOME="+p.dir, "PYTHONWARNINGS=error")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

func (p *clientsPage) want(got, form string) {
	p.t.Helper()
	if !regexp.MustCompile("^" + form + "$").MatchString(got) {
		p.t.Errorf("got %s; want %s", got, form)
	}
	if n := p.asked.Load(); n < 3 {
		p.t.Errorf("the model was asked %d times; nobody waited a refusal out", n)
	}
}

func TestClientsPageGo(t *testing.T) {
	t.Parallel()
	p := openClientsPage(t)
	program := p.write("main.go", []byte(p.here(pageExamples(t, "go")[0])))
	binary := filepath.Join(p.dir, "example")
	p.run("..", "go", "build", "-o", binary, program)
	p.want(p.run(p.dir, binary), `red 0\.8\d*\nred\nblue\nno photo\n`)
}

func TestClientsPagePython(t *testing.T) {
	t.Parallel()
	p := openClientsPage(t)
	p.want(p.run(p.dir, "python3", "-c", p.here(pageExamples(t, "python")[0])), `red 0\.8\d*\nred\nblue\nnot_an_image\n`)
}

func TestClientsPageNode(t *testing.T) {
	t.Parallel()
	p := openClientsPage(t)
	js := pageExamples(t, "js")
	p.want(p.run(p.dir, "node", "--input-type=module", "-e", p.here(js[0]+js[2])), `red 0\.8\d*\n\[ 'red', 'blue', 'not_an_image' \]\n`)
}

func TestClientsPageCurl(t *testing.T) {
	t.Parallel()
	p := openClientsPage(t)
	p.write(".curlrc", []byte("silent\nwrite-out = \"\\n\"\n"))
	lines := strings.SplitAfter(strings.TrimSpace(p.here(pageExamples(t, "sh")[0])), "\n")
	last := len(lines) - 1 // It waits a refusal out, so it has to come first.
	script := lines[last] + "\ncat answer.json\n" + strings.Join(lines[:last], "")
	p.want(p.run(p.dir, "bash", "-euo", "pipefail", "-c", script),
		`\n*\{"request_id":.*"label":"red".*\}\{"request_id":.*"label":"red".*\}\n\{"results":\[.*"label":"red".*"label":"blue".*"code":"not_an_image"\}\]\}\n`)
}

func TestClientsPageBrowser(t *testing.T) {
	p := openClientsPage(t)
	ctx := browser(t)
	js := pageExamples(t, "js")
	setUp := `document.body.innerHTML = '<input type="file">'; ` + js[0] + js[1] + `;globalThis.classifyAll = classifyAll; true`
	if err := chromedp.Do(ctx, chromedp.Navigate("http://"+p.addr+"/")); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](setUp)); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.SetUploadFiles(chromedp.CSS("input"), []string{filepath.Join(p.dir, "cat.jpg")})); err != nil {
		t.Fatal(err)
	}
	title := ""
	for deadline := time.Now().Add(20 * time.Second); !strings.HasPrefix(title, "red ") && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var err error
		if title, err = chromedp.Run(ctx, chromedp.Evaluate[string]("document.title")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`classifyAll([new Blob(["a"]), new Blob(["b"])]).then((labels) => document.title += " " + labels); true`)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(title, "not_an_image") && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		title, _ = chromedp.Run(ctx, chromedp.Evaluate[string]("document.title"))
	}
	if !regexp.MustCompile(`^red 0\.8\d* not_an_image,not_an_image$`).MatchString(title) {
		t.Errorf("the page says %q", title)
	}
}
