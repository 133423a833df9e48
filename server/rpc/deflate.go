package rpc

import (
	"compress/zlib"
	"io"

	"google.golang.org/grpc/encoding"
)

// deflate is the other compression that gRPC's own libraries offer beside gzip, which grpc-go leaves out: zlib's format, for all its name.
// tritonclient has a switch for it.
type deflate struct{}

// Registered as grpc-go registers gzip: the table of compressors may not change once a connection is open.
var _ = register(deflate{})

func register(c encoding.Compressor) bool {
	encoding.RegisterCompressor(c)
	return true
}

// Name implements encoding.Compressor.
func (deflate) Name() string { return "deflate" }

// Compress implements encoding.Compressor.
func (deflate) Compress(w io.Writer) (io.WriteCloser, error) {
	return zlib.NewWriterLevel(w, zlib.BestSpeed)
}

// Decompress implements encoding.Compressor. Its caller bounds what is read.
func (deflate) Decompress(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }
