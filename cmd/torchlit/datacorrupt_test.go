package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// testFolder is a folder of small images in two classes.
func testFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range []string{"cat/1.png", "cat/deep/2.PNG", "dog/1.png"} {
		m := &vision.Image{Width: 32, Height: 32, Pix: make([]byte, 32*32*3)}
		for j := range m.Pix {
			m.Pix[j] = byte(40*i + j%97)
		}
		require.NoError(t, writePNG(filepath.Join(dir, name), m))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no image"), 0o644))
	return dir
}

func TestDataCorrupt(t *testing.T) {
	dir, out := testFolder(t), filepath.Join(t.TempDir(), "foggy")
	said, err := run(t, "data", "corrupt", "--data", dir, "--output", out, "--kind", "fog", "--severity", "4")
	require.NoError(t, err)
	assert.Equal(t, "3 images in "+out+": fog of severity 4\n", said)
	files := map[string][]byte{}
	for _, name := range []string{"cat/1.png", "cat/deep/2.png", "dog/1.png"} {
		data, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		files[name] = data
		m, err := vision.Decode(data, vision.Limits{})
		require.NoError(t, err)
		assert.Equal(t, 32, m.Width)
	}
	_, err = os.Stat(filepath.Join(out, "notes.txt"))
	assert.ErrorIs(t, err, os.ErrNotExist)

	again := filepath.Join(t.TempDir(), "again")
	_, err = run(t, "data", "corrupt", "--data", dir, "-o", again, "--kind", "fog", "--severity", "4")
	require.NoError(t, err)
	other := filepath.Join(t.TempDir(), "other")
	_, err = run(t, "data", "corrupt", "--data", dir, "-o", other, "--kind", "fog", "--severity", "4", "--seed", "2")
	require.NoError(t, err)
	for name, data := range files {
		same, err := os.ReadFile(filepath.Join(again, name))
		require.NoError(t, err)
		assert.Equal(t, data, same, name)
		differs, err := os.ReadFile(filepath.Join(other, name))
		require.NoError(t, err)
		assert.NotEqual(t, data, differs, name)
	}
}

func TestDataCorruptShrinks(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writePNG(filepath.Join(dir, "large.png"), &vision.Image{Width: 300, Height: 200, Pix: make([]byte, 300*200*3)}))
	f := func(side string, width, height int) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out")
		_, err := run(t, "data", "corrupt", "--data", dir, "-o", out, "--kind", "contrast", "--side", side)
		require.NoError(t, err)
		data, err := os.ReadFile(filepath.Join(out, "large.png"))
		require.NoError(t, err)
		m, err := vision.Decode(data, vision.Limits{})
		require.NoError(t, err)
		assert.Equal(t, []int{width, height}, []int{m.Width, m.Height})
	}
	f("100", 150, 100)
	f("0", 300, 200)
	f("256", 300, 200)
}

func TestDataCorruptErrors(t *testing.T) {
	dir, full := testFolder(t), testFolder(t)
	f := func(code int, says string, args ...string) {
		t.Helper()
		_, err := run(t, append([]string{"data", "corrupt"}, args...)...)
		require.ErrorContains(t, err, says)
		assert.Equal(t, code, exitCode(err))
	}
	out := filepath.Join(t.TempDir(), "out")
	f(2, "--data is missing", "-o", out, "--kind", "fog")
	f(2, "--output is missing", "--data", dir, "--kind", "fog")
	f(2, "one of brightness, contrast", "--data", dir, "-o", out)
	f(2, "known are brightness", "--data", dir, "-o", out, "--kind", "snow")
	f(2, "give 1 to 5", "--data", dir, "-o", out, "--kind", "fog", "--severity", "6")
	f(2, "--side=-1", "--data", dir, "-o", out, "--kind", "fog", "--side", "-1")
	f(1, "it holds something", "--data", dir, "-o", full, "--kind", "fog")
	f(1, "holds no images", "--data", t.TempDir(), "-o", out, "--kind", "fog")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "cat", "broken.jpg"), []byte("\xff\xd8\xff"), 0o644))
	f(1, "broken.jpg", "--data", dir, "-o", out, "--kind", "fog")
	left, err := os.ReadDir(filepath.Dir(out))
	require.NoError(t, err)
	assert.Empty(t, left, "half a folder was left")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "cat", "1.bmp"), nil, 0o644))
	f(1, "would both become", "--data", dir, "-o", out, "--kind", "fog")
}
