package server

import (
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// The page asks for an API key when the server wants one, sends what was waiting with it, and asks again when it was wrong.
func TestKeyInBrowser(t *testing.T) {
	b := openTab(t, notAnImage)
	api, keys := keyFile(t, "")
	_, addr := openTCP(t, Config{APIKeys: api})
	dir := writeFiles(t, map[string][]byte{"sunset.png": pngOf(picture(60, 40, red))})
	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")))
	b.must(`document.querySelector("#key").hidden`)
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{filepath.Join(dir, "sunset.png")}), chromedp.WaitVisible(chromedp.CSS("#key")))
	b.has("#key", "answers those who have a key")
	b.has(".plate", "waits for an API key")
	b.phone()
	b.fits()

	b.do(chromedp.SendKeys(chromedp.CSS("#key-text"), keys[0]+"x"), chromedp.Click(chromedp.CSS("#key button")))
	b.until(`document.querySelector("#key-why").textContent.includes("does not know")`)
	b.do(chromedp.SendKeys(chromedp.CSS("#key-text"), keys[0]), chromedp.Click(chromedp.CSS("#key button")),
		chromedp.WaitVisible(chromedp.CSS(`.plate[data-state="sure"]`)))
	b.has(".plate .label", "red")
	b.must(`document.querySelector("#key").hidden`)
	b.must(`!document.cookie && !location.href.includes("tl_") && !localStorage.getItem("torchlit.key")`)
	if got := eval[string](b, `sessionStorage.getItem("torchlit.key")`); got != keys[0] {
		t.Error("the key is not kept in the tab")
	}
	b.do(chromedp.Evaluate[chromedp.Void](`navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }; 0`))
	b.do(chromedp.Click(chromedp.CSS(".plate .as-curl")))
	b.until(`window.copied?.includes("Bearer $TORCHLIT_KEY")`)
}
