package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/torchlit/torchlit/batching"
)

// steadyLoad sends pictures until the test ends: red ones, some that are none, and some that cannot be answered in time.
func steadyLoad(t testing.TB, addr string) {
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			body, query := redPNG, ""
			switch i % 10 {
			case 0:
				body = []byte("no picture")
			case 1:
				body, query = pngOf(picture(8, 8, blue)), "?timeout_ms=5"
			}
			req, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr+"/v1/classify"+query, bytes.NewReader(body))
			if err != nil {
				panic(err)
			}
			if resp, err := client.Do(req); err == nil {
				resp.Body.Close()
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		client.CloseIdleConnections()
	})
}

// dashboardConfig serves a default version, a canary and a shadow, of which the last has drifted.
func dashboardConfig() Config {
	models := []Model{paced("1"), paced("2"), paced("3")}
	return Config{
		Models:  models,
		Traffic: map[string]Traffic{"colours": {Default: "1", Canary: &Share{"2", 25}, Shadow: &Share{"3", 100}}},
		Drift: func(_, version string) *Drift {
			if version == "1" {
				return &Drift{Score: .1234, Detected: true, Detector: "mmd"}
			}
			return nil
		},
	}
}

// The dashboard shows real load within seconds, in numbers, charts, labels and tables.
func TestDashboardInBrowser(t *testing.T) {
	b := openTab(t, nil)
	s, addr := openTCP(t, dashboardConfig())
	b.desk()
	b.do(chromedp.Navigate("http://" + addr + "/dashboard"))
	b.until(`document.querySelector("#state").textContent === "Live"`)
	b.until(`document.querySelector("#rates text.nothing")?.textContent === "No requests"`)

	steadyLoad(t, addr)
	o := s.catalog.Load().find("colours", "1").counts.Observer()
	o.Enqueued(7)
	for range 3 {
		o.BatchDone(batching.Batch{Size: 6, Run: time.Millisecond})
	}
	b.until(`/[1-9]/.test(document.querySelector("#rates .legend b").textContent)`)
	b.until(`/In the last second: [0-9.]+ ok/.test(document.querySelector("#rates > svg").getAttribute("aria-label"))`)
	b.until(`document.querySelector("#rates path.s-ok") && document.querySelector("#rates path.s-deadline") && document.querySelector("#rates path.s-client_error")`)
	b.until(`document.querySelector("#latency path.s-p99") && /p99 [0-9]/.test(document.querySelector("#latency > svg").getAttribute("aria-label"))`)
	b.until(`/3 runs of 6.0 images/.test(document.querySelector("#batches > svg").getAttribute("aria-label"))`)
	b.must(`document.querySelector("#batches path.s-size")`)
	b.must(`/The limit is 120/.test(document.querySelector("#queue > svg").getAttribute("aria-label"))`) // 40 of each version
	b.until(`document.querySelector("#rejected li")`)
	b.has("#rejected", "The deadline passed")
	b.has("#tiles", "Requests", "/s", "p99 latency", "Waiting", "of 120 at most", "Not served", "%")
	b.has("#models tbody tr:nth-child(1)", "colours version 1", "ready", "default, 75 %", "mean, fp32, cpu", "0.123, drifted")
	b.has("#models tbody tr:nth-child(2)", "colours version 2", "canary, 25 %", "not monitored")
	b.has("#models tbody tr:nth-child(3)", "shadow of 100 %", "0.0 % of")

	// The same as a table, with the keyboard.
	b.do(chromedp.Focus(chromedp.CSS("#rates summary")))
	b.press(kb.Enter)
	b.until(`document.querySelectorAll("#rates tbody tr").length === 12`)
	b.has("#rates table", "client error", "refused", "25 s ago")

	// One version, another time, and a pause in which nothing moves.
	b.do(chromedp.SetValue(chromedp.CSS("#model"), "colours/2"))
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#model").dispatchEvent(new Event("change")); 0`))
	b.until(`/The limit is 40/.test(document.querySelector("#queue > svg").getAttribute("aria-label"))`)
	b.do(chromedp.Click(chromedp.CSS(`[name="window"][value="300"]`)))
	b.until(`/last 5 minutes/.test(document.querySelector("#rates > svg").getAttribute("aria-label"))`)
	b.do(chromedp.Click(chromedp.CSS("#pause")))
	b.has("#state", "Paused at")
	b.must(`document.querySelector("#pause").getAttribute("aria-pressed") === "true"`)
	const polls = `performance.getEntriesByType("resource").filter((e) => e.name.includes("/v1/stats")).length`
	before := eval[int](b, polls)
	time.Sleep(1200 * time.Millisecond)
	if n := eval[int](b, polls); n != before {
		t.Errorf("while it was paused the page asked %d times", n-before)
	}
	b.do(chromedp.Click(chromedp.CSS("#pause")))
	b.until(`document.querySelector("#state").textContent === "Live"`)
	b.until(polls + " > " + fmt.Sprint(before))

	// Nobody asks for a page that nobody sees.
	b.do(chromedp.Evaluate[chromedp.Void](`Object.defineProperty(document, "hidden", { configurable: true, value: true }); document.dispatchEvent(new Event("visibilitychange")); 0`))
	before = eval[int](b, polls)
	time.Sleep(1200 * time.Millisecond)
	if n := eval[int](b, polls); n > before+1 { // one may have been under way
		t.Errorf("while it was hidden the page asked %d times", n-before)
	}

	b.phone()
	b.fits()
}

// A server that goes is missed, with the time when it was last seen, and found again when it is back.
func TestDashboardReconnects(t *testing.T) {
	b := openTab(t, []string{"/v1/stats", "ERR_CONNECTION_REFUSED"}) // while there is no server
	s, addr := openTCP(t, Config{})
	b.do(chromedp.Navigate("http://" + addr + "/dashboard"))
	b.until(`document.querySelector("#state").textContent === "Live" && document.querySelector("#models tbody th span")`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b.until(`document.querySelector("#state").textContent.startsWith("Server unreachable")`)
	b.has("#seen", "Last seen", "Trying again")
	b.has("#models", "colours version 1") // what was known stays

	again, err := Open(Config{Addr: addr, Models: []Model{colourModel("colours", "9")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	b.until(`document.querySelector("#state").textContent === "Live"`)
	b.until(`document.querySelector("#models").textContent.includes("version 9")`)
	if got := b.text("#seen"); strings.Contains(got, "Last seen") {
		t.Errorf("it still says %q", got)
	}
}
