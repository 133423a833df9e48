// Package tgz reads and writes .tar.gz archives, in which gotorch keeps data
// sets: one stream to read from start to end, however many small files.
//
// A file's class is the name of the folder it lies in.
package tgz

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

// Reader reads an archive entry by entry, as the tar.Reader in it does. It
// belongs to one goroutine.
type Reader struct {
	*tar.Reader
	gzip *gzip.Reader
	file *os.File // nil for an archive that is not ours to close
}

// OpenFile opens the archive fn. The caller closes it.
func OpenFile(fn string) (*Reader, error) {
	f, err := os.Open(fn)
	if err != nil {
		return nil, fmt.Errorf("cannot open archive: %w", err)
	}
	r, err := NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read archive %q: %w", fn, errors.Join(err, f.Close()))
	}
	r.file = f
	return r, nil
}

// NewReader reads an archive from r, which stays the caller's to close. It fails
// when r does not begin with a gzip header.
func NewReader(r io.Reader) (*Reader, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return &Reader{Reader: tar.NewReader(z), gzip: z}, nil
}

// Next goes to the next entry; at the end of the archive it returns io.EOF.
//
// A tar reader stops at the archive's own end mark and leaves the compressed
// stream's checksum, which comes after, unread. Next reads it, so that a damaged
// archive is not taken for a good one.
func (r *Reader) Next() (*tar.Header, error) {
	header, err := r.Reader.Next()
	if err != io.EOF {
		return header, err
	}
	if _, err := io.Copy(io.Discard, r.gzip); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// Close ends the reading, and closes the file that OpenFile opened. It may be
// called more than once.
func (r *Reader) Close() error {
	err := r.gzip.Close()
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
		r.file = nil
	}
	return err
}

// Writer writes an archive entry by entry, as the tar.Writer in it does. It
// belongs to one goroutine.
type Writer struct {
	*tar.Writer
	gzip *gzip.Writer
	file *os.File // nil for an archive that is not ours to close
}

// CreateFile creates the archive fn, or empties the one that is there. The
// caller closes it.
func CreateFile(fn string) (*Writer, error) {
	f, err := os.Create(fn)
	if err != nil {
		return nil, fmt.Errorf("cannot create archive: %w", err)
	}
	w := NewWriter(f)
	w.file = f
	return w, nil
}

// NewWriter writes an archive to w, which stays the caller's to close.
func NewWriter(w io.Writer) *Writer {
	z := gzip.NewWriter(w)
	return &Writer{Writer: tar.NewWriter(z), gzip: z}
}

// Close writes the archive's end, and closes the file that CreateFile created,
// even when an error came before. Until it has returned nil the archive is not
// complete. It may be called more than once.
func (w *Writer) Close() error {
	err := errors.Join(w.Writer.Close(), w.gzip.Close())
	if w.file != nil {
		err = errors.Join(err, w.file.Close())
		w.file = nil
	}
	return err
}
