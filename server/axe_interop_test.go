//go:build interop

package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/torchlit/torchlit/internal/interop"
)

// violation is what axe says of a rule that a page breaks.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// axe-core finds nothing on either page: not when it is empty nor when it is full, in no theme, on no screen. Its rules are
// those of WCAG 2.2 to level AA, and its own best practices.
func TestInteropAxe(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(interop.NPM(t, "axe-core@4.14.1"), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	b := openTab(t, notAnImage, fakeCamera(t)...)
	_, addr := openTCP(t, driftingConfig(map[string]object{"1": madeUpDrift("1", 6, 3, 3)})) // few windows: axe looks at every mark
	dir := writeFiles(t, map[string][]byte{
		"a.png": pngOf(picture(60, 40, red)), "b.png": pngOf(picture(60, 40, red)), "letter.txt": []byte("Dear server"),
	})
	file := func(name string) []string { return []string{filepath.Join(dir, name)} }
	check := func(what string) {
		t.Helper()
		time.Sleep(700 * time.Millisecond) // what fades in has its colours then
		b.do(chromedp.Evaluate[chromedp.Void](string(source) + "; 0"))
		for _, v := range eval[[]violation](b, `axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } }).then((r) => r.violations)`) {
			var nodes []string
			for _, n := range v.Nodes {
				nodes = append(nodes, fmt.Sprintf("%.300s\n%s", n.HTML, n.Summary))
			}
			t.Errorf("%s: %s: %s\n%s", what, v.ID, v.Help, strings.Join(nodes, "\n"))
		}
	}
	steadyLoad(t, addr)
	for _, scheme := range []string{"light", "dark"} {
		for _, screen := range []string{"desk", "phone"} {
			what := scheme + ", " + screen
			b.scheme(scheme)
			if screen == "phone" {
				b.phone()
			} else {
				b.desk()
			}
			b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")))
			b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), file("a.png")))
			b.until(`document.querySelectorAll('.plate[data-state="sure"]').length === 1`)
			b.do(chromedp.Click(chromedp.CSS(".remove"))) // into the history
			b.until(`document.querySelectorAll("#past li").length > 0`)
			check(what + ": the upload page without answers")
			b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), file("letter.txt")), chromedp.SetUploadFiles(chromedp.CSS("#files"), file("b.png")))
			b.until(`document.querySelectorAll('.plate[data-state="sure"]').length === 1 && document.querySelector('.plate[data-state="trouble"]')`)
			b.do(chromedp.Click(chromedp.CSS("#camera-open")))
			b.until(`document.querySelector("#camera").classList.contains("running")`)
			b.do(chromedp.Click(chromedp.CSS("#live")))
			b.until(`document.querySelector("#live-label").textContent.includes("blue")`)
			check(what + ": the upload page with answers and the camera")

			b.do(chromedp.Navigate("http://"+addr+"/dashboard"), chromedp.WaitVisible(chromedp.CSS("#rejected li")), chromedp.WaitVisible(chromedp.CSS("#tests figure")))
			b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((d) => { d.open = true; }); 0`))
			check(what + ": the dashboard")
			b.do(chromedp.Click(chromedp.CSS("#pause")))
			check(what + ": the dashboard while it is paused")
			b.do(chromedp.Evaluate[chromedp.Void](`document.body.dataset.state = "unreachable"; 0`))
			check(what + ": the dashboard while the server is away")

			b.do(chromedp.Navigate("http://"+addr+"/docs"), chromedp.WaitVisible(chromedp.CSS("#infer")))
			check(what + ": the API's page")
			b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("#classify details").forEach((d) => { d.open = true; }); 0`))
			check(what + ": the API's page with a form")
		}
	}
}
