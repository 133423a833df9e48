package server

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// tab is a page in a real browser.
type tab struct {
	context.Context
	t testing.TB
}

// browser starts a headless Chromium that ends with the test, or skips the test where there is none.
func browser(t testing.TB, flags ...chromedp.ExecAllocatorOption) context.Context {
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
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(opts, flags...)...)
	t.Cleanup(stop)
	ctx, quit := chromedp.NewContext(ctx)
	t.Cleanup(quit)
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// openTab is browser with a tab in it. Whatever the pages complain about on the console fails the test: a broken policy, a
// script that throws, a file that is not there. What a test brings about itself it names in expected, as a part of the
// message or of its address.
func openTab(t testing.TB, expected []string, flags ...chromedp.ExecAllocatorOption) tab {
	t.Helper()
	ctx, cancel := context.WithCancel(browser(t, flags...))
	var reader sync.WaitGroup
	t.Cleanup(reader.Wait)
	t.Cleanup(cancel)
	messages := chromedp.Console(ctx)
	reader.Go(func() {
		for m, err := range messages {
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("cannot read the console: %v", err)
				}
				return
			}
			known := false
			for _, part := range expected {
				known = known || strings.Contains(m.Text, part) || strings.Contains(m.URL, part)
			}
			if !known {
				t.Errorf("the console says %s (%s:%d)", m, m.URL, m.Line)
			}
		}
	})
	return tab{ctx, t}
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.Context, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// text is what an element shows, with single spaces.
func (b tab) text(selector chromedp.CSS) string {
	b.t.Helper()
	s, err := chromedp.Run(b.Context, chromedp.Text(selector))
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(strings.Fields(s), " ")
}

func (b tab) has(selector chromedp.CSS, parts ...string) {
	b.t.Helper()
	got := b.text(selector)
	for _, p := range parts {
		if !strings.Contains(got, p) {
			b.t.Errorf("%s shows %q; want %q in it", selector, got, p)
		}
	}
}

// eval returns the value of a JavaScript expression, of a promise what it comes to.
func eval[T any](b tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.Context, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for a JavaScript expression to be true.
func (b tab) until(expression string) {
	b.t.Helper()
	for range 800 {
		if eval[bool](b, "Boolean("+expression+")") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.t.Fatalf("it never becomes true: %s; the page shows %q", expression, b.text("body"))
}

// must fails the test unless an expression is true.
func (b tab) must(expression string) {
	b.t.Helper()
	if !eval[bool](b, "Boolean("+expression+")") {
		b.t.Errorf("it is not true: %s", expression)
	}
}

// press presses keys, a rune of package kb each.
func (b tab) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.do(chromedp.KeyEvent(k))
	}
}

// scheme makes the system's theme light or dark.
func (b tab) scheme(name string) {
	b.t.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}
	if _, err := chromedp.Call(b.Context, emulation.SetEmulatedMedia, media); err != nil {
		b.t.Fatal(err)
	}
}

// phone makes the window as wide as a small phone's, desk as a desktop's.
func (b tab) phone() {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(360, 780, func(p *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
		p.Mobile = true
	}))
}

func (b tab) desk() {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(1440, 900))
}

// fits checks that one need not scroll sideways.
func (b tab) fits() {
	b.t.Helper()
	b.must("document.documentElement.scrollWidth <= innerWidth")
}

// writeFiles writes files into a folder of the test's.
func writeFiles(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
