// Screenshot makes the pictures of the pages in the documentation: it opens a
// page of a running server in headless Chromium, uploads photos or does
// something else on it, waits, and writes what it sees. It prints what the
// browser's console says; a page says nothing when all is well.
//
//	bin/torchlit serve &
//	go run ./tools/screenshot -out docs/source/page.png photo.jpg another.jpg
//	go run ./tools/screenshot -url http://localhost:8080/dashboard -ready '#tiles div' -wait 60s -out docs/source/dashboard.png
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// shot says what is to be seen.
type shot struct {
	url, out, ready, script string
	width                   int64
	scale                   float64
	dark                    bool
	wait                    time.Duration
	camera                  string
	photos                  []string
}

func main() {
	var s shot
	flag.StringVar(&s.url, "url", "http://localhost:8080", "the page")
	flag.StringVar(&s.out, "out", "page.png", "file to write")
	flag.StringVar(&s.ready, "ready", "#knows", "what must be visible before anything is done, as a CSS selector")
	flag.StringVar(&s.script, "script", "", "JavaScript to run on the page")
	flag.Int64Var(&s.width, "width", 1200, "of the window, in pixels")
	flag.Float64Var(&s.scale, "scale", 1.25, "pixels of the picture for one of the window")
	flag.BoolVar(&s.dark, "dark", false, "as on a system set to dark")
	flag.DurationVar(&s.wait, "wait", 2*time.Second, "before the picture is taken")
	flag.StringVar(&s.camera, "camera", "", "MJPEG or Y4M file that the browser takes for a camera")
	flag.Parse()
	s.photos = flag.Args()
	if err := s.take(); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

func (s *shot) take() error {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return fmt.Errorf("cannot find a browser: %w; install chromium", err)
	}
	for i, photo := range s.photos {
		if s.photos[i], err = filepath.Abs(photo); err != nil {
			return err
		}
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU)
	if s.camera != "" {
		opts = append(opts, chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("use-fake-device-for-media-stream", true),
			chromedp.Flag("use-file-for-fake-video-capture", s.camera))
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	defer stop()
	ctx, quit := chromedp.NewContext(ctx)
	defer quit()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute+s.wait)
	defer cancel()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if len(s.photos) > 0 {
		last := fmt.Sprintf(`.plate:nth-child(%d):not([data-state="waiting"])`, len(s.photos))
		if err := chromedp.Do(ctx, chromedp.SetUploadFiles("#files", s.photos), chromedp.WaitVisible(last)); err != nil {
			return err
		}
	}
	if s.script != "" {
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[any](s.script)); err != nil {
			return err
		}
	}
	if err := chromedp.Do(ctx, chromedp.Sleep(s.wait)); err != nil {
		return err
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	if picture, err = shrink(picture); err != nil {
		return err
	}
	return os.WriteFile(s.out, picture, 0o644)
}

// prepare opens the page and waits until it is ready.
func (s *shot) prepare(ctx context.Context) error {
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			fmt.Fprintln(os.Stderr, "console:", m, m.URL)
		}
	}()
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		return err
	}
	viewport := chromedp.EmulateViewport(s.width, 700, func(p *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
		p.DeviceScaleFactor = s.scale
		p.Mobile = s.width < 600
	})
	return chromedp.Do(ctx, viewport, chromedp.Navigate(s.url), chromedp.WaitVisible(s.ready))
}
