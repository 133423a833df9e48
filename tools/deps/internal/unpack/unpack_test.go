package unpack

import (
	"archive/zip"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeWheel writes a wheel with these files; each file's content is its own name.
func fakeWheel(t *testing.T, names ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fake.whl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for _, n := range names {
		w, err := z.Create(n)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(n, "/") {
			if _, err := w.Write([]byte(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func tree(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func torchWheel(t *testing.T) string {
	return fakeWheel(t, "torch/", "torch/lib/", "torch/lib/libtorch_cpu.so", "torch/lib/libtorch_cuda.so",
		"torch/lib/libtorch_python.so", "torch/include/ATen/ATen.h", "torch/include/torch/headeronly/version.h",
		"torch/library.py", "torch-2.11.0.dist-info/METADATA", "torch-2.11.0.dist-info/licenses/LICENSE",
		"torch-2.11.0.dist-info/licenses/third_party/x/LICENSE")
}

func TestFolder(t *testing.T) {
	dst := filepath.Join(t.TempDir(), "libtorch")
	sources := []Source{
		{torchWheel(t), "torch", []string{"include/", "lib/libtorch_cpu.so"}},
		{fakeWheel(t, "nvidia/cudnn/lib/libcudnn.so.9", "nvidia/cudnn/lib/libcudnn_ops.so.9", "nvidia/cudnn/lib/x.a"),
			"nvidia/cudnn", []string{"lib/libcudnn*.so.9"}},
	}
	var last [2]int64
	if err := Folder(dst, sources, ".stamp", []byte("done"), func(done, total int64) { last = [2]int64{done, total} }); err != nil {
		t.Fatal(err)
	}
	want := []string{".stamp", "include/ATen/ATen.h", "include/torch/headeronly/version.h",
		"lib/libcudnn.so.9", "lib/libcudnn_ops.so.9", "lib/libtorch_cpu.so", "licenses/torch-2.11.0/LICENSE"}
	if got := tree(t, dst); !slices.Equal(got, want) {
		t.Fatalf("got %q; want %q", got, want)
	}
	if b, _ := os.ReadFile(filepath.Join(dst, "lib/libtorch_cpu.so")); string(b) != "torch/lib/libtorch_cpu.so" {
		t.Fatalf("got content %q", b)
	}
	if last[0] == 0 || last[0] != last[1] {
		t.Fatalf("progress ended at %d of %d", last[0], last[1])
	}
	if left, _ := os.ReadDir(filepath.Dir(dst)); len(left) != 1 {
		t.Fatalf("temporary folders are left: %v", left)
	}
}

// TestFolderReplaces unpacks over an older folder: nothing of the old one stays.
func TestFolderReplaces(t *testing.T) {
	dst := filepath.Join(t.TempDir(), "libtorch")
	if err := os.MkdirAll(filepath.Join(dst, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dst, "lib", "old.so"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Folder(dst, []Source{{torchWheel(t), "torch", []string{"lib/libtorch_cpu.so"}}}, ".stamp", nil, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, dst), []string{".stamp", "lib/libtorch_cpu.so", "licenses/torch-2.11.0/LICENSE"}; !slices.Equal(got, want) {
		t.Fatalf("got %q; want %q", got, want)
	}
}

// TestFolderRefuses checks that a failure leaves what was there as it was.
func TestFolderRefuses(t *testing.T) {
	f := func(want string, sources ...Source) {
		t.Helper()
		dst := filepath.Join(t.TempDir(), "libtorch")
		if err := os.MkdirAll(dst, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dst, "kept"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		err := Folder(dst, sources, ".stamp", nil, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v; want %q", err, want)
		}
		if left, _ := os.ReadDir(filepath.Dir(dst)); len(left) != 1 {
			t.Fatalf("temporary folders are left: %v", left)
		}
		if got := tree(t, dst); !slices.Equal(got, []string{"kept"}) {
			t.Fatalf("the old folder became %q", got)
		}
	}
	f(`nothing that matches "lib/libtorch_gpu.so"`, Source{torchWheel(t), "torch", []string{"include/", "lib/libtorch_gpu.so"}})
	f("bring", Source{torchWheel(t), "torch", []string{"include/"}}, Source{fakeWheel(t, "nvidia/cu13/include/ATen/ATen.h"), "nvidia/cu13", []string{"include/"}})
	f("unsafe path", Source{fakeWheel(t, "torch/include/../../../evil"), "torch", []string{"include/"}})
	f("cannot open wheel", Source{filepath.Join(t.TempDir(), "none.whl"), "torch", nil})

	cut := torchWheel(t)
	if err := os.Truncate(cut, 100); err != nil {
		t.Fatal(err)
	}
	f("cannot open wheel", Source{cut, "torch", []string{"include/"}})

	// One byte of a stored file turned around: the CRC-32 must notice.
	bad := filepath.Join(t.TempDir(), "bad.whl")
	out, err := os.Create(bad)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(out)
	w, _ := z.CreateHeader(&zip.FileHeader{Name: "torch/lib/x.so", Method: zip.Store})
	_, _ = w.Write([]byte("PAYLOAD"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	b, _ := os.ReadFile(bad)
	if err := os.WriteFile(bad, []byte(strings.Replace(string(b), "PAYLOAD", "PAYLOAT", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	f("checksum", Source{bad, "torch", []string{"lib/x.so"}})
}
