package tgz_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/tool/tgz"
)

var files = []string{
	"mnist/training/0/first.png",
	"mnist/training/0/second.png",
	"mnist/training/1/first.png",
	"mnist/training/1/second.png",
	"mnist/testing/0/first.png",
}

func names(headers []*tar.Header) (names []string) {
	for _, h := range headers {
		names = append(names, h.Name)
	}
	return names
}

// synthetic returns the bytes of a complete archive.
func synthetic(t testing.TB) []byte {
	t.Helper()
	var archive bytes.Buffer
	w := tgz.NewWriter(&archive)
	require.NoError(t, tgz.Synthesize(w))
	require.NoError(t, w.Close())
	return archive.Bytes()
}

func TestList(t *testing.T) {
	r, err := tgz.NewReader(bytes.NewReader(synthetic(t)))
	require.NoError(t, err)
	headers, err := tgz.List(r)
	require.NoError(t, err)
	assert.Equal(t, files, names(headers))
	require.NoError(t, r.Close())
}

func TestListFile(t *testing.T) {
	fn, err := tgz.SynthesizeTarball(t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, "input.tar.gz", filepath.Base(fn))
	headers, err := tgz.ListFile(fn)
	require.NoError(t, err)
	assert.Equal(t, files, names(headers))
}

func TestSynthesizedPictures(t *testing.T) {
	r, err := tgz.NewReader(bytes.NewReader(synthetic(t)))
	require.NoError(t, err)
	pictures, folders := 0, 0
	for header, err := r.Next(); err != io.EOF; header, err = r.Next() {
		require.NoError(t, err)
		if header.Typeflag == tar.TypeDir {
			folders++
			continue
		}
		m, err := png.Decode(r)
		require.NoError(t, err)
		assert.Equal(t, 2, m.Bounds().Dx())
		assert.Equal(t, 2, m.Bounds().Dy())
		red, green, blue, _ := m.At(1, 1).RGBA()
		assert.Equal(t, [3]uint32{0, 0, 0xffff}, [3]uint32{red, green, blue})
		pictures++
	}
	assert.Equal(t, 5, pictures)
	assert.Equal(t, 6, folders)
}

func TestOpenFileRefuses(t *testing.T) {
	f := func(fn, want string) {
		t.Helper()
		_, err := tgz.OpenFile(fn)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, fn)
		_, err = tgz.ListFile(fn)
		assert.ErrorContains(t, err, want)
	}
	dir := t.TempDir()
	f(filepath.Join(dir, "none.tar.gz"), "no such file")
	text := filepath.Join(dir, "text.tar.gz")
	require.NoError(t, os.WriteFile(text, []byte("hello, this is no archive"), 0o600))
	f(text, "invalid header")
}

func TestCreateFileRefuses(t *testing.T) {
	_, err := tgz.CreateFile(filepath.Join(t.TempDir(), "none", "a.tar.gz"))
	assert.ErrorContains(t, err, "cannot create archive")
	_, err = tgz.SynthesizeTarball(filepath.Join(t.TempDir(), "none"))
	assert.ErrorContains(t, err, "cannot create archive")
}

func TestCloseTwice(t *testing.T) {
	fn, err := tgz.SynthesizeTarball(t.TempDir())
	require.NoError(t, err)
	r, err := tgz.OpenFile(fn)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	w, err := tgz.CreateFile(fn)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
}

// An archive is read whole or refused, wherever it is cut or bent.
func TestDamage(t *testing.T) {
	f := func(archive []byte, want error) {
		t.Helper()
		r, err := tgz.NewReader(bytes.NewReader(archive))
		require.NoError(t, err)
		_, err = tgz.List(r)
		assert.ErrorIs(t, err, want)
	}
	good := synthetic(t)
	n := len(good)
	f(good[:n/2], io.ErrUnexpectedEOF)
	f(good[:n-8], io.ErrUnexpectedEOF) // all but the checksum
	bent := bytes.Clone(good)
	bent[n-8]++
	f(bent, gzip.ErrChecksum)
	f(append(bytes.Clone(good), "these bytes are no gzip"...), gzip.ErrHeader)
}

type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriterReportsErrors(t *testing.T) {
	w := tgz.NewWriter(fullDisk{})
	assert.ErrorIs(t, errors.Join(tgz.Synthesize(w), w.Close()), errFull)
}

func Example() {
	var archive bytes.Buffer
	w := tgz.NewWriter(&archive)
	if err := tgz.Synthesize(w); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}

	r, err := tgz.NewReader(&archive)
	if err != nil {
		panic(err)
	}
	defer r.Close()
	headers, err := tgz.List(r)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(headers), headers[0].Name)
	// Output: 5 mnist/training/0/first.png
}
