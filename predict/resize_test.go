package predict

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/vision"
)

// smoothImage has gradients and edges, as photos have.
func smoothImage(width, height int) *vision.Image {
	m := &vision.Image{Width: width, Height: height, Pix: make([]byte, width*height*3)}
	for y := range height {
		for x := range width {
			i := (y*width + x) * 3
			m.Pix[i] = byte(255 * x / width)
			m.Pix[i+1] = byte(255 * y / height)
			m.Pix[i+2] = byte((x/7 + y/5) % 2 * 255)
		}
	}
	return m
}

// TestResizeEqualsPillow compares with vision.PillowResizer, which equals Pillow
// in every bit.
func TestResizeEqualsPillow(t *testing.T) {
	torchtest.Need(t)
	f := func(src *vision.Image, width, height int) {
		t.Helper()
		for _, ip := range []vision.Interpolation{vision.Bilinear, vision.Bicubic} {
			got, err := Resize(src, width, height, ip)
			if err != nil {
				t.Fatal(err)
			}
			want, err := vision.PillowResizer(src, width, height, ip)
			if err != nil {
				t.Fatal(err)
			}
			worst := 0
			for i := range want.Pix {
				d := int(got.Pix[i]) - int(want.Pix[i])
				worst = max(worst, d, -d)
			}
			if worst > 2 {
				t.Errorf("%d×%d to %d×%d, %v: differs by up to %d; want at most 2",
					src.Width, src.Height, width, height, ip, worst)
			}
		}
	}
	noise := &vision.Image{Width: 61, Height: 47, Pix: seededImage("noise", 61*47*3)}
	for _, src := range []*vision.Image{smoothImage(500, 375), smoothImage(31, 200), noise, smoothImage(1, 1), smoothImage(3, 2)} {
		f(src, 256, 256)
		f(src, 32, 32)
		f(src, 37, 53)
		f(src, 1, 1)
		f(src, src.Width, src.Height)
		f(src, src.Width, 20)
	}
}

// TestResizeKeepsTheExtent: a picture whose last column and row are cut is scaled by what they stand for, whichever side comes first.
func TestResizeKeepsTheExtent(t *testing.T) {
	torchtest.Need(t)
	f := func(width, height, toWidth, toHeight int) {
		t.Helper()
		src := smoothImage(width, height)
		src.SetExtent(float64(width)-0.5, float64(height)-0.75)
		for _, ip := range []vision.Interpolation{vision.Bilinear, vision.Bicubic} {
			got, err := Resize(src, toWidth, toHeight, ip)
			if err != nil {
				t.Fatal(err)
			}
			want, err := vision.PillowResizer(src, toWidth, toHeight, ip)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want.Pix {
				if d := int(got.Pix[i]) - int(want.Pix[i]); d > 2 || d < -2 {
					t.Errorf("%d×%d to %d×%d, %v: byte %d differs by %d", width, height, toWidth, toHeight, ip, i, d)
					break
				}
			}
		}
	}
	f(188, 141, 64, 48)
	f(40, 300, 37, 53) // the height first
	f(41, 41, 41, 7)
}

func TestResizeRefuses(t *testing.T) {
	torchtest.Need(t)
	broken := smoothImage(4, 4)
	broken.Pix = broken.Pix[1:]
	if m, err := Resize(broken, 2, 2, vision.Bilinear); err == nil {
		t.Errorf("resized an image of too few bytes to %d×%d", m.Width, m.Height)
	}
	if _, err := Resize(smoothImage(4, 4), 0, 2, vision.Bilinear); err == nil {
		t.Error("resized to nothing")
	}
}

// TestResizeStartsNoThreads resizes on many threads at once. Were libtorch to
// start a team for each, there would be twice as many threads or more.
func TestResizeStartsNoThreads(t *testing.T) {
	torchtest.Need(t)
	if runtime.GOOS != "linux" {
		t.Skip("skipped: threads are counted in /proc, which is Linux's")
	}
	const workers = 16
	src := smoothImage(1000, 800)
	var started, done sync.WaitGroup
	started.Add(workers)
	before := threads(t)
	for range workers {
		done.Go(func() {
			runtime.LockOSThread() // one thread for each, and it ends with the goroutine
			started.Done()
			started.Wait()
			for range 5 {
				if _, err := Resize(src, 300, 300, vision.Bicubic); err != nil {
					t.Error(err)
				}
			}
			started.Wait()
		})
	}
	done.Wait()
	if got := threads(t) - before; got > workers+8 {
		t.Errorf("%d more threads than before; want at most one a worker", got)
	}
}

func threads(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "Threads:")
	n := 0
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
