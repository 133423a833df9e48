package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The API's page lists what the document has, filters it, opens what the address names, and sends requests.
func TestDocsInBrowser(t *testing.T) {
	b := openTab(t, []string{"415", "classify"}) // the console tells of the error that is provoked
	_, addr := openTCP(t, Config{})
	b.do(chromedp.Navigate("http://"+addr+"/docs#infer"), chromedp.WaitVisible(chromedp.CSS("#infer")))
	if n := eval[int](b, `document.querySelectorAll("article").length`); n < 30 {
		t.Errorf("the page has %d operations", n)
	}
	b.until(`Math.abs(document.querySelector("#infer").getBoundingClientRect().top) < 100`)
	b.must(`document.querySelector('#index a[href="#infer"]').hasAttribute("aria-current")`)
	b.has("#infer", "POST /v2/models/{model}/infer", "Inference-Header-Content-Length", "Run a model")
	b.must(`document.documentElement.scrollWidth <= innerWidth`)
	b.has("#infer .admin", "With an API key")
	b.has("#putTraffic .admin", "For administrators")

	b.do(chromedp.SendKeys(chromedp.CSS("#filter"), "traffic put"))
	b.until(`document.querySelector("#matches").textContent === "1 operation"`)
	b.must(`[...document.querySelectorAll("article:not([hidden])")].map((a) => a.id).join() === "putTraffic"`)
	eval[bool](b, `(() => {
		const filter = document.querySelector("#filter");
		filter.value = "classify one image";
		return filter.dispatchEvent(new Event("input"));
	})()`)
	b.until(`[...document.querySelectorAll("article:not([hidden])")].map((a) => a.id).join() === "classify"`)

	photo := filepath.Join(t.TempDir(), "red.png")
	if err := os.WriteFile(photo, redPNG, 0o600); err != nil {
		t.Fatal(err)
	}
	eval[bool](b, `(document.querySelector("#classify .trial").open = true)`)
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#classify input[type=file]"), []string{photo}))
	b.until(`document.querySelector("#classify .trial pre").textContent.includes("--data-binary '@red.png'")`)
	b.do(chromedp.Click(chromedp.CSS("#classify .trial .primary")), chromedp.WaitVisible(chromedp.CSS("#classify .answer pre")))
	b.has("#classify .answer", "200 OK", "x-request-id", `"label": "red"`)

	// The JSON form has the document's example, and an error is shown as the server said it.
	eval[bool](b, `(() => {
		const type = [...document.querySelectorAll("#classify .trial select")].find((s) => [...s.options].some((o) => o.value === "application/json"));
		type.value = "application/json";
		type.dispatchEvent(new Event("change", { bubbles: true }));
		const text = document.querySelector("#classify .trial textarea");
		text.value = '{"image": "bm8gaW1hZ2U="}';
		text.dispatchEvent(new Event("input", { bubbles: true }));
		return true;
	})()`)
	b.do(chromedp.Click(chromedp.CSS("#classify .trial .primary")))
	b.until(`document.querySelector("#classify .answer").textContent.includes("415")`)
	b.has("#classify .answer", "not_an_image")
	if curl := eval[string](b, `document.querySelector("#classify .trial pre").textContent`); !strings.Contains(curl, `-d '{"image":"bm8gaW1hZ2U="}'`) || !strings.HasSuffix(curl, "/v1/classify'") {
		t.Errorf("curl is %s", curl)
	}
}
