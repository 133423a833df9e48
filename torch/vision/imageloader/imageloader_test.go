package imageloader_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/tool/tgz"
	"github.com/torchlit/torchlit/torch/torchtest"
	torchvision "github.com/torchlit/torchlit/torch/vision"
	"github.com/torchlit/torchlit/torch/vision/imageloader"
	"github.com/torchlit/torchlit/torch/vision/transforms"
	"github.com/torchlit/torchlit/vision"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// entry is a file of an archive; without content it is a folder.
type entry struct {
	name    string
	content []byte
}

// shade is a picture whose red channel is v, whose green is 0 and blue 255.
func shade(t testing.TB, name string, w, h int, v uint8) entry {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, png.Encode(&file, torchvision.SynthesizeImage(w, h, color.RGBA{v, 0, 255, 255})))
	return entry{name, file.Bytes()}
}

// shades are n pictures of 4 × 3 pixels in the classes 0 to 2; the i-th has shade i.
func shades(t testing.TB, n int) (entries []entry) {
	t.Helper()
	for i := range n {
		entries = append(entries, shade(t, fmt.Sprintf("train/%d/%d.png", i%3, i), 4, 3, uint8(i)))
	}
	return entries
}

var vocab = map[string]int{"0": 0, "1": 1, "2": 2}

func pack(t testing.TB, entries ...entry) string {
	t.Helper()
	fn := filepath.Join(t.TempDir(), "data.tar.gz")
	w, err := tgz.CreateFile(fn)
	require.NoError(t, err)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: 0o600, Size: int64(len(e.content))}
		if strings.HasSuffix(e.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		require.NoError(t, w.WriteHeader(header))
		_, err := w.Write(e.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return fn
}

// options are those arguments of New that tests vary.
type options struct {
	trans           *transforms.ComposeTransformer
	mbSize, bufSize int
	seed            int64
	color           string
}

func open(t testing.TB, fn string, o options) *imageloader.ImageLoader {
	t.Helper()
	if o.trans == nil {
		o.trans = transforms.Compose(transforms.ToTensor())
	}
	if o.mbSize == 0 {
		o.mbSize = 4
	}
	if o.color == "" {
		o.color = imageloader.RGB
	}
	l, err := imageloader.New(fn, vocab, o.trans, o.mbSize, o.bufSize, o.seed, false, o.color)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// batch is a minibatch in Go's memory.
type batch struct {
	shape  []int64
	data   []float32
	labels []int64
}

// readAll reads the loader to its end or to an error.
func readAll(l *imageloader.ImageLoader) (batches []batch, err error) {
	for l.Scan() {
		data, label := l.Minibatch()
		batches = append(batches, batch{data.Shape(), torch.Slice[float32](data), torch.Slice[int64](label)})
		data.Close()
		label.Close()
	}
	return batches, l.Err()
}

// reds tells the shades of the pictures in batches, in order, and checks that
// each still has its label.
func reds(t *testing.T, batches []batch) (shades []int) {
	t.Helper()
	for _, b := range batches {
		each := len(b.data) / len(b.labels)
		for i, label := range b.labels {
			v := int(b.data[i*each]*255 + 0.5)
			assert.EqualValues(t, v%3, label)
			shades = append(shades, v)
		}
	}
	return shades
}

func TestSyntheticTarball(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	fn, err := tgz.SynthesizeTarball(t.TempDir())
	require.NoError(t, err)
	built, err := imageloader.BuildLabelVocabularyFromTgz(fn)
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"0": 0, "1": 1}, built)

	l := open(t, fn, options{
		trans: transforms.Compose(transforms.ToTensor(),
			transforms.Normalize([]float32{0.1307}, []float32{0.3081})),
		mbSize: 3, bufSize: 3, seed: 1,
	})
	batches, err := readAll(l)
	require.NoError(t, err)
	require.Len(t, batches, 2)
	assert.Equal(t, []int64{3, 3, 2, 2}, batches[0].shape)
	assert.Equal(t, []int64{2, 3, 2, 2}, batches[1].shape)
	// gotorch's order for this seed.
	assert.Equal(t, []int64{1, 0, 1}, batches[0].labels)
	assert.Equal(t, []int64{0, 0}, batches[1].labels)
	low, high := (float32(0)-0.1307)/0.3081, (float32(1)-0.1307)/0.3081
	assert.InDeltaSlice(t, []float32{low, low, low, low, low, low, low, low, high, high, high, high}, batches[0].data[:12], 1e-6)
}

func TestOrder(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	fn := pack(t, append([]entry{{name: "train/"}}, shades(t, 50)...)...)
	read := func(bufSize int, seed int64) []int {
		t.Helper()
		batches, err := readAll(open(t, fn, options{bufSize: bufSize, seed: seed}))
		require.NoError(t, err)
		assert.Len(t, batches, 13)
		assert.Equal(t, []int64{4, 3, 3, 4}, batches[0].shape)
		assert.Equal(t, []int64{2, 3, 3, 4}, batches[12].shape)
		return reds(t, batches)
	}
	var inOrder []int
	for i := range 50 {
		inOrder = append(inOrder, i)
	}
	f := func(bufSize int) {
		t.Helper()
		a, b, again := read(bufSize, 1), read(bufSize, 2), read(bufSize, 1)
		assert.Equal(t, a, again)
		assert.NotEqual(t, a, b)
		assert.NotEqual(t, inOrder, a)
		assert.ElementsMatch(t, inOrder, a)
	}
	f(10)
	f(50)
	f(1000)
	for _, bufSize := range []int{1, 0, -1} {
		assert.Equal(t, inOrder, read(bufSize, 1))
	}
}

func TestSeedReachesTheTransforms(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	var entries []entry
	for i := range 12 {
		name := fmt.Sprintf("a/0/%d.jpg", i)
		entries = append(entries, entry{name, photo(t)})
	}
	fn := pack(t, entries...)
	trans := transforms.Compose(transforms.RandomResizedCrop(8), transforms.RandomVerticalFlip(0.5), transforms.ToTensor())
	read := func(seed int64) []batch {
		t.Helper()
		batches, err := readAll(open(t, fn, options{trans: trans, seed: seed}))
		require.NoError(t, err)
		return batches
	}
	assert.Equal(t, read(1), read(1))
	assert.NotEqual(t, read(1), read(2))
}

// photo is a JPEG file of a picture that looks different everywhere.
func photo(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("../../../vision/testdata/baseline_444.jpg")
	require.NoError(t, err)
	return data
}

func TestGray(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	fn := pack(t, shade(t, "0/1.png", 4, 3, 255), shade(t, "0/2.png", 4, 3, 0))
	f := func(o options) {
		t.Helper()
		batches, err := readAll(open(t, fn, o))
		require.NoError(t, err)
		require.Len(t, batches, 1)
		assert.Equal(t, []int64{2, 1, 3, 4}, batches[0].shape)
		assert.InDelta(t, 105.0/255, batches[0].data[0], 1e-6) // 0.299 + 0.114 of 255
		assert.InDelta(t, 29.0/255, batches[0].data[12], 1e-6)
	}
	f(options{color: imageloader.GRAY})
	f(options{trans: transforms.Compose(transforms.Grayscale(), transforms.ToTensor())})
}

func TestSizesFollowTheFirst(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	fn := pack(t, shade(t, "0/1.png", 4, 3, 1), shade(t, "1/2.png", 8, 8, 1), shade(t, "2/3.png", 2, 2, 3))
	batches, err := readAll(open(t, fn, options{mbSize: 2}))
	require.NoError(t, err)
	require.Len(t, batches, 2)
	assert.Equal(t, []int64{2, 3, 3, 4}, batches[0].shape)
	assert.Equal(t, batches[0].data[:36], batches[0].data[36:])
	assert.Equal(t, []int64{1, 3, 2, 2}, batches[1].shape)
}

func TestTransformsSeeOnePictureAtATime(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	count := new(counter)
	fn := pack(t, shades(t, 40)...)
	batches, err := readAll(open(t, fn, options{trans: transforms.Compose(count, transforms.ToTensor())}))
	require.NoError(t, err)
	assert.Len(t, batches, 10)
	assert.Equal(t, 40, count.n)
}

// counter has no lock: the race detector would tell if two goroutines ran it.
type counter struct{ n int }

func (c *counter) Run(m *vision.Image) *vision.Image {
	c.n++
	return m
}

func TestTwoLoadersAtOnce(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	fn := pack(t, shades(t, 20)...)
	trans := transforms.Compose(transforms.RandomCrop(2), transforms.ToTensor())
	a, b := open(t, fn, options{trans: trans, seed: 1}), open(t, fn, options{trans: trans, seed: 1})
	for a.Scan() {
		require.True(t, b.Scan())
		_, labelA := a.Minibatch()
		_, labelB := b.Minibatch()
		assert.Equal(t, torch.Slice[int64](labelA), torch.Slice[int64](labelB))
		for _, l := range []*imageloader.ImageLoader{a, b} {
			data, label := l.Minibatch()
			data.Close()
			label.Close()
		}
	}
	assert.False(t, b.Scan())
	assert.NoError(t, a.Err())
	assert.NoError(t, b.Err())
}

func TestEmptyArchive(t *testing.T) {
	l := open(t, pack(t), options{})
	assert.False(t, l.Scan())
	assert.False(t, l.Scan())
	assert.NoError(t, l.Err())
}

func TestBuildLabelVocabularyFromTgz(t *testing.T) {
	f := func(want map[string]int, names ...string) {
		t.Helper()
		var entries []entry
		for _, name := range names {
			entries = append(entries, entry{name: name})
		}
		got, err := imageloader.BuildLabelVocabularyFromTgz(pack(t, entries...))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	f(map[string]int{})
	f(map[string]int{"dog": 0, "cat": 1}, "x/dog/1", "x/cat/1", "y/dog/2", "x/cat/2")
	f(map[string]int{"b": 0, "a": 1, ".": 2}, "empty/", "b/1", "a/1", "1")

	_, err := imageloader.BuildLabelVocabularyFromTgz("no file")
	assert.ErrorContains(t, err, `"no file"`)
}

// openFiles tells how often this process has fn open; -1 where that is unknown.
func openFiles(fn string) int {
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(links) == 0 {
		return -1
	}
	n := 0
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == fn {
			n++
		}
	}
	return n
}

func TestClose(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	fn := pack(t, shades(t, 200)...)
	f := func(scans int) {
		t.Helper()
		l := open(t, fn, options{mbSize: 2, bufSize: 10})
		for range scans {
			require.True(t, l.Scan())
		}
		l.Close()
		assert.Less(t, openFiles(fn), 1)
		goleak.VerifyNone(t)
		l.Close()
		assert.False(t, l.Scan())
		assert.NoError(t, l.Err())
		data, label := l.Minibatch()
		assert.Nil(t, data.T)
		assert.Nil(t, label.T)
	}
	f(0)
	f(1)
	f(7)
}

func TestEverythingEndsWithTheArchive(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	fn := pack(t, shades(t, 20)...)
	l := open(t, fn, options{})
	for l.Scan() {
	} // batches that nobody takes are closed
	assert.NoError(t, l.Err())
	assert.Less(t, openFiles(fn), 1)
	goleak.VerifyNone(t)
}

func TestBatchesOutliveTheLoader(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	l := open(t, pack(t, shades(t, 6)...), options{mbSize: 2})
	require.True(t, l.Scan())
	first, firstLabel := l.Minibatch()
	require.True(t, l.Scan())
	second, secondLabel := l.Minibatch()
	l.Close()
	assert.Equal(t, []int64{0, 1}, torch.Slice[int64](firstLabel))
	assert.Equal(t, []int64{2, 0}, torch.Slice[int64](secondLabel))
	for _, x := range []torch.Tensor{first, firstLabel, second, secondLabel} {
		x.Close()
	}
}

func ExampleBuildLabelVocabularyFromTgz() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	fn, err := tgz.SynthesizeTarball(dir)
	if err != nil {
		panic(err)
	}
	vocab, err := imageloader.BuildLabelVocabularyFromTgz(fn)
	fmt.Println(vocab, err)
	// Output: map[0:0 1:1] <nil>
}

func ExampleImageLoader() {
	train := func(fn string, vocab map[string]int, epoch int64, step func(data, label torch.Tensor)) error {
		trans := transforms.Compose(
			transforms.RandomResizedCrop(224),
			transforms.ToTensor(),
			transforms.Normalize([]float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}))
		loader, err := imageloader.New(fn, vocab, trans, 64, 1000, epoch, false, imageloader.RGB)
		if err != nil {
			return err
		}
		defer loader.Close()
		for loader.Scan() {
			data, label := loader.Minibatch()
			step(data, label)
			data.Close()
			label.Close()
		}
		return loader.Err()
	}
	fmt.Println(train("none.tar.gz", nil, 0, nil))
	// Output: cannot open archive: open none.tar.gz: no such file or directory
}
