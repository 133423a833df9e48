package cifar10

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dataset/fetch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// perBatch is the number of images in each batch of these tests' archive: one
// of each class.
const perBatch = 10

type file struct {
	name string
	data []byte
}

// binaryFiles makes the official archive's files, small.
func binaryFiles() (files []file) {
	seed := byte(1)
	for _, name := range append(dataset.BinaryBatches(dataset.Train), dataset.BinaryBatches(dataset.Test)...) {
		var batch []byte
		for label := range byte(perBatch) {
			batch = append(batch, label)
			for p := range 3072 {
				batch = append(batch, byte(p*p>>3)^seed*label)
			}
		}
		files = append(files, file{dataset.BinaryFolder + "/" + name, batch})
		seed++
	}
	meta := ""
	for _, class := range dataset.CIFAR10Classes() {
		meta += class + "\n"
	}
	return append(files,
		file{dataset.BinaryFolder + "/batches.meta.txt", []byte(meta + "\n")},
		file{dataset.BinaryFolder + "/readme.html", []byte("<html>")})
}

// pythonFiles makes the Python archive's files of the same images: pickles as
// Python 2 wrote them.
func pythonFiles() (files []file) {
	for i, f := range binaryFiles()[:6] {
		var labels, pixels []byte
		for r := 0; r < len(f.data); r += 3073 {
			labels = append(labels, 'K', f.data[r])
			pixels = append(pixels, f.data[r+1:r+3073]...)
		}
		p := "\x80\x02}(U\x06labels](" + string(labels) + "eU\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x0aM\x00\x0c\x86" +
			"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" +
			string(binary.LittleEndian.AppendUint32(nil, uint32(len(pixels)))) + string(pixels) + "tbu."
		name := [...]string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}[i]
		files = append(files, file{"cifar-10-batches-py/" + name, []byte(p)})
	}
	return files
}

// hundredFiles makes the files of CIFAR-100's binary archive, with one image a
// class in each split.
func hundredFiles() (files []file) {
	for i, name := range []string{"train.bin", "test.bin"} {
		var batch []byte
		for label := range byte(100) {
			batch = append(batch, label/5, label)
			for p := range 3072 {
				batch = append(batch, byte(p)^label^byte(i))
			}
		}
		files = append(files, file{"cifar-100-binary/" + name, batch})
	}
	return append(files, file{"cifar-100-binary/fine_label_names.txt", []byte(strings.Join(dataset.CIFAR100Classes(), "\n") + "\n")})
}

// imageFiles makes two training images and a test image a class, as JPEG-named
// PNG files: their bytes are kept, whatever they are.
func imageFiles(grey uint8) (files []file) {
	for _, class := range dataset.CIFAR10Classes() {
		for _, name := range []string{"train/" + class + "/0001.jpg", "train/" + class + "/0002.jpg", "test/" + class + "/0001.jpg"} {
			img := image.NewGray(image.Rect(0, 0, 32, 32))
			for i := range img.Pix {
				img.Pix[i] = grey
			}
			var b bytes.Buffer
			if err := png.Encode(&b, img); err != nil {
				panic(err)
			}
			files = append(files, file{"cifar10/" + name, b.Bytes()})
		}
	}
	return files
}

func archive(files []file) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range files {
		w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o644, Typeflag: tar.TypeReg})
		w.Write(f.data)
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func writeAll(t *testing.T, dir string, files []file) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, f.data, 0o644))
	}
}

// publish serves data where the real archive has its path; the first answers
// of the server are those in faults.
func publish(t *testing.T, data []byte, faults ...http.HandlerFunc) (f fetch.File, requests *atomic.Int64) {
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := int(requests.Add(1)); n <= len(faults) {
			faults[n-1](w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(server.Close)
	sum := md5.Sum(data)
	return fetch.File{URL: server.URL + "/~kriz/cifar-10-binary.tar.gz", Size: int64(len(data)), MD5: hex.EncodeToString(sum[:])}, requests
}

func config(t *testing.T) Config {
	dir := t.TempDir()
	return Config{
		Set: CIFAR10(), Raw: filepath.Join(dir, "raw"), Processed: filepath.Join(dir, "processed"),
		Fetch:        fetch.Options{Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Backoff: time.Microsecond},
		batchRecords: perBatch,
	}
}

// requireData checks that the folder form and the binary form show the same
// pixels.
func requireData(t *testing.T, res *Result) {
	t.Helper()
	require.Equal(t, []int{50, 10}, []int{res.Train, res.Test})
	train, test, err := dataset.OpenSplits(res.Dir, dataset.Options{})
	require.NoError(t, err)
	require.Nil(t, train.Files, "the batches are the quick way")
	for split, binary := range map[string]*dataset.Set{dataset.Train: train, dataset.Test: test} {
		folder, err := dataset.Open(filepath.Join(res.Dir, split), dataset.Options{})
		require.NoError(t, err)
		require.Equal(t, binary.Len(), folder.Len())
		for i, name := range folder.Files {
			n, err := strconv.Atoi(filepath.Base(name)[:5])
			require.NoError(t, err)
			require.Equal(t, binary.Image(n), folder.Image(i), "%s %s", split, name)
			require.Equal(t, binary.Labels[n], folder.Labels[i])
		}
	}
}

func TestMakeFetches(t *testing.T) {
	cfg := config(t)
	var requests *atomic.Int64
	cfg.Set.Archive, requests = publish(t, archive(binaryFiles()))
	res, err := Make(t.Context(), cfg)
	require.NoError(t, err)
	require.False(t, res.UpToDate)
	requireData(t, res)
	require.NoError(t, fetch.Verify(filepath.Join(cfg.Raw, "cifar-10-binary.tar.gz"), cfg.Set.Archive))
	entries, err := os.ReadDir(cfg.Processed)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing but the result stays")

	again, err := Make(t.Context(), cfg)
	require.NoError(t, err)
	require.True(t, again.UpToDate)
	require.Equal(t, []int{50, 10}, []int{again.Train, again.Test})
	require.EqualValues(t, 1, requests.Load(), "a second run asks the network nothing")

	require.NoError(t, os.RemoveAll(filepath.Join(res.Dir, dataset.Test)))
	res, err = Make(t.Context(), cfg)
	require.NoError(t, err)
	require.False(t, res.UpToDate)
	requireData(t, res)
	require.EqualValues(t, 1, requests.Load())
}

func TestMakeGoesOnAfterInterruption(t *testing.T) {
	cfg := config(t)
	data := archive(binaryFiles())
	var resumedAt string
	var requests *atomic.Int64
	cfg.Set.Archive, requests = publish(t, data,
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			w.Write(data[:700])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) },
		func(w http.ResponseWriter, r *http.Request) {
			resumedAt = r.Header.Get("Range")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		})
	_, err := Make(t.Context(), cfg)
	require.ErrorContains(t, err, "403 Forbidden")
	require.ErrorContains(t, err, "make data DATA=path/to/cifar-10-binary.tar.gz")
	require.NoDirExists(t, cfg.Processed)

	res, err := Make(t.Context(), cfg)
	require.NoError(t, err)
	requireData(t, res)
	require.Equal(t, "bytes=700-", resumedAt)
	require.EqualValues(t, 3, requests.Load())
}

func TestMakeFetchFails(t *testing.T) {
	f := func(change func(*fetch.File), faults []http.HandlerFunc, want string) {
		t.Helper()
		cfg := config(t)
		cfg.Set.Archive, _ = publish(t, archive(binaryFiles()), faults...)
		if change != nil {
			change(&cfg.Set.Archive)
		}
		_, err := Make(t.Context(), cfg)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "make data DATA=")
		require.NoDirExists(t, cfg.Processed)
	}
	f(nil, []http.HandlerFunc{http.NotFound}, "404 Not Found")
	f(func(a *fetch.File) { a.MD5 = "00" }, nil, "expected 00")
	f(func(a *fetch.File) { a.URL = "http://127.0.0.1:1/~kriz/cifar-10-binary.tar.gz" }, nil, "connection refused")
}

func TestMakeFrom(t *testing.T) {
	binary, images := binaryFiles(), imageFiles(7)
	f := func(prepare func(dir string) string, isBinary bool, rawName string) {
		t.Helper()
		cfg := config(t)
		cfg.From = prepare(t.TempDir())
		res, err := Make(t.Context(), cfg)
		require.NoError(t, err)
		if rawName != "" {
			require.FileExists(t, filepath.Join(cfg.Raw, rawName))
		} else {
			require.NoDirExists(t, cfg.Raw)
		}
		if isBinary {
			requireData(t, res)
		} else {
			require.Equal(t, []int{20, 10}, []int{res.Train, res.Test})
			for _, want := range images {
				got, err := os.ReadFile(filepath.Join(cfg.Processed, want.name))
				require.NoError(t, err)
				require.Equal(t, want.data, got, "image files are kept as they are")
			}
			train, _, err := dataset.OpenSplits(res.Dir, dataset.Options{})
			require.NoError(t, err)
			require.Equal(t, byte(7), train.Image(0)[0])
		}
		again, err := Make(t.Context(), cfg)
		require.NoError(t, err)
		require.True(t, again.UpToDate)
	}
	packed := func(files []file, name string) func(string) string {
		return func(dir string) string {
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path, archive(files), 0o644))
			return path
		}
	}
	folder := func(files []file, sub string) func(string) string {
		return func(dir string) string {
			writeAll(t, dir, files)
			return filepath.Join(dir, sub)
		}
	}
	f(packed(binary, "cifar-10-binary.tar.gz"), true, "cifar-10-binary.tar.gz")
	f(packed(images, "mine.tgz"), false, "mine.tgz")
	f(folder(images, ""), false, "")
	f(folder(images, "cifar10"), false, "")
	f(folder(binary, ""), true, "")
	f(folder(binary, dataset.BinaryFolder), true, "")
}

// TestMakeFromPython: the Python archive gives the same images.
func TestMakeFromPython(t *testing.T) {
	cfg := config(t)
	cfg.From = filepath.Join(t.TempDir(), "cifar-10-python.tar.gz")
	require.NoError(t, os.WriteFile(cfg.From, archive(pythonFiles()), 0o644))
	res, err := Make(t.Context(), cfg)
	require.NoError(t, err)
	requireData(t, res)
	require.FileExists(t, filepath.Join(res.Dir, "cifar-10-batches-py", "data_batch_3"))
	got, err := dataset.Open(res.Dir, dataset.Options{Split: dataset.Train})
	require.NoError(t, err)

	cfg = config(t)
	cfg.From = t.TempDir()
	writeAll(t, cfg.From, binaryFiles())
	res, err = Make(t.Context(), cfg)
	require.NoError(t, err)
	want, err := dataset.Open(res.Dir, dataset.Options{Split: dataset.Train})
	require.NoError(t, err)
	require.Equal(t, want.Labels, got.Labels)
	require.Equal(t, want.Images, got.Images)
}

func TestMakeCIFAR100(t *testing.T) {
	cfg := config(t)
	cfg.Set, cfg.batchRecords = CIFAR100(), 100
	cfg.Set.Archive, _ = publish(t, archive(hundredFiles()))
	res, err := Make(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(cfg.Processed, "cifar100"), res.Dir)
	require.Equal(t, []int{100, 100}, []int{res.Train, res.Test})
	form, err := dataset.Detect(res.Dir)
	require.NoError(t, err)
	require.Equal(t, dataset.FormCIFAR100, form)
	coarse, err := dataset.Open(res.Dir, dataset.Options{Split: dataset.Test, Labels: dataset.CoarseLabels})
	require.NoError(t, err)
	require.EqualValues(t, 19, coarse.Labels[99])
	folder, err := dataset.Open(filepath.Join(res.Dir, dataset.Train), dataset.Options{})
	require.NoError(t, err)
	require.Equal(t, dataset.CIFAR100Classes(), folder.Classes)
	require.Equal(t, "00042.png", filepath.Base(folder.Files[42]))

	cfg = config(t)
	cfg.From = t.TempDir()
	writeAll(t, cfg.From, hundredFiles())
	_, err = Make(t.Context(), cfg)
	require.ErrorContains(t, err, "cannot find CIFAR-10 in")
}

func TestMakeFromRaw(t *testing.T) {
	cfg := config(t)
	require.NoError(t, os.MkdirAll(cfg.Raw, 0o755))
	cfg.From = filepath.Join(cfg.Raw, "cifar-10-binary.tar.gz")
	require.NoError(t, os.WriteFile(cfg.From, archive(binaryFiles()), 0o644))
	res, err := Make(t.Context(), cfg)
	require.NoError(t, err)
	requireData(t, res)
}

// TestMakeReplaces: another source gives another result, and one that fails
// leaves the old one as it was.
func TestMakeReplaces(t *testing.T) {
	cfg := config(t)
	cfg.From = t.TempDir()
	writeAll(t, cfg.From, imageFiles(7))
	_, err := Make(t.Context(), cfg)
	require.NoError(t, err)

	bad := cfg
	bad.From = filepath.Join(t.TempDir(), "x.tar.gz")
	data := archive(binaryFiles())
	require.NoError(t, os.WriteFile(bad.From, data[:len(data)/2], 0o644))
	_, err = Make(t.Context(), bad)
	require.ErrorContains(t, err, "is the copy complete?")
	require.FileExists(t, filepath.Join(cfg.Processed, "cifar10/train/cat/0001.jpg"))

	require.NoError(t, os.Mkdir(filepath.Join(cfg.Processed, tmpPrefix+"123"), 0o755)) // of a run that was killed
	writeAll(t, cfg.From, imageFiles(9))
	res, err := Make(t.Context(), cfg)
	require.NoError(t, err)
	require.False(t, res.UpToDate)
	s, err := dataset.Open(res.Dir, dataset.Options{Split: dataset.Test})
	require.NoError(t, err)
	require.Equal(t, byte(9), s.Image(0)[0])
	entries, err := os.ReadDir(cfg.Processed)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestMakeFromRefuses(t *testing.T) {
	f := func(files []file, want string) {
		t.Helper()
		cfg := config(t)
		cfg.From = filepath.Join(t.TempDir(), "x.tar.gz")
		require.NoError(t, os.WriteFile(cfg.From, archive(files), 0o644))
		_, err := Make(t.Context(), cfg)
		require.ErrorContains(t, err, want)
		require.NoDirExists(t, filepath.Join(cfg.Processed, "cifar10"))
	}
	f([]file{{"readme", nil}}, "cannot find CIFAR-10")
	f([]file{{"../evil", nil}}, "not safe")
	f(imageFiles(1)[3:], "their classes are [automobile")
	f(binaryFiles()[1:], "data_batch_1.bin")
	short := binaryFiles()
	short[2].data = short[2].data[:9*3073]
	f(short, "has 9 images, expected 10")
	short[2].data = short[2].data[:100]
	f(short, "not a whole number")

	cfg := config(t)
	cfg.From = filepath.Join(t.TempDir(), "gone.tar.gz")
	_, err := Make(t.Context(), cfg)
	require.ErrorContains(t, err, "cifar10/{train,test}/<class>/")
}

func TestMakeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := config(t)
	cfg.From = t.TempDir()
	writeAll(t, cfg.From, binaryFiles())
	cfg.Log = func(line string) {
		if line == fmt.Sprintf("writing %d train images", 5*perBatch) {
			cancel()
		}
	}
	_, err := Make(ctx, cfg)
	require.ErrorIs(t, err, context.Canceled)
	entries, err := os.ReadDir(cfg.Processed)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// TestArchive guards the pinned facts against a slip of the hand.
func TestArchive(t *testing.T) {
	a := Archive()
	require.EqualValues(t, 170052171, a.Size)
	require.Len(t, a.MD5, 32)
	require.Len(t, a.SHA256, 64)
	a = CIFAR100().Archive
	require.EqualValues(t, 168513733, a.Size)
	require.Len(t, a.MD5, 32)
	require.Len(t, a.SHA256, 64)
}
