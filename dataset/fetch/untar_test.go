package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func pack(entries ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		h.Mode = 0o777
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if h.Typeflag == tar.TypeReg {
			w.Write(bytes.Repeat([]byte("x"), int(h.Size)))
		}
	}
	w.Close()
	return b.Bytes()
}

func zipped(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

var roomy = Limits{Files: 100, Bytes: 1 << 20}

func TestUntar(t *testing.T) {
	archive := pack(
		tar.Header{Name: "./", Typeflag: tar.TypeDir},
		tar.Header{Name: "./a/", Typeflag: tar.TypeDir},
		tar.Header{Name: "./a/one", Size: 3},
		tar.Header{Name: "b/c/two", Size: 0}, // without entries for its folders
		tar.Header{Name: "./a/._one", Size: 5},
		tar.Header{Name: ".git/hooks/evil", Size: 5},
	)
	for _, data := range [][]byte{archive, zipped(archive)} {
		dir := t.TempDir()
		n, err := Untar(bytes.NewReader(data), dir, roomy)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		got, err := os.ReadFile(filepath.Join(dir, "a", "one"))
		require.NoError(t, err)
		require.Equal(t, "xxx", string(got))
		info, err := os.Stat(filepath.Join(dir, "b", "c", "two"))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o111, "modes in the archive are ignored")
		require.NoFileExists(t, filepath.Join(dir, "a", "._one"))
		require.NoDirExists(t, filepath.Join(dir, ".git"))
	}
}

func TestUntarRefuses(t *testing.T) {
	f := func(data []byte, want string) error {
		t.Helper()
		parent := t.TempDir()
		dir := filepath.Join(parent, "in")
		require.NoError(t, os.Mkdir(dir, 0o755))
		_, err := Untar(bytes.NewReader(data), dir, roomy)
		require.ErrorContains(t, err, want)
		entries, _ := os.ReadDir(parent)
		require.Len(t, entries, 1, "nothing appears outside the folder")
		return err
	}
	for _, name := range []string{"../evil", "a/../../evil", "/etc/evil", ".."} {
		require.ErrorIs(t, f(pack(tar.Header{Name: name, Size: 1}), "leaves the folder"), ErrUnsafe)
	}
	for _, kind := range []byte{tar.TypeSymlink, tar.TypeLink, tar.TypeFifo, tar.TypeChar} {
		require.ErrorIs(t, f(pack(tar.Header{Name: "l", Linkname: "/etc", Typeflag: kind}), "not a plain file"), ErrUnsafe)
	}
	f(pack(tar.Header{Name: "a", Size: 1}, tar.Header{Name: "a", Size: 1}), "exists")
	f(pack(tar.Header{Name: "a", Size: 1}, tar.Header{Name: "a/b", Size: 1}), "a/b")
	f(pack(tar.Header{Name: "a", Size: 1<<20 + 1}), "larger than the limit")
	f(pack(tar.Header{Name: ".a", Size: 1<<20 + 1}), "larger than the limit")
	f(pack(make100()...), "more than 100 files")
	whole := zipped(pack(tar.Header{Name: "a", Size: 5000}))
	f(whole[:len(whole)/2], "unexpected EOF")
	f([]byte("\x1f\x8bnot gzip at all"), "cannot read archive")
	f([]byte("<html>not found</html>"), "cannot read archive")
}

func make100() (entries []tar.Header) {
	for i := range 101 {
		entries = append(entries, tar.Header{Name: string(rune('A' + i))})
	}
	return entries
}

// TestUntarDoesNotFollowLinks: a link that is in the folder already, whoever
// put it there, leads nowhere.
func TestUntarDoesNotFollowLinks(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "a")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	_, err := Untar(bytes.NewReader(pack(tar.Header{Name: "a/evil", Size: 1})), dir, roomy)
	require.Error(t, err)
	require.NoFileExists(t, filepath.Join(outside, "evil"))
}

func FuzzUntar(f *testing.F) {
	f.Add([]byte{})
	f.Add(pack(tar.Header{Name: "a/b", Size: 3}))
	f.Add(zipped(pack(tar.Header{Name: "a/b", Size: 3}, tar.Header{Name: "a/c", Size: 600})))
	f.Add(pack(tar.Header{Name: "../evil", Size: 1}))
	f.Add(pack(tar.Header{Name: "l", Linkname: "..", Typeflag: tar.TypeSymlink}, tar.Header{Name: "l/evil", Size: 1}))
	f.Add(pack(tar.Header{Name: "g", PAXRecords: map[string]string{"path": "../evil"}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		n, err := Untar(bytes.NewReader(data), dir, Limits{Files: 10, Bytes: 10_000})
		if n > 10 {
			t.Fatalf("%d files, the limit is 10", n)
		}
		if entries, _ := os.ReadDir(parent); len(entries) != 1 {
			t.Fatalf("the archive wrote outside its folder (%v)", err)
		}
		var total int64
		filepath.WalkDir(dir, func(_ string, e os.DirEntry, _ error) error {
			if info, err := e.Info(); err == nil && !e.IsDir() {
				total += info.Size()
				if !info.Mode().IsRegular() {
					t.Fatalf("%q is not a plain file", e.Name())
				}
			}
			return nil
		})
		if total > 10_000 {
			t.Fatalf("%d bytes, the limit is 10000", total)
		}
	})
}
