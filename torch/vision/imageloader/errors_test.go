package imageloader_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/imageloader"
	"github.com/torchlit/torchlit/torch/vision/transforms"
	"github.com/torchlit/torchlit/vision"
)

// A file that cannot be loaded ends the scanning after the batches before it.
func TestBadFiles(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(bad entry, want error, text string) {
		t.Helper()
		fn := pack(t, append(append(shades(t, 9), bad), shades(t, 9)...)...)
		l := open(t, fn, options{mbSize: 2})
		batches, err := readAll(l)
		assert.ErrorContains(t, err, text)
		assert.ErrorContains(t, err, bad.name)
		assert.ErrorContains(t, err, fn)
		if want != nil {
			assert.ErrorIs(t, err, want)
		}
		// Eight have left the buffer of one; the ninth waits in it.
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7}, reds(t, batches))
		assert.False(t, l.Scan())
		assert.Equal(t, err, l.Err())
		assert.Less(t, openFiles(fn), 1)
		goleak.VerifyNone(t)
	}
	good := shade(t, "", 4, 3, 0).content
	f(entry{"train/1/note.txt", []byte("I am no picture")}, vision.ErrNotImage, "this is text")
	f(entry{"train/1/empty.png", nil}, vision.ErrEmpty, "no bytes")
	f(entry{"train/1/cut.png", good[:len(good)/2]}, vision.ErrCorrupt, "ends early")
	f(entry{"train/7/x.png", good}, nil, `its class "7" is not in the vocabulary`)
	f(entry{"x.png", good}, nil, `its class "." is not in the vocabulary`)
}

func TestDamagedArchive(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	whole, err := os.ReadFile(pack(t, entry{"0/a.jpg", photo(t)}, entry{"0/b.jpg", photo(t)}))
	require.NoError(t, err)
	f := func(data []byte, want error) {
		t.Helper()
		fn := filepath.Join(t.TempDir(), "damaged.tar.gz")
		require.NoError(t, os.WriteFile(fn, data, 0o600))
		l := open(t, fn, options{})
		for l.Scan() {
		}
		assert.ErrorIs(t, l.Err(), want)
		assert.ErrorContains(t, l.Err(), "damaged.tar.gz")
	}
	f(whole[:len(whole)/3], io.ErrUnexpectedEOF) // in a file
	f(whole[:len(whole)-4], io.ErrUnexpectedEOF) // in the stream's checksum
}

var errMood = errors.New("not today")

type moody struct{ mood interface{} }

func (m moody) Run(*vision.Image) *vision.Image { panic(m.mood) }

type deaf struct{}

func (deaf) Run(*vision.Image) string { return "what?" }

type numb struct{}

func (numb) Run(x torch.Tensor) int { return 0 }

// A panic in a transform would end the process, as nobody can recover it there.
func TestPanicsOfTransformsAreErrors(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	fn := pack(t, shades(t, 9)...)
	f := func(text string, steps ...interface{}) error {
		t.Helper()
		l := open(t, fn, options{trans: transforms.Compose(steps...)})
		batches, err := readAll(l)
		assert.Empty(t, batches)
		assert.ErrorContains(t, err, text)
		return err
	}
	var refused *torch.Error
	assert.ErrorAs(t, f("cannot cut 5 x 5 pixels out of 4 x 3", transforms.CenterCrop(5), transforms.ToTensor()), &refused)
	assert.ErrorIs(t, f("not today", moody{errMood}, transforms.ToTensor()), errMood)
	f("in a bad mood", moody{"in a bad mood"}, transforms.ToTensor())
	f("return a string", deaf{}, transforms.ToTensor())
	f("end in a int", transforms.ToTensor(), numb{})
	f("size", transforms.ToTensor(), transforms.Normalize([]float32{1, 2}, []float32{1}))
}

func TestNewRefuses(t *testing.T) {
	fn := pack(t)
	trans := transforms.Compose(transforms.ToTensor())
	f := func(fn string, trans *transforms.ComposeTransformer, color, text string) {
		t.Helper()
		_, err := imageloader.New(fn, vocab, trans, 4, 1, 1, false, color)
		assert.ErrorContains(t, err, text)
	}
	f("none.tar.gz", trans, imageloader.RGB, "none.tar.gz")
	f(fn, trans, "cmyk", `"cmyk"`)
	f(fn, transforms.Compose(transforms.Resize(2)), imageloader.RGB, "ToTensor")
	f(fn, nil, imageloader.RGB, "ToTensor")
	for _, mbSize := range []int{0, -1} {
		assert.Panics(t, func() { _, _ = imageloader.New(fn, vocab, trans, mbSize, 1, 1, false, imageloader.RGB) })
	}
}

// Without CUDA there is no memory to pin, and that is an error, not a crash.
func TestPinMemory(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	l, err := imageloader.New(pack(t, shades(t, 4)...), vocab, transforms.Compose(transforms.ToTensor()), 4, 1, 1, true, imageloader.RGB)
	require.NoError(t, err)
	defer l.Close()
	batches, err := readAll(l)
	if err != nil {
		assert.ErrorContains(t, err, "cannot make a batch")
		return
	}
	assert.Equal(t, []int{0, 1, 2, 3}, reds(t, batches))
}
