package dataset

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

type member struct {
	name string
	data string
}

// greyPNG is a PNG image of one grey.
func greyPNG(width, height int, v uint8) string {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		img.Pix[i] = v
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.String()
}

func tarOf(members ...member) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		w.WriteHeader(&tar.Header{Name: m.name, Size: int64(len(m.data)), Mode: 0o644, Typeflag: tar.TypeReg})
		w.Write([]byte(m.data))
	}
	w.Close()
	return b.Bytes()
}

// writeShards writes n samples, in shards of perShard; sample i is 2×2 pixels of
// grey i and has label i%3.
func writeShards(t *testing.T, dir, prefix string, n, perShard int) (pattern string) {
	t.Helper()
	shards := 0
	for first := 0; first < n; first += perShard {
		var members []member
		for i := first; i < min(first+perShard, n); i++ {
			members = append(members, member{fmt.Sprintf("%06d.png", i), greyPNG(2, 2, uint8(i))}, member{fmt.Sprintf("%06d.cls", i), fmt.Sprint(i % 3)})
		}
		write(t, filepath.Join(dir, fmt.Sprintf("%s-%06d.tar", prefix, shards)), tarOf(members...))
		shards++
	}
	return filepath.Join(dir, fmt.Sprintf("%s-{000000..%06d}.tar", prefix, shards-1))
}

func TestOpenShards(t *testing.T) {
	dir := t.TempDir()
	pattern := writeShards(t, dir, "pets", 10, 4)
	for _, path := range []string{pattern, dir, filepath.Join(dir, "pets-*.tar"), filepath.Join(dir, "pets-00000{0,1}.tar") + "::" + filepath.Join(dir, "pets-000002.tar")} {
		form, err := Detect(path)
		require.NoError(t, err)
		require.Equal(t, FormShards, form)
		s, err := OpenShards(t.Context(), path, Options{})
		require.NoError(t, err)
		require.Equal(t, 10, s.Len())
		require.Equal(t, []string{"0", "1", "2"}, s.ClassNames())
		require.Equal(t, []int64{0, 1, 2, 0, 1, 2, 0, 1, 2, 0}, Labels(s))
		require.Equal(t, filepath.Join(dir, "pets-000001.tar")+":000005.png", s.Name(5))
		images, _, _ := drain(t, newLoader(t, LoaderConfig{Source: s, BatchSize: 10}))
		for i := range 10 {
			require.Equal(t, byte(i), images[0][12*i])
		}
	}
	write(t, filepath.Join(dir, "classes.txt"), []byte("cat\r\ngreat dane\r\neel\r\n"))
	s, err := OpenShards(t.Context(), dir, Options{Size: 5})
	require.NoError(t, err)
	require.Equal(t, []string{"cat", "great dane", "eel"}, s.ClassNames())
	img, err := s.Load(3)
	require.NoError(t, err)
	require.Equal(t, 5, img.Width)
	write(t, filepath.Join(dir, "classes.txt"), []byte("cat\ndog\n"))
	_, err = OpenShards(t.Context(), dir, Options{})
	require.ErrorContains(t, err, `000002.png": its label "2" is not among the 2 known classes (cat, dog)`)
}

func TestShardSamples(t *testing.T) {
	f := func(want map[string]string, classes []string, members ...member) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "s.tar")
		write(t, path, tarOf(members...))
		s, err := OpenShards(t.Context(), path, Options{})
		require.NoError(t, err)
		require.Equal(t, classes, s.ClassNames())
		got := map[string]string{}
		for i := range s.Len() {
			got[strings.TrimPrefix(s.Name(i), path+":")] = s.ClassNames()[s.Label(i)]
		}
		require.Equal(t, want, got)
	}
	f(map[string]string{"a.jpg": "cat", "b.PNG": "ant"}, []string{"ant", "cat"},
		member{"a.jpg", "x"}, member{"a.cls", "cat\n"}, member{"b.cls", "ant"}, member{"b.PNG", "y"})
	f(map[string]string{"a.jpg": "1", "b.webp": "0"}, []string{"0", "1"},
		member{"a.json", `{"width": 3, "label": 1}`}, member{"a.jpg", "x"}, member{"b.webp", "y"}, member{"b.json", `{"cls": 0}`})
	f(map[string]string{"a.jpg": "cat"}, []string{"cat"},
		member{"a.jpg", "x"}, member{"a.json", `{"class": "dog"}`}, member{"a.cls", "cat"}) // cls counts
	f(map[string]string{"a.jpg": "cat"}, []string{"cat"},
		member{"a.cls", "cat"}, member{"a.jpg", "x"}, member{"a.json", `{"caption": "a cat"}`})
	f(map[string]string{"a.jpg": "0", "d/a.jpg": "0", "a.b/c.jpeg": "0"}, []string{"0"}, // folders belong to the name; their dots do not divide it
		member{"a.png", "x"}, member{"a.jpg", "x"}, member{"a.seg.png", "x"}, member{"a.txt", "x"}, member{"a.cls", "0"},
		member{"d/a.jpg", "x"}, member{"d/a.cls", "0"},
		member{"a.b/c.jpeg", "x"}, member{"a.b/c.cls", "0"},
		member{"README", "x"}, member{".hidden.jpg", "x"}, member{"__meta__.jpg__", "x"}, member{"notes.txt", "x"})
}

func TestShardsRefused(t *testing.T) {
	whole := tarOf(member{"a.png", greyPNG(2, 2, 1)}, member{"a.cls", "0"}, member{"b.png", greyPNG(2, 2, 1)}, member{"b.cls", "1"})
	f := func(content []byte, wants ...string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "s-000000.tar")
		write(t, path, content)
		_, err := OpenShards(t.Context(), path, Options{})
		require.Error(t, err)
		for _, want := range append(wants, path) {
			require.ErrorContains(t, err, want)
		}
	}
	f(nil, "it is empty")
	f([]byte("\x1f\x8b\x08\x00rest"), "gunzip")
	f([]byte("\x28\xb5\x2f\xfdrest"), "unzstd")
	f(bytes.Repeat([]byte("no tar "), 100), "at byte 512", "damaged")
	f(whole[:550], "at byte 512", `"a.png" ends beyond the end`)
	f(whole[:600], "at byte 600", "no end mark")
	f(whole[:1024], "at byte 1024", "no end mark")
	f(append(append([]byte{}, whole[:2048]...), bytes.Repeat([]byte{7}, 600)...), "at byte 2560", "damaged")
	f(tarOf(member{"a.png", "x"}), "a\": it has no label")
	f(tarOf(member{"a.cls", "1"}), "a\": it has no image")
	f(tarOf(member{"a.png", "x"}, member{"a.cls", " \n"}), "cls file is empty")
	f(tarOf(member{"a.png", "x"}, member{"a.cls", "-1"}), "label is -1")
	f(tarOf(member{"a.png", "x"}, member{"a.json", "{"}), "no JSON object")
	f(tarOf(member{"a.png", "x"}, member{"a.json", `{"label": 1.5}`}), "neither a whole number nor a name")
	f(tarOf(member{"a.png", "x"}, member{"a.cls", "99999999"}), "more than classes can be")
	f(tarOf(member{"notes.txt", "x"}), "no sample with an image and a label")

	_, err := OpenShards(t.Context(), filepath.Join(t.TempDir(), "s-{0..1}.tar"), Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "s-0.tar")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "s.tar")
	write(t, path, whole)
	_, err = OpenShards(ctx, path, Options{})
	require.ErrorIs(t, err, context.Canceled)
}

// TestShardsSkip: what is before the damage stays, and what is left out is listed.
func TestShardsSkip(t *testing.T) {
	dir := t.TempDir()
	writeShards(t, dir, "s", 8, 4)
	second := filepath.Join(dir, "s-000001.tar")
	data, err := os.ReadFile(second)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(second, int64(len(data))/2))
	write(t, filepath.Join(dir, "s-000002.tar"), tarOf(member{"x.png", "x"}, member{"y.png", "broken"}, member{"y.cls", "2"}))
	s, err := OpenShards(t.Context(), dir, Options{SkipCorrupt: true})
	require.NoError(t, err)
	require.Len(t, s.Skipped, 2)
	require.Equal(t, second, s.Skipped[0].File)
	require.ErrorContains(t, s.Skipped[1].Err, "x\": it has no label")
	require.Greater(t, s.Len(), 5)

	last := s.Len() - 1
	_, err = s.Load(last)
	require.ErrorIs(t, err, vision.ErrNotImage)
	require.ErrorContains(t, err, "s-000002.tar:y.png")
	tolerance := NewTolerance(1)
	_, labels, _ := drain(t, newLoader(t, LoaderConfig{Source: s, BatchSize: 100, Tolerance: tolerance}))
	require.Len(t, labels, last+1)
	require.Len(t, tolerance.Skipped(), 1)

	_, err = OpenShards(t.Context(), dir, Options{SkipCorrupt: true, MaxCorrupt: 1})
	require.ErrorContains(t, err, "2 of 8 images cannot be read, 1 may be")
	require.NoError(t, os.Truncate(filepath.Join(dir, "s-000000.tar"), 550))
	_, err = s.Load(0)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "000000.png\" at byte 512")
}

func TestShardPaths(t *testing.T) {
	f := func(pattern string, want ...string) {
		t.Helper()
		got, err := ShardPaths(pattern)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("s.tar", "s.tar")
	f("s-{8..11}.tar", "s-8.tar", "s-9.tar", "s-10.tar", "s-11.tar")
	f("s-{08..11}.tar", "s-08.tar", "s-09.tar", "s-10.tar", "s-11.tar")
	f("s-{000..2}.tar", "s-000.tar", "s-001.tar", "s-002.tar")
	f("s-{2..0}.tar", "s-2.tar", "s-1.tar", "s-0.tar")
	f("{a,b}/{0..1}.tar", "a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar")
	f("{a,b{0..1}}.tar", "a.tar", "b0.tar", "b1.tar")
	f("a.tar::https://host/x-{0..1}.tar", "a.tar", "https://host/x-0.tar", "https://host/x-1.tar")

	bad := func(pattern, want string) {
		t.Helper()
		_, err := ShardPaths(pattern)
		require.ErrorContains(t, err, want)
	}
	bad("s-{0..1.tar", "not closed")
	bad("s-{a..c}.tar", "does not count")
	bad("s-{0..99999999}.tar", "more than")
	bad("{0..9999}{0..9999}.tar", "more than")
	bad("pipe:curl x", "commands are not run")
	bad("s3://bucket/s.tar", "s3:// addresses are not read")
	bad(filepath.Join(t.TempDir(), "*.tar"), "no file has such a name")
	bad(t.TempDir(), "no .tar files")
}

// TestRemoteShards: fetched once, going on where a connection broke off; without a
// network what was fetched serves.
func TestRemoteShards(t *testing.T) {
	dir := t.TempDir()
	writeShards(t, dir, "pets", 10, 5)
	var gets atomic.Int64
	var down atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			http.Error(w, "down", http.StatusNotFound)
			return
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.Base(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		if r.Method == http.MethodGet && gets.Add(1) == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:1000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer server.Close()
	pattern := server.URL + "/pets-{000000..000001}.tar"
	_, err := OpenShards(t.Context(), pattern, Options{})
	require.ErrorContains(t, err, "data.cache_dir")
	var lines []string
	opts := Options{CacheDir: filepath.Join(t.TempDir(), "cache"), Log: func(line string) { lines = append(lines, line) }}
	for range 2 {
		s, err := OpenShards(t.Context(), pattern, opts)
		require.NoError(t, err)
		require.Equal(t, 10, s.Len())
		img, err := s.Load(7)
		require.NoError(t, err)
		require.Equal(t, byte(7), img.Pix[0])
		require.EqualValues(t, 3, gets.Load(), "one broke off, and went on")
	}
	_, err = OpenShards(t.Context(), server.URL+"/pets-000009.tar", opts)
	require.ErrorContains(t, err, "404")
	down.Store(true)
	s, err := OpenShards(t.Context(), pattern, opts)
	require.NoError(t, err)
	require.Equal(t, 10, s.Len())
	all := strings.Join(lines, "\n")
	require.Contains(t, all, "fetching "+server.URL+"/pets-000000.tar")
	require.Contains(t, all, "trying again in 1s")
	require.Contains(t, all, "using the copy fetched before")
}

// TestRemoteShardsAtOnce: of several processes that ask for a shard, one fetches.
func TestRemoteShardsAtOnce(t *testing.T) {
	dir := t.TempDir()
	writeShards(t, dir, "pets", 6, 6)
	var gets atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			gets.Add(1)
		}
		w.Header().Set("Connection", "close")
		http.ServeFile(w, r, filepath.Join(dir, filepath.Base(r.URL.Path)))
	}))
	defer server.Close()
	opts := Options{CacheDir: t.TempDir()}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := OpenShards(t.Context(), server.URL+"/pets-000000.tar", opts)
			if err != nil || s.Len() != 6 {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, gets.Load())

	unlock, err := lockFile(t.Context(), filepath.Join(opts.CacheDir, "x.lock"))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = lockFile(ctx, filepath.Join(opts.CacheDir, "x.lock"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	unlock()
}

func FuzzIndexShard(f *testing.F) {
	whole := tarOf(member{"a.png", greyPNG(2, 2, 1)}, member{"a.cls", "0"}, member{"b.jpg", "x"}, member{"b.json", `{"label":"cat"}`})
	f.Add(whole)
	f.Add(whole[:1500])
	f.Add([]byte{})
	f.Add(append([]byte{}, whole[512:]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		x := indexer{shard: "s.tar"}
		_ = x.read(bytes.NewReader(data))
		for _, s := range x.samples {
			if s.name == "" || s.text == "" || s.offset < 512 || s.size < 0 || s.offset+s.size > int64(len(data)) {
				t.Fatalf("sample %+v of a shard of %d bytes", s, len(data))
			}
		}
		for _, b := range x.broken {
			if b.Err == nil {
				t.Fatalf("%q is broken for no reason", b.File)
			}
		}
	})
}

func FuzzShardPattern(f *testing.F) {
	f.Add("s-{000..012}.tar")
	f.Add("{a,{b,c}}{0..1}")
	f.Add("}{")
	f.Fuzz(func(t *testing.T, pattern string) {
		if names, err := braces(pattern); err == nil && !strings.ContainsAny(pattern, "{") && (len(names) != 1 || names[0] != pattern) {
			t.Fatalf("%q became %q", pattern, names)
		}
	})
}
