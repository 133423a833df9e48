package main

import (
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset"
)

// tiny makes a folder with one training and one test image a class.
func tiny(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, split := range []string{dataset.Train, dataset.Test} {
		for _, class := range dataset.CIFAR10Classes() {
			path := filepath.Join(dir, split, class, "1.png")
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			f, err := os.Create(path)
			require.NoError(t, err)
			require.NoError(t, png.Encode(f, image.NewGray(image.Rect(0, 0, 32, 32))))
			require.NoError(t, f.Close())
		}
	}
	return dir
}

func TestRun(t *testing.T) {
	out := t.TempDir()
	f := func(want int, args ...string) {
		t.Helper()
		args = append([]string{"--raw", filepath.Join(out, "raw"), "--processed", filepath.Join(out, "processed")}, args...)
		require.Equal(t, want, run(args))
	}
	f(2, "--form", "x")
	f(2, "x")
	f(2, "--set", "imagenet")
	f(0, "--help")
	f(1, "--from", filepath.Join(out, "gone"))
	f(0, "--from", tiny(t))
	set, err := dataset.Open(filepath.Join(out, "processed", "cifar10", "test"), dataset.Options{})
	require.NoError(t, err)
	require.Equal(t, 10, set.Len())
}

// TestProgressInALog: without a terminal a download is eleven lines, however
// often it reports.
func TestProgressInALog(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer out.Close()
	p := newProgress(out, "CIFAR-10")
	const size = 100 << 20
	for done := int64(0); done <= size; done += 1 << 18 {
		p.update(done, size)
	}
	p.retry(errors.New("no such host"), time.Second)
	p.finish()
	data, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	want := ""
	for _, mb := range []string{"0", "10", "20", "30", "40", "50", "60", "70", "80", "90", "100"} {
		want += "CIFAR-10: " + mb + " of 100 MB\n"
	}
	require.Equal(t, want+"no such host; trying again in 1s\n", string(data))

	p = newProgress(out, "CIFAR-10")
	p.update(size, size) // all there already: nothing to say
	data, err = os.ReadFile(out.Name())
	require.NoError(t, err)
	require.Len(t, string(data), len(want)+len("no such host; trying again in 1s\n"))
}
