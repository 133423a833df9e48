package tgz_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/tool/tgz"
)

// FuzzReader packs the tar bytes itself: behind gzip's checksum a fuzzer would
// hardly ever reach the entries. The reader must end, with an error or without,
// and give no more than is there.
func FuzzReader(f *testing.F) {
	z, err := gzip.NewReader(bytes.NewReader(synthetic(f)))
	require.NoError(f, err)
	plain, err := io.ReadAll(z)
	require.NoError(f, err)
	f.Add(plain)
	f.Add(plain[:700])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, plain []byte) {
		var archive bytes.Buffer
		z, err := gzip.NewWriterLevel(&archive, gzip.NoCompression)
		require.NoError(t, err)
		_, err = z.Write(plain)
		require.NoError(t, err)
		require.NoError(t, z.Close())

		r, err := tgz.NewReader(&archive)
		require.NoError(t, err)
		defer r.Close()
		for {
			header, err := r.Next()
			if err != nil {
				return
			}
			if header.Typeflag != tar.TypeReg {
				continue // a folder or a link has no bytes, whatever its header says
			}
			if header.Size > 1<<20 {
				continue // a sparse file, whose holes are not in the archive
			}
			if n, err := io.Copy(io.Discard, r); err == nil && n != header.Size {
				t.Errorf("%q has %d bytes; its header says %d", header.Name, n, header.Size)
			}
		}
	})
}
