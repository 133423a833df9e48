package tgz

import (
	"archive/tar"
	"io"
)

// ListFile returns the headers of the regular files in the archive fn, in order.
// It has to decompress all of it.
func ListFile(fn string) ([]*tar.Header, error) {
	r, err := OpenFile(fn)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return List(r)
}

// List reads r to its end and returns the headers of the regular files, in
// order. Folders, links and devices are left out.
func List(r *Reader) ([]*tar.Header, error) {
	files := []*tar.Header{}
	for {
		header, err := r.Next()
		switch {
		case err == io.EOF:
			return files, nil
		case err != nil:
			return nil, err
		case header.Typeflag == tar.TypeReg:
			files = append(files, header)
		}
	}
}
