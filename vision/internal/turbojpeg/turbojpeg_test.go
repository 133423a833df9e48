package turbojpeg

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
)

func mustOpen(t *testing.T) *Library {
	t.Helper()
	lib, err := Open()
	if err == nil {
		return lib
	}
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "install") && !strings.Contains(err.Error(), "build") {
		t.Errorf("%v does not say what to do", err)
	}
	if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
		t.Fatal(err)
	}
	t.Skipf("skipped: %v", err)
	return nil
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOpenNamesTheLibrary(t *testing.T) {
	if got := mustOpen(t).String(); !strings.HasPrefix(got, "libjpeg-turbo ") || !strings.Contains(got, "turbojpeg") {
		t.Errorf("got %q", got)
	}
}

// Failures, warnings and successes by turns on one handle: each call reports its own outcome.
func TestEachCallReportsItsOwnOutcome(t *testing.T) {
	lib := mustOpen(t)
	whole := mustRead(t, "baseline_420.jpg") // 99 x 67
	dst := make([]byte, 99*67*3)
	for range 3 {
		if warning, err := lib.DecodeRGB(dst, whole, 99, 67); warning != "" || err != nil {
			t.Errorf("a whole file: %q, %v", warning, err)
		}
		if warning, err := lib.DecodeRGB(dst, whole[:2000], 99, 67); !strings.Contains(warning, "remature end") || err != nil {
			t.Errorf("half a file: %q, %v; want a warning", warning, err)
		}
		if warning, err := lib.DecodeRGB(dst, []byte("no picture at all"), 99, 67); warning != "" || err == nil {
			t.Errorf("no picture: %q, %v; want an error", warning, err)
		}
	}
}

// C writes width x height pixels at most, whatever the file says.
func TestSizesThatDisagree(t *testing.T) {
	lib := mustOpen(t)
	whole := mustRead(t, "baseline_420.jpg")
	for _, side := range []int{1, 8, 50, 66, 68, 200} {
		guard := make([]byte, side*side*3+64)
		if _, err := lib.DecodeRGB(guard[:side*side*3], whole, side, side); err != nil {
			t.Logf("%d x %d: %v", side, side, err)
		}
		for i, v := range guard[side*side*3:] {
			if v != 0 {
				t.Fatalf("%d x %d: byte %d after the buffer was written", side, side, i)
			}
		}
	}
}

func TestManyGoroutinesShareTheLibrary(t *testing.T) {
	lib := mustOpen(t)
	whole := mustRead(t, "baseline_420.jpg")
	want := make([]byte, 99*67*3)
	if _, err := lib.DecodeRGB(want, whole, 99, 67); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			got := make([]byte, len(want))
			for range 20 {
				if warning, err := lib.DecodeRGB(got, whole, 99, 67); warning != "" || err != nil || string(got) != string(want) {
					t.Errorf("%q, %v, or other pixels", warning, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
