package digits

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset/fetch"
)

// mirror serves files by name and counts the requests.
func mirror(t *testing.T, content map[string][]byte) (url string, requests *int) {
	requests = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests++
		data, ok := content[path.Base(r.URL.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func zipped(t *testing.T, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// published makes the four files of a small MNIST, and what is to be known of them.
func published(t *testing.T, train, test *Set) (content map[string][]byte, list []fetch.File) {
	content = map[string][]byte{}
	add := func(data []byte) {
		data = zipped(t, data)
		name, sum := files[len(list)].URL, md5.Sum(data)
		content[name] = data
		list = append(list, fetch.File{URL: name, Size: int64(len(data)), MD5: hex.EncodeToString(sum[:])})
	}
	for _, s := range []*Set{train, test} {
		n := byte(s.Len())
		add(append([]byte{0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, Side, 0, 0, 0, Side}, s.Pixels...))
		add(append([]byte{0, 0, 8, 1, 0, 0, 0, n}, s.Labels...))
	}
	return content, list
}

func TestMNISTDownloadsWhatIsMissing(t *testing.T) {
	train, test := Draw(5, 1), Draw(3, 2)
	content, list := published(t, train, test)
	url, requests := mirror(t, content)
	dir := filepath.Join(t.TempDir(), "mnist")
	f := func(wantRequests int) {
		t.Helper()
		*requests = 0
		gotTrain, gotTest, err := open(context.Background(), dir, url, list)
		require.NoError(t, err)
		assert.Equal(t, train, gotTrain)
		assert.Equal(t, test, gotTest)
		assert.Equal(t, wantRequests, *requests)
	}
	f(4)
	f(0)
	require.NoError(t, os.Remove(filepath.Join(dir, list[2].URL)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, list[3].URL), []byte("damaged"), 0o600))
	f(2)
}

func TestMNISTFailures(t *testing.T) {
	train, test := Draw(5, 1), Draw(3, 2)
	f := func(want string, change func(content map[string][]byte, list []fetch.File)) {
		t.Helper()
		content, list := published(t, train, test)
		change(content, list)
		url, _ := mirror(t, content)
		dir := t.TempDir()
		_, _, err := open(context.Background(), dir, url, list)
		require.ErrorContains(t, err, want)
	}
	f("404", func(content map[string][]byte, list []fetch.File) { delete(content, list[1].URL) })
	f("MD5", func(content map[string][]byte, list []fetch.File) { content[list[0].URL][20] ^= 1 })
	f("expected", func(content map[string][]byte, list []fetch.File) { content[list[0].URL] = []byte("short") })

	// Files that are as published, but are not what this program takes.
	swap := func(i, j int) func(map[string][]byte, []fetch.File) {
		return func(_ map[string][]byte, list []fetch.File) { list[i], list[j] = list[j], list[i] }
	}
	f("pictures have [n 28 28]", swap(0, 1))
	f("a label from 0 to 9 for each of 5 pictures", swap(1, 3))
	f("gzip", func(content map[string][]byte, list []fetch.File) {
		data := []byte("not compressed")
		sum := md5.Sum(data)
		content[list[3].URL] = data
		list[3].Size, list[3].MD5 = int64(len(data)), hex.EncodeToString(sum[:])
	})
}

func TestMNISTStopsWithItsContext(t *testing.T) {
	content, list := published(t, Draw(1, 1), Draw(1, 2))
	url, _ := mirror(t, content)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := open(ctx, t.TempDir(), url, list)
	assert.ErrorIs(t, err, context.Canceled)
}
