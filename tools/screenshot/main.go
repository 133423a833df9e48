// Screenshot makes the pictures of the upload page in the documentation: it
// opens a running server's page in headless Chromium, uploads photos, waits for
// their answers, and writes what it sees.
//
//	bin/torchlit serve &
//	go run ./tools/screenshot -out docs/page.png photo.jpg another.jpg
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

func main() {
	url := flag.String("url", "http://localhost:8080", "the page")
	out := flag.String("out", "page.png", "file to write")
	width := flag.Int64("width", 1200, "of the window, in pixels")
	dark := flag.Bool("dark", false, "as on a system set to dark")
	flag.Parse()
	if err := shoot(*url, *out, *width, *dark, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

func shoot(url, out string, width int64, dark bool, photos []string) error {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return fmt.Errorf("cannot find a browser: %w; install chromium", err)
	}
	for i, photo := range photos {
		if photos[i], err = filepath.Abs(photo); err != nil {
			return err
		}
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(),
		append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU)...)
	defer stop()
	ctx, quit := chromedp.NewContext(ctx)
	defer quit()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()

	scheme := "light"
	if dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		return err
	}
	viewport := chromedp.EmulateViewport(width, 700, func(p *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
		p.DeviceScaleFactor = 1.25
		p.Mobile = width < 600
	})
	if err := chromedp.Do(ctx, viewport, chromedp.Navigate(url), chromedp.WaitVisible("#knows")); err != nil {
		return err
	}
	if len(photos) > 0 {
		last := fmt.Sprintf(`.plate:nth-child(%d):not([data-state="waiting"])`, len(photos))
		err := chromedp.Do(ctx, chromedp.SetUploadFiles("#files", photos), chromedp.WaitVisible(last), chromedp.Sleep(2*time.Second))
		if err != nil {
			return err
		}
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	return os.WriteFile(out, picture, 0o644)
}
