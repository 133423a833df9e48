package server

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cdpinput "github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/torchlit/torchlit/batching"
)

// notAnImage is on the console whenever the server has refused a picture: browsers note every status of an error.
var notAnImage = []string{"/v1/classify?top_k=5"}

// The upload page in a real browser: pictures go in by the file input, answers come out as bars, a text file as a sentence.
func TestPageInBrowser(t *testing.T) {
	b := openTab(t, notAnImage)
	_, addr := openTCP(t, Config{})
	dir := writeFiles(t, map[string][]byte{
		"sunset.png": pngOf(picture(60, 40, red)), "sea.jpg": jpegOf(picture(40, 60, blue)), "it's a letter.txt": []byte("Dear server"),
	})
	file := func(name string) string { return filepath.Join(dir, name) }

	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")))
	b.has("#facts", "colours", "100.0 % right on three colours", "fp32 on cpu")
	b.has("#knows", "3 things", "red", "green", "blue")
	b.has("#empty", "Nothing here yet")
	b.has("#curl", "curl -F image=@photo.jpg "+addr+"/v1/classify")
	b.must(`document.querySelector("#choose-model").hidden`)

	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{file("sunset.png"), file("sea.jpg")}),
		chromedp.WaitVisible(chromedp.CSS(`.plate:nth-child(2)[data-state="sure"]`)),
		chromedp.WaitVisible(chromedp.CSS(`.plate:nth-child(1)[data-state="sure"]`)))
	b.has(".plate:nth-child(1)", "sea.jpg", "blue", "red", "green", "%", "decoded in", "inference 1.0 ms", "alone in its batch", "there and back")
	b.has(".plate:nth-child(1) .label", "blue")
	b.has(".plate:nth-child(2) .label", "red")
	b.must(`document.querySelector(".plate .thumb img").naturalWidth === 40`)
	b.must(`document.querySelectorAll(".plate:first-child .bars li").length === 3`)

	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{file("it's a letter.txt")}),
		chromedp.WaitVisible(chromedp.CSS(`.plate:nth-child(1)[data-state="trouble"]`)))
	b.has(".plate:nth-child(1)", "letter.txt", "No answer", "text", "send JPEG")
	b.has("#status", "letter.txt")

	// The command under an answer is one that a shell takes, whatever the file is called.
	b.do(chromedp.Evaluate[chromedp.Void](`navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }; 0`))
	b.do(chromedp.Click(chromedp.CSS(".plate:nth-child(1) .as-curl")))
	b.until(`window.copied`)
	want := `curl -H 'Content-Type: text/plain' --data-binary '@it'\''s a letter.txt' 'http://` + addr + `/v1/classify?top_k=5'`
	if got := eval[string](b, `window.copied`); got != want {
		t.Errorf("copied %s; want %s", got, want)
	}
	b.has(".plate:nth-child(1) .as-curl", "Copied")

	b.do(chromedp.Click(chromedp.CSS("#clear")), chromedp.WaitVisible(chromedp.CSS("#empty")))
	b.phone()
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{file("sunset.png")}), chromedp.WaitVisible(chromedp.CSS(`.plate[data-state="sure"]`)))
	b.fits()
}

// What was answered is there after a reload, also after the server has gone; and gone when it is cleared.
func TestHistoryInBrowser(t *testing.T) {
	b := openTab(t, nil)
	_, addr := openTCP(t, Config{})
	dir := writeFiles(t, map[string][]byte{"sunset.png": pngOf(picture(60, 40, red)), "sea.jpg": jpegOf(picture(40, 60, blue))})
	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")))
	b.must(`document.querySelector("#history").hidden`)
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{filepath.Join(dir, "sunset.png")}), chromedp.WaitVisible(chromedp.CSS("#history")))
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{filepath.Join(dir, "sea.jpg")}))
	b.until(`document.querySelectorAll('.plate[data-state="sure"]').length === 2`)
	b.must(`document.querySelectorAll("#past li").length === 0`) // they have their plates
	b.do(chromedp.Click(chromedp.CSS(".plate:nth-child(2) .remove")))
	b.until(`document.querySelectorAll("#past li").length === 1`)
	b.do(chromedp.Click(chromedp.CSS(".plate:nth-child(1) .remove")))
	b.until(`document.querySelectorAll("#past li").length === 2`)

	b.do(chromedp.Reload())
	b.until(`document.querySelectorAll("#past li").length === 2`)
	b.has("#history", "stay in this browser")
	b.has("#past li:nth-child(1)", "blue", "%", "sea.jpg", "s ago")
	b.has("#past li:nth-child(2)", "red", "sunset.png")
	b.until(`[...document.querySelectorAll("#past img")].every((i) => i.naturalWidth === 40)`)

	// Only the last 50 are kept.
	b.do(chromedp.Evaluate[chromedp.Void](`(async () => {
		const { remember } = await import("/static/history.js");
		const file = await (await fetch("/static/favicon.svg")).blob();
		for (let i = 0; i < 55; i++) {
			const li = document.createElement("li");
			await remember({ file, name: "n" + i, li }, { model: "m", version: "1", predictions: [{ label: "l", probability: 0.9 }], timing_ms: {} });
		}
	})()`, chromedp.EvalAwaitPromise))
	b.until(`document.querySelectorAll("#past li").length === 50`)
	b.has("#past li:nth-child(1)", "n54")
	b.has("#past li:nth-child(50)", "n5")

	b.do(chromedp.Click(chromedp.CSS("#forget")))
	b.until(`document.querySelector("#history").hidden`)
	b.do(chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("#knows")))
	b.until(`document.querySelector("#history").hidden && document.querySelectorAll("#past li").length === 0`)
}

// Files and folders that are dropped, real ones as the browser's own drag has them, and what is pasted.
func TestDropInBrowser(t *testing.T) {
	b := openTab(t, notAnImage)
	_, addr := openTCP(t, Config{})
	dir := writeFiles(t, map[string][]byte{
		"album/a.png": pngOf(picture(20, 20, red)), "album/deep/er/b.JPG": jpegOf(picture(20, 20, blue)), "album/notes.txt": []byte("no"),
		"lone.png": pngOf(picture(20, 20, blue)), "letter.txt": []byte("Dear server"),
	})
	drag := func(kind cdpinput.DispatchDragEventType, names ...string) {
		t.Helper()
		p := cdpinput.DispatchDragEventParams{Type: kind, X: 200, Y: 200, Data: &cdpinput.DragData{Items: []*cdpinput.DragDataItem{}, DragOperationsMask: 1}}
		for _, n := range names {
			p.Data.Files = append(p.Data.Files, filepath.Join(dir, n))
		}
		if _, err := chromedp.Call(b.Context, cdpinput.DispatchDragEvent, p); err != nil {
			t.Fatal(err)
		}
	}
	drop := func(names ...string) {
		t.Helper()
		drag(cdpinput.DispatchDragEventTypeDragEnter, names...)
		drag(cdpinput.DispatchDragEventTypeDragOver, names...)
		b.until(`document.body.classList.contains("dragging")`)
		drag(cdpinput.DispatchDragEventTypeDrop, names...)
		b.until(`!document.body.classList.contains("dragging")`)
	}
	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")))
	drop("lone.png", "letter.txt")
	b.until(`document.querySelectorAll('.plate[data-state="sure"]').length === 1 && document.querySelectorAll('.plate[data-state="trouble"]').length === 1`)

	drop("album")
	b.until(`document.querySelectorAll('.plate[data-state="sure"]').length === 3`)
	b.has("#note", "One file is no picture")
	b.has("#plates", "a.png", "b.JPG")

	drag(cdpinput.DispatchDragEventTypeDragEnter, "lone.png")
	drag(cdpinput.DispatchDragEventTypeDragOver, "lone.png")
	b.until(`document.body.classList.contains("dragging")`)
	leave := func(to string) { // as a browser does; the protocol's own cancel tells the page nothing
		b.do(chromedp.Evaluate[chromedp.Void](`(() => {
			const data = new DataTransfer();
			data.items.add(new File([], "x.png"));
			document.querySelector("#drop").dispatchEvent(new DragEvent("dragleave", { bubbles: true, dataTransfer: data, relatedTarget: ` + to + ` }));
		})()`))
	}
	leave(`document.querySelector("h1")`)
	b.must(`document.body.classList.contains("dragging")`)
	leave("null")
	b.until(`!document.body.classList.contains("dragging")`)

	b.do(chromedp.Evaluate[chromedp.Void](`(async () => {
		const data = new DataTransfer();
		const canvas = Object.assign(document.createElement("canvas"), { width: 9, height: 9 });
		const c = canvas.getContext("2d");
		c.fillStyle = "#00f";
		c.fillRect(0, 0, 9, 9);
		data.items.add(new File([await new Promise((r) => canvas.toBlob(r))], "pasted.png", { type: "image/png" }));
		document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
	})()`, chromedp.EvalAwaitPromise))
	b.until(`document.querySelectorAll('.plate[data-state="sure"]').length === 4`)
	b.has(".plate:nth-child(1)", "pasted.png", "blue")
}

// Many pictures show how far they are, and can be given up.
func TestCancelInBrowser(t *testing.T) {
	b := openTab(t, nil)
	g := newGate()
	m := colourModel("colours", "1")
	m.Infer = g.classify
	s, addr := openTCP(t, Config{Models: []Model{m}})
	files := map[string][]byte{}
	for _, name := range strings.Split("abcdefghij", "") {
		files[name+".png"] = pngOf(picture(20, 20, red))
	}
	dir := writeFiles(t, files)
	var paths []string
	for name := range files {
		paths = append(paths, filepath.Join(dir, name))
	}
	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")),
		chromedp.SetUploadFiles(chromedp.CSS("#files"), paths), chromedp.WaitVisible(chromedp.CSS("#progress")))
	for range 6 {
		<-g.entered // as many as are sent at once
	}
	g.pass <- struct{}{}
	g.pass <- struct{}{}
	b.until(`document.querySelector("#progress-text").textContent === "2 of 10"`)
	b.do(chromedp.Click(chromedp.CSS("#cancel")))
	b.until(`document.querySelectorAll('.plate[data-state="trouble"]').length === 8 && document.querySelector("#progress").hidden`)
	b.has("#plates", "Cancelled")
	for i := 0; s.cfg.Metrics.inflight.Load() > 0; i++ { // the server has noticed, too
		if i > 400 {
			t.Fatalf("%d requests are still in flight", s.cfg.Metrics.inflight.Load())
		}
		time.Sleep(10 * time.Millisecond)
	}
	close(g.pass)
	b.do(chromedp.Click(chromedp.CSS(`.plate[data-state="trouble"] .again`)))
	b.until(`document.querySelectorAll('.plate[data-state="sure"]').length === 3`)
}

// Where several models or versions are served one chooses, and the choice is where pictures go.
func TestModelChoiceInBrowser(t *testing.T) {
	b := openTab(t, nil)
	asked := map[string]*atomic.Int64{}
	model := func(name, version string) Model {
		m := colourModel(name, version)
		n := new(atomic.Int64)
		asked[name+"/"+version] = n
		m.Infer = func(ctx context.Context, in []byte, p batching.Priority) (batching.Result[[]float32], error) {
			n.Add(1)
			return byColour(ctx, in, p)
		}
		return m
	}
	_, addr := openTCP(t, Config{Models: []Model{model("colours", "1"), model("colours", "2"), model("other", "7")}})
	dir := writeFiles(t, map[string][]byte{"a.png": pngOf(picture(20, 20, red))})
	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#choose-model")))
	choose := func(value, curl, who string) {
		t.Helper()
		before := asked[who].Load()
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#model").value = "` + value + `"; document.querySelector("#model").dispatchEvent(new Event("change")); 0`))
		b.has("#curl", addr+curl)
		n := eval[int](b, `document.querySelectorAll(".plate").length`)
		b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{filepath.Join(dir, "a.png")}))
		b.until(`document.querySelectorAll(".plate").length > ` + string(rune('0'+n)) + ` && !document.querySelector('[data-state="waiting"]')`)
		if asked[who].Load() != before+1 {
			t.Errorf("%s: another one than %s was asked", value, who)
		}
	}
	choose("colours", "/v1/classify", "colours/2")
	choose("colours/1", "/v1/models/colours/versions/1/classify", "colours/1")
	choose("other", "/v1/models/other/classify", "other/7")
	b.do(chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("#choose-model")))
	b.must(`document.querySelector("#model").value === "other"`)
}

// Everything can be done with the keyboard alone, and one sees where one is.
func TestKeyboardInBrowser(t *testing.T) {
	b := openTab(t, nil)
	_, addr := openTCP(t, Config{})
	dir := writeFiles(t, map[string][]byte{"a.png": pngOf(picture(20, 20, red))})
	focus := func() string {
		return eval[string](b, `document.activeElement.id || document.activeElement.className || document.activeElement.textContent`)
	}
	// tabTo presses the tabulator until something has the focus, and returns what had it on the way.
	tabTo := func(want string) (passed []string) {
		t.Helper()
		for range 40 {
			b.press(kb.Tab)
			at := focus()
			b.must(`document.activeElement === document.body || (() => {
				const e = document.activeElement.closest(".button") ?? document.activeElement;
				const ring = getComputedStyle(e);
				return ring.outlineStyle !== "none" && parseFloat(ring.outlineWidth) >= 2 || e.tagName === "INPUT" || e.tagName === "SELECT";
			})()`)
			if at == want {
				return passed
			}
			passed = append(passed, at)
		}
		t.Fatalf("the tabulator never gets to %s; it passed %q", want, passed)
		return nil
	}
	b.desk()
	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")))
	tabTo("skip")
	b.must(`document.activeElement.getBoundingClientRect().width > 50`) // it shows once it has the focus
	b.press(kb.Enter)
	b.must(`document.activeElement.id === "answers"`)
	b.do(chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("#knows")))
	passed := strings.Join(tabTo("quiet theme"), ",")
	if !strings.Contains(passed, "Dashboard") || !strings.Contains(passed, "API") {
		t.Errorf("before the theme come %s", passed)
	}
	b.press(kb.Enter)
	b.has(".theme", "dark")
	tabTo("files")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{filepath.Join(dir, "a.png")}), chromedp.WaitVisible(chromedp.CSS(`.plate[data-state="sure"]`)))
	tabTo("camera-open")
	tabTo("remove")
	b.press(kb.Enter)
	b.until(`document.querySelectorAll(".plate").length === 0`)
	if at := focus(); at != "files" {
		t.Errorf("after the last plate the focus is on %s", at)
	}
	tabTo("forget")
	b.press(kb.Enter)
	b.until(`document.querySelector("#history").hidden`)
}

// The theme is the system's until one chooses another, which both pages remember.
func TestThemeInBrowser(t *testing.T) {
	b := openTab(t, nil)
	_, addr := openTCP(t, Config{})
	const dark = `getComputedStyle(document.body).backgroundColor === "rgb(21, 17, 13)"`
	b.scheme("dark")
	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")))
	b.must(dark)
	b.scheme("light")
	b.must("!(" + dark + ")")
	b.do(chromedp.Click(chromedp.CSS(".theme")))
	b.must(dark)
	b.do(chromedp.Navigate("http://"+addr+"/dashboard"), chromedp.WaitVisible(chromedp.CSS("#tiles div")))
	b.must(dark)
	b.has(".theme", "Theme: dark")
	b.do(chromedp.Click(chromedp.CSS(".theme")))
	b.must("!(" + dark + ")")
	b.scheme("dark")
	b.must("!(" + dark + ")") // light was chosen
	b.do(chromedp.Click(chromedp.CSS(".theme")), chromedp.Click(chromedp.CSS(".theme")), chromedp.Reload())
	b.must(dark)
	b.has(".theme", "Theme: system")
}
