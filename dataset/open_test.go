package dataset

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// pets makes a folder with two classes, three images and things to pass over.
func pets(t *testing.T) string {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "dog", "b.PNG"), 4, 2, grey(30))
	writePNG(t, filepath.Join(dir, "dog", "old", "a.png"), 4, 2, grey(40))
	writePNG(t, filepath.Join(dir, "cat", "z.png"), 4, 2, grey(20))
	writePNG(t, filepath.Join(dir, "cat", ".hidden.png"), 9, 9, grey(1))
	write(t, filepath.Join(dir, "cat", "README.txt"), []byte("cats"))
	write(t, filepath.Join(dir, ".cache", "x.png"), nil)
	write(t, filepath.Join(dir, "labels.csv"), nil)
	return dir
}

func TestOpenFolder(t *testing.T) {
	dir := pets(t)
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"cat", "dog"}, s.Classes)
	require.Equal(t, []int64{0, 1, 1}, s.Labels)
	require.Equal(t, []string{
		filepath.Join(dir, "cat", "z.png"), filepath.Join(dir, "dog", "b.PNG"), filepath.Join(dir, "dog", "old", "a.png"),
	}, s.Files)
	require.Equal(t, 4, s.Width)
	require.Equal(t, 2, s.Height)
	require.Equal(t, []byte{20, 30, 40}, []byte{s.Image(0)[0], s.Image(1)[0], s.Image(2)[23]})
	require.Empty(t, s.Skipped)
}

func TestOpenFollowsLinkedClass(t *testing.T) {
	dir := pets(t)
	link := filepath.Join(dir, "wolf")
	if err := os.Symlink(filepath.Join(dir, "dog"), link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1, 1, 2, 2}, s.Labels)
	require.Equal(t, filepath.Join(link, "b.PNG"), s.Files[3], "files keep the name that the user knows")
}

func TestOpenFixedClasses(t *testing.T) {
	s, err := Open(pets(t), Options{Classes: []string{"dog", "bird", "cat"}})
	require.NoError(t, err)
	require.Equal(t, []int64{2, 0, 0}, s.Labels, "labels are the model's, not the folder's")
	_, err = Open(pets(t), Options{Classes: []string{"dog", "bird"}})
	require.ErrorContains(t, err, `"cat" is not among the 2 known classes (dog, bird)`)
}

func TestOpenSizes(t *testing.T) {
	dir := pets(t)
	odd := filepath.Join(dir, "dog", "c.png")
	writePNG(t, odd, 5, 2, grey(50))
	_, err := Open(dir, Options{})
	require.ErrorContains(t, err, fmt.Sprintf("%q: it has 5x2 pixels", odd))
	require.ErrorContains(t, err, "z.png\" has 4x2; give a size")

	s, err := Open(dir, Options{Size: 3})
	require.NoError(t, err)
	require.Equal(t, []int{3, 3, 4}, []int{s.Width, s.Height, s.Len()})
	require.Equal(t, byte(50), s.Image(2)[0])

	_, err = Open(dir, Options{Size: 100, MaxBytes: 1000})
	require.ErrorContains(t, err, "use a smaller size")
}

func TestOpenCorrupt(t *testing.T) {
	dir := pets(t)
	bad := filepath.Join(dir, "cat", "a.jpg") // the very first
	write(t, bad, []byte("not an image"))
	worse := filepath.Join(dir, "dog", "c.png")
	write(t, worse, nil)

	_, err := Open(dir, Options{})
	require.ErrorIs(t, err, vision.ErrNotImage)
	require.ErrorContains(t, err, bad)

	for _, workers := range []int{1, 8} {
		s, err := Open(dir, Options{SkipCorrupt: true, Workers: workers})
		require.NoError(t, err)
		require.Equal(t, []int64{0, 1, 1}, s.Labels)
		require.Len(t, s.Files, 3)
		require.Len(t, s.Images, 3*24)
		require.Equal(t, byte(40), s.Image(2)[0], "images move up with their labels")
		require.Len(t, s.Skipped, 2)
		require.Equal(t, bad, s.Skipped[0].File)
		require.ErrorIs(t, s.Skipped[1].Err, vision.ErrEmpty)
	}

	only := t.TempDir()
	write(t, filepath.Join(only, "cat", "a.jpg"), []byte("no"))
	_, err = Open(only, Options{SkipCorrupt: true})
	require.ErrorIs(t, err, vision.ErrNotImage)
	_, err = Open(only, Options{SkipCorrupt: true, Size: 8})
	require.ErrorIs(t, err, ErrNoData)
}

func TestOpenNothing(t *testing.T) {
	f := func(path, want string, target error) {
		t.Helper()
		_, err := Open(path, Options{})
		require.ErrorIs(t, err, target)
		require.ErrorContains(t, err, want)
	}
	empty := t.TempDir()
	f(filepath.Join(empty, "gone"), "make data", fs.ErrNotExist)
	f(empty, "no class folders", ErrNoData)
	hollow := pets(t)
	require.NoError(t, os.Mkdir(filepath.Join(hollow, "eel"), 0o755))
	f(hollow, "holds no image", ErrNoData)
}

func TestOpenSplits(t *testing.T) {
	dir := t.TempDir()
	for _, split := range []string{Train, Test} {
		writePNG(t, filepath.Join(dir, split, "cat", "1.png"), 2, 2, grey(1))
	}
	writePNG(t, filepath.Join(dir, Train, "ant", "1.png"), 2, 2, grey(3))
	train, test, err := OpenSplits(dir, Options{})
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1}, train.Labels)
	require.Equal(t, []int64{1}, test.Labels, "cat is class 1 although the test split has no ant")
	require.Equal(t, train.Classes, test.Classes)

	s, err := Open(dir, Options{Split: Test})
	require.NoError(t, err)
	require.Equal(t, 1, s.Len())
	_, err = Open(dir, Options{})
	require.ErrorContains(t, err, filepath.Join(dir, Test))
	_, err = Open(dir, Options{Split: "val"})
	require.ErrorContains(t, err, `"train" and "test"`)

	writePNG(t, filepath.Join(dir, Test, "cat", "1.png"), 3, 2, grey(1))
	_, _, err = OpenSplits(dir, Options{})
	require.ErrorContains(t, err, "training images are 2x2 pixels, test images 3x2")
	writePNG(t, filepath.Join(dir, Test, "yak", "1.png"), 2, 2, grey(1))
	_, _, err = OpenSplits(dir, Options{})
	require.ErrorContains(t, err, `"yak" is not among`)

	_, _, err = OpenSplits(t.TempDir(), Options{})
	require.ErrorIs(t, err, ErrNoData)
	_, _, err = OpenSplits(filepath.Join(dir, "gone"), Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
}
