package fetch

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ErrUnsafe says that an archive holds what no data archive needs: a path
// that leaves its folder, a link, or more than the limits allow.
var ErrUnsafe = errors.New("the archive is not safe to unpack")

// Limits bound what unpacking an archive may cost.
type Limits struct {
	Files int   // most files and folders
	Bytes int64 // most bytes of all files together
}

// Untar unpacks a tar archive, gzipped or not, into the existing folder dir
// and returns the number of files. Nothing is written outside dir, no file is
// written twice, and links and devices are refused. Names that begin with a
// dot, which macOS adds, are passed over. Modes and owners in the archive are
// ignored.
func Untar(r io.Reader, dir string, lim Limits) (files int, err error) {
	in := bufio.NewReaderSize(r, 256<<10)
	var plain io.Reader = in
	if magic, _ := in.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return 0, fmt.Errorf("cannot read archive: %w", err)
		}
		defer z.Close()
		plain = z
	}
	// os.Root refuses to leave dir even by a link that someone else put there.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, fmt.Errorf("cannot unpack archive: %w", err)
	}
	defer root.Close()
	return untar(tar.NewReader(plain), root, lim)
}

func untar(t *tar.Reader, root *os.Root, lim Limits) (files int, err error) {
	made := map[string]bool{".": true} // folders that are there already
	for entries := 0; ; entries++ {
		h, err := t.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return files, fmt.Errorf("cannot read archive after %d files: %w", files, err)
		}
		if entries >= lim.Files {
			return files, fmt.Errorf("%w: it holds more than %d files", ErrUnsafe, lim.Files)
		}
		name := path.Clean(h.Name)
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return files, fmt.Errorf("%w: %q leaves the folder", ErrUnsafe, h.Name)
		}
		if lim.Bytes -= h.Size; lim.Bytes < 0 {
			return files, fmt.Errorf("%w: its files are larger than the limit", ErrUnsafe)
		}
		if name != "." && strings.Contains("/"+name, "/.") {
			continue
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = makeDir(root, made, name)
		case tar.TypeReg:
			if err = makeDir(root, made, path.Dir(name)); err == nil {
				err = writeFile(root, name, t)
			}
			files++
		case tar.TypeXGlobalHeader: // a comment, as git archive writes it
		default:
			return files, fmt.Errorf("%w: %q is not a plain file", ErrUnsafe, h.Name)
		}
		if err != nil {
			return files, fmt.Errorf("cannot unpack %q: %w", h.Name, err)
		}
	}
}

func makeDir(root *os.Root, made map[string]bool, name string) error {
	if made[name] {
		return nil
	}
	made[name] = true
	return root.MkdirAll(filepath.FromSlash(name), 0o755)
}

func writeFile(root *os.Root, name string, r io.Reader) error {
	f, err := root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
