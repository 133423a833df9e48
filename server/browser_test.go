package server

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// The page in a real browser: pictures go in through the file input, answers come out as bars, a text file as a sentence.
func TestPageInBrowser(t *testing.T) {
	ctx := browser(t)
	_, addr := openTCP(t, Config{})
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	redPNG := write("sunset.png", pngOf(picture(60, 40, red)))
	blueJPEG := write("sea.jpg", jpegOf(picture(40, 60, blue)))
	letter := write("letter.txt", []byte("Dear server"))

	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	text := func(selector chromedp.CSS) string {
		t.Helper()
		s, err := chromedp.Run(ctx, chromedp.Text(selector))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(s), " ")
	}
	has := func(selector chromedp.CSS, parts ...string) {
		t.Helper()
		got := text(selector)
		for _, p := range parts {
			if !strings.Contains(got, p) {
				t.Errorf("%s shows %q; want %q in it", selector, got, p)
			}
		}
	}

	do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")))
	has("#facts", "colours", "100.0 % right on three colours", "fp32 on cpu")
	has("#knows", "3 things", "red", "green", "blue")
	has("#empty", "Nothing here yet")
	has("#curl", "curl -F image=@photo.jpg "+addr+"/v1/classify")

	do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{redPNG, blueJPEG}),
		chromedp.WaitVisible(chromedp.CSS(`.plate:nth-child(2)[data-state="sure"]`)),
		chromedp.WaitVisible(chromedp.CSS(`.plate:nth-child(1)[data-state="sure"]`)))
	has(".plate:nth-child(1)", "sea.jpg", "blue", "red", "green", "%", "decoded in", "inference 1.0 ms", "alone in its batch", "there and back")
	has(".plate:nth-child(1) .label", "blue")
	has(".plate:nth-child(2) .label", "red")
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](
		`document.querySelector(".plate .thumb img").naturalWidth === 40 && document.querySelectorAll(".plate:first-child .bars li").length === 3`))
	if err != nil || !wide {
		t.Errorf("no thumbnail or not three bars: %v", err)
	}

	do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{letter}),
		chromedp.WaitVisible(chromedp.CSS(`.plate:nth-child(1)[data-state="trouble"]`)))
	has(".plate:nth-child(1)", "letter.txt", "No answer", "text", "send JPEG")
	has("#status", "letter.txt")

	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelector("#clear").click() === undefined`)); err != nil {
		t.Fatal(err)
	}
	do(chromedp.WaitVisible(chromedp.CSS("#empty")))

	// On a phone nothing is wider than the screen.
	do(chromedp.EmulateViewport(390, 844, func(p *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
		p.Mobile = true
	}),
		chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{redPNG}),
		chromedp.WaitVisible(chromedp.CSS(`.plate[data-state="sure"]`)))
	if fits, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth <= 390`)); err != nil || !fits {
		t.Errorf("the page is wider than a phone: %v", err)
	}
}

// browser starts a headless Chromium that ends with the test, or skips the test where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		const reason = "no Chromium or Chrome is installed (Debian and Ubuntu: apt-get install chromium)"
		if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
			t.Fatal("cannot test the page: " + reason)
		}
		t.Skip("the page is not tested: " + reason)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // root, as in a container, may not use it
		chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, quit := chromedp.NewContext(ctx)
	t.Cleanup(quit)
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}
