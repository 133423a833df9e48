package dataset

import (
	"errors"
	"fmt"
	"image/color"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// photos makes a folder with n images in each class of the given ones; their sizes
// differ if mixed is set.
func photos(t *testing.T, dir string, n int, mixed bool, classes ...string) {
	t.Helper()
	for c, class := range classes {
		for i := range n {
			width := 4
			if mixed {
				width += i
			}
			writePNG(t, filepath.Join(dir, class, fmt.Sprintf("%02d.png", i)), width, 4, color.NRGBA{uint8(c), uint8(i), 0, 255})
		}
	}
}

func TestDetect(t *testing.T) {
	f := func(want Form, make func(dir string)) {
		t.Helper()
		dir := t.TempDir()
		make(dir)
		got, err := Detect(dir)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f(FormFolder, func(dir string) { photos(t, dir, 1, false, "cat", "dog") })
	f(FormFolder, func(dir string) { photos(t, dir, 1, false, "train", "plane") }) // a class named train
	f(FormFolder, func(dir string) { photos(t, dir, 1, false, "train") })
	f(FormSplits, func(dir string) { photos(t, dir, 1, false, "train/cat", "val/cat") })
	f(FormSplits, func(dir string) { photos(t, dir, 1, false, "Train/cat", "validation/cat", "test/cat", ".cache/cat") })
	f(FormCIFAR10, func(dir string) { writeBatches(t, dir) })
	f(FormCIFAR10, func(dir string) {
		writeBatches(t, filepath.Join(dir, BinaryFolder))
		photos(t, dir, 1, false, "train/cat", "test/cat")
	})
	f(FormCIFAR10Python, func(dir string) { writePython(t, dir) })
	f(FormShards, func(dir string) { writeShards(t, dir, "s", 2, 2) })
	f(FormShards, func(dir string) { write(t, filepath.Join(dir, "s.tar.gz"), nil) })
	f(FormFolder, func(dir string) { // what was unpacked lies beside
		write(t, filepath.Join(dir, "s.tar.gz"), nil)
		photos(t, dir, 1, false, "cat", "dog")
	})

	bad := func(want string, target error, make func(dir string) string) {
		t.Helper()
		_, err := Detect(make(t.TempDir()))
		require.ErrorIs(t, err, target)
		require.ErrorContains(t, err, want)
	}
	bad("make data", fs.ErrNotExist, func(dir string) string { return filepath.Join(dir, "gone") })
	bad("no class folders", ErrNoData, func(dir string) string { return dir })
	bad("unpack it", ErrNoData, func(dir string) string {
		write(t, filepath.Join(dir, "x.tar.gz"), nil)
		return filepath.Join(dir, "x.tar.gz")
	})
	dir := t.TempDir()
	photos(t, dir, 1, false, "train/cat", "val/cat", "valid/cat")
	_, err := Detect(dir)
	require.ErrorContains(t, err, "both its val split")
}

func TestOpenParts(t *testing.T) {
	f := func(make func(dir string) string, wantForm Form, train, val, test int, heldOut bool) *Parts {
		t.Helper()
		p, err := OpenParts(t.Context(), make(t.TempDir()), Options{}, 0.2, 1)
		require.NoError(t, err)
		require.Equal(t, wantForm, p.Form)
		require.Equal(t, []int{train, val}, []int{p.Train.Len(), p.Val.Len()})
		require.Equal(t, heldOut, p.HeldOut)
		require.Equal(t, p.Train.ClassNames(), p.Val.ClassNames())
		if test == 0 {
			require.Nil(t, p.Test)
		} else {
			require.Equal(t, test, p.Test.Len())
		}
		return p
	}
	p := f(func(dir string) string { photos(t, dir, 10, true, "a", "b", "c"); return dir }, FormFolder, 24, 6, 0, true)
	require.Equal(t, []int{2, 2, 2}, Counts(p.Val))
	f(func(dir string) string {
		photos(t, dir, 3, true, "train/a", "train/b", "val/b")
		photos(t, dir, 2, false, "test/a", "test/b")
		return dir
	}, FormSplits, 6, 3, 4, false)
	f(func(dir string) string { photos(t, dir, 3, false, "train/a", "train/b", "test/b"); return dir }, FormSplits, 6, 3, 0, false)
	f(func(dir string) string { writePython(t, dir); return dir }, FormCIFAR10Python, 10, 2, 0, false)
	f(func(dir string) string { return writeShards(t, dir, "s", 30, 10) }, FormShards, 24, 6, 0, true)
	f(func(dir string) string {
		writeShards(t, dir, "pets-train", 9, 5)
		writeShards(t, dir, "pets-val", 6, 5)
		return dir
	}, FormShards, 9, 6, 0, false)
	f(func(dir string) string {
		writeShards(t, filepath.Join(dir, "train"), "s", 9, 5)
		writeShards(t, filepath.Join(dir, "test"), "s", 6, 5)
		return dir
	}, FormSplits, 9, 6, 0, false)

	bad := func(make func(dir string), fraction float64, want string) {
		t.Helper()
		dir := t.TempDir()
		make(dir)
		_, err := OpenParts(t.Context(), dir, Options{}, fraction, 1)
		require.ErrorContains(t, err, want)
	}
	bad(func(dir string) { photos(t, dir, 3, false, "a") }, 0.5, `only one class, "a"`)
	bad(func(dir string) { photos(t, dir, 3, false, "a", "b") }, 0, "for validation")
	bad(func(dir string) { photos(t, dir, 1, false, "train/a", "train/b", "val/z") }, 0, `"z" is not among`)
	bad(func(dir string) {
		photos(t, dir, 3, false, "a", "b")
		require.NoError(t, os.Mkdir(filepath.Join(dir, "c"), 0o755))
	}, 0.5, "fill or remove it")
	bad(func(dir string) {
		writeShards(t, dir, "pets-train", 4, 4)
		writeShards(t, dir, "pets", 4, 4)
	}, 0.5, "that of")
}

// TestOpenSourceInMemory: the same pixels come whatever is kept.
func TestOpenSourceInMemory(t *testing.T) {
	same, mixed := t.TempDir(), t.TempDir()
	photos(t, same, 5, false, "a", "b")
	photos(t, mixed, 5, true, "a", "b")
	f := func(dir string, opts Options, want any) {
		t.Helper()
		s, err := OpenSource(t.Context(), dir, opts)
		require.NoError(t, err)
		require.IsType(t, want, s)
		require.Equal(t, 10, s.Len())
		for i := range 10 {
			img, err := s.Load(i)
			require.NoError(t, err)
			require.Equal(t, []byte{byte(i / 5), byte(i % 5), 0}, img.Pix[:3])
			img.Release()
		}
	}
	f(same, Options{}, &Set{})
	f(same, Options{MaxBytes: 10 * 48}, &Set{})
	f(same, Options{MaxBytes: 10*48 - 1}, &Folder{})
	f(same, Options{InMemory: InMemoryNever}, &Folder{})
	f(same, Options{InMemory: InMemoryAlways}, &Set{})
	f(mixed, Options{}, &Cache{})
	f(mixed, Options{MaxBytes: 100}, &Folder{})
	f(mixed, Options{InMemory: InMemoryAlways}, &Cache{})
	f(mixed, Options{Size: 3}, &Set{})
	f(mixed, Options{Size: 3, MaxBytes: 100}, &Folder{})

	_, err := OpenSource(t.Context(), mixed, Options{InMemory: InMemoryAlways, MaxBytes: 100})
	require.ErrorContains(t, err, "the limit is 0 MB; use a smaller size")
	_, err = OpenSource(t.Context(), mixed, Options{InMemory: "sometimes"})
	require.ErrorContains(t, err, `"auto", "always" or "never"`)

	shards := t.TempDir()
	writeShards(t, shards, "s", 10, 5)
	s, err := OpenSource(t.Context(), shards, Options{})
	require.NoError(t, err)
	require.IsType(t, &Cache{}, s)
	s, err = OpenSource(t.Context(), shards, Options{InMemory: InMemoryNever})
	require.NoError(t, err)
	require.IsType(t, &Shards{}, s)
	require.Positive(t, availableMemory())
}

// TestOpenPartsShareMemory: what one part takes, the next has not.
func TestOpenPartsShareMemory(t *testing.T) {
	dir := t.TempDir()
	photos(t, dir, 5, true, "train/a", "train/b", "val/a", "test/a")
	f := func(opts Options, train, val, test any) {
		t.Helper()
		p, err := OpenParts(t.Context(), dir, opts, 0, 0)
		require.NoError(t, err)
		require.IsType(t, train, p.Train)
		require.IsType(t, val, p.Val)
		require.IsType(t, test, p.Test)
	}
	// 5 images of 4 to 8 × 4 pixels are 360 bytes a class.
	f(Options{MaxBytes: 1440}, &Cache{}, &Cache{}, &Cache{})
	f(Options{MaxBytes: 1439}, &Cache{}, &Cache{}, &Folder{})
	f(Options{MaxBytes: 1079}, &Cache{}, &Folder{}, &Folder{})
	f(Options{MaxBytes: 719}, &Folder{}, &Cache{}, &Folder{})
	f(Options{MaxBytes: 720, InMemory: InMemoryAlways}, &Cache{}, &Cache{}, &Cache{})
	f(Options{MaxBytes: 1 << 20, InMemory: InMemoryNever}, &Folder{}, &Folder{}, &Folder{})
}

func TestOpenSourceSplits(t *testing.T) {
	dir := t.TempDir()
	photos(t, dir, 2, false, "train/a", "val/a", "test/a")
	s, err := OpenSource(t.Context(), dir, Options{Split: Val})
	require.NoError(t, err)
	require.Contains(t, nameOf(s, 0), filepath.Join("val", "a"))
	_, err = OpenSource(t.Context(), dir, Options{})
	require.ErrorContains(t, err, "several splits")
	_, err = OpenSource(t.Context(), dir, Options{Split: "dev"})
	require.ErrorContains(t, err, "the splits are")

	shards := t.TempDir()
	writeShards(t, shards, "x-train", 4, 2)
	writeShards(t, shards, "x-val", 2, 2)
	_, err = OpenSource(t.Context(), shards, Options{})
	require.ErrorContains(t, err, `several splits, "train" and "val"`)
	_, err = OpenSource(t.Context(), shards, Options{Split: Test})
	require.ErrorIs(t, err, errNoSplit)
}

// TestOpenTooManyCorrupt: leaving out has a bound.
func TestOpenTooManyCorrupt(t *testing.T) {
	dir := t.TempDir()
	photos(t, dir, 10, false, "a", "b")
	for i := range 11 {
		write(t, filepath.Join(dir, "a", fmt.Sprintf("x%d.jpg", i)), []byte("no"))
	}
	_, err := Open(dir, Options{SkipCorrupt: true})
	require.ErrorIs(t, err, vision.ErrNotImage)
	require.ErrorContains(t, err, "11 of 31 images cannot be read, 10 may be")
	s, err := Open(dir, Options{SkipCorrupt: true, MaxCorrupt: 11})
	require.NoError(t, err)
	require.Equal(t, 20, s.Len())
	p, err := OpenParts(t.Context(), dir, Options{SkipCorrupt: true, MaxCorrupt: math.MaxInt}, 0.5, 0)
	require.NoError(t, err)
	require.Len(t, p.Passed, 11)
}

func TestListPassesOver(t *testing.T) {
	dir := t.TempDir()
	photos(t, dir, 2, false, "cat", "dog/small")
	write(t, filepath.Join(dir, "stray.jpg"), nil)
	write(t, filepath.Join(dir, "cat", "scan.TIFF"), nil)
	write(t, filepath.Join(dir, "cat", ".hidden", "a.png"), nil)
	l, err := List(dir, nil)
	require.NoError(t, err)
	require.Len(t, l.Files, 4)
	require.Len(t, l.Passed, 2)
	require.ErrorIs(t, l.Passed[0].Err, errNoClass)
	require.ErrorIs(t, l.Passed[1].Err, errForeign)

	only := t.TempDir()
	write(t, filepath.Join(only, "cat", "scan.tif"), nil)
	_, err = List(only, nil)
	require.ErrorIs(t, err, ErrNoData)
}

func TestListLinks(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	photos(t, dir, 1, false, "cat")
	photos(t, elsewhere, 2, false, "more")
	if err := os.Symlink(filepath.Join(elsewhere, "more"), filepath.Join(dir, "cat", "more")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "more", "00.png"), filepath.Join(dir, "cat", "link.png")))
	dangling := filepath.Join(dir, "cat", "nowhere.png")
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "gone"), dangling))
	f, err := OpenFolder(dir, Options{})
	require.NoError(t, err)
	require.Len(t, f.Files, 5)
	require.Equal(t, filepath.Join(dir, "cat", "more", "01.png"), f.Files[3])
	_, err = f.Load(4)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, dangling)

	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "cat", "round")))
	_, err = List(dir, nil)
	require.ErrorContains(t, err, "is a link to a folder that it lies in")
}

func TestListUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("skipped: root reads everything")
	}
	dir := t.TempDir()
	photos(t, dir, 1, false, "cat")
	require.NoError(t, os.Chmod(filepath.Join(dir, "cat"), 0))
	_, err := List(dir, nil)
	require.True(t, errors.Is(err, fs.ErrPermission))
	require.ErrorContains(t, err, filepath.Join(dir, "cat"))
}
