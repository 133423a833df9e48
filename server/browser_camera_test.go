package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/torchlit/torchlit/batching"
)

// blueCamera writes a film for the browser to take for a camera: two seconds of blue, in Y4M.
func blueCamera(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "blue.y4m")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const w, h = 320, 240
	frame := make([]byte, w*h*3/2) // Y, then U and V at a quarter of the size
	fill := func(part []byte, v byte) {
		for i := range part {
			part[i] = v
		}
	}
	fill(frame[:w*h], 41)
	fill(frame[w*h:w*h*5/4], 240)
	fill(frame[w*h*5/4:], 110)
	b := bufio.NewWriter(f)
	fmt.Fprintf(b, "YUV4MPEG2 W%d H%d F30:1 Ip A1:1 C420jpeg\n", w, h)
	for range 60 {
		fmt.Fprint(b, "FRAME\n")
		b.Write(frame)
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	return path
}

func fakeCamera(t testing.TB) []chromedp.ExecAllocatorOption {
	return []chromedp.ExecAllocatorOption{
		chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", blueCamera(t)),
	}
}

// The camera's pictures go one at a time, and it is let go when it is stopped and when the page is out of sight.
func TestCameraInBrowser(t *testing.T) {
	b := openTab(t, nil, fakeCamera(t)...)
	var now, most, asked atomic.Int64
	m := colourModel("colours", "1")
	m.Infer = func(ctx context.Context, in []byte, p batching.Priority) (batching.Result[[]float32], error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		asked.Add(1)
		time.Sleep(5 * time.Millisecond)
		return byColour(ctx, in, p)
	}
	_, addr := openTCP(t, Config{Models: []Model{m}})
	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.WaitVisible(chromedp.CSS("#knows")))
	b.must(`document.querySelector("#camera").hidden`)
	b.do(chromedp.Click(chromedp.CSS("#camera-open")))
	b.until(`document.querySelector("#camera").classList.contains("running") && document.querySelector("#video").videoWidth === 320`)
	b.do(chromedp.Evaluate[chromedp.Void](`window.track = document.querySelector("#video").srcObject.getVideoTracks()[0]; 0`))

	b.do(chromedp.Click(chromedp.CSS("#live")))
	b.until(`document.querySelector("#live-label").textContent === "blue"`)
	b.until(`/[1-9][0-9.]* pictures\/s/.test(document.querySelector("#live-time").textContent)`)
	b.has("#live-answer", "blue", "%", "there and back", "inference 1.0 ms")
	b.has("#status", "blue")
	b.do(chromedp.Click(chromedp.CSS("#live")))
	b.must(`document.querySelector("#live-answer").hidden && track.readyState === "live"`)
	if n := most.Load(); n != 1 {
		t.Errorf("%d pictures were under way at once", n)
	}
	time.Sleep(300 * time.Millisecond) // the last one may have been on its way
	before := asked.Load()
	time.Sleep(300 * time.Millisecond)
	b.do(chromedp.Click(chromedp.CSS("#snapshot")), chromedp.WaitVisible(chromedp.CSS(`.plate[data-state="sure"]`)))
	b.has(".plate", "camera", ".jpg", "blue")
	if n := asked.Load(); n != before+1 {
		t.Errorf("after the live mode was stopped, one picture asked the model %d times", n-before)
	}

	b.do(chromedp.Click(chromedp.CSS("#camera-close")))
	b.must(`document.querySelector("#camera").hidden && track.readyState === "ended" && document.activeElement.id === "camera-open"`)

	b.do(chromedp.Click(chromedp.CSS("#camera-open")))
	b.until(`document.querySelector("#video").srcObject`)
	b.do(chromedp.Evaluate[chromedp.Void](`window.track = document.querySelector("#video").srcObject.getVideoTracks()[0];
		Object.defineProperty(document, "hidden", { configurable: true, value: true }); document.dispatchEvent(new Event("visibilitychange")); 0`))
	b.until(`track.readyState === "ended" && !document.querySelector("#video").srcObject`)
	b.has("#camera-trouble", "out of sight")
}

// Where there is no camera, or none may be used, a sentence says why.
func TestNoCameraInBrowser(t *testing.T) {
	_, addr := openTCP(t, Config{})
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	b := openTab(t, nil, chromedp.Flag("host-resolver-rules", "MAP torchlit.example 127.0.0.1"), chromedp.Flag("use-fake-device-for-media-stream", "device-count=0"))
	open := func(url, script, sentence string) {
		t.Helper()
		b.do(chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS("#knows")))
		if script != "" {
			b.do(chromedp.Evaluate[chromedp.Void](script))
		}
		b.do(chromedp.Click(chromedp.CSS("#camera-open")), chromedp.WaitVisible(chromedp.CSS("#camera-trouble")))
		b.has("#camera-trouble", sentence)
		b.must(`document.querySelector("#live").disabled && document.querySelector("#snapshot").disabled`)
		b.do(chromedp.Click(chromedp.CSS("#camera-close")))
		b.must(`document.querySelector("#camera").hidden`)
	}
	open("http://"+addr+"/", "", "no camera on this device")
	open("http://torchlit.example:"+port+"/", "", "by HTTPS") // not a secure context
	for name, sentence := range map[string]string{"NotAllowedError": "does not let this page use the camera", "NotReadableError": "Another program uses the camera", "Strange": "could not be started"} {
		open("http://"+addr+"/", `navigator.mediaDevices.getUserMedia = () => Promise.reject(Object.assign(new Error("x"), { name: "`+name+`" })); 0`, sentence)
	}
}
