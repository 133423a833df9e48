package wandb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errCorrupt says that a .wandb file is not what its framing says. What was read
// before it is whole.
var errCorrupt = errors.New("it is damaged")

// logReader reads the records of a .wandb file.
type logReader struct {
	r      *bufio.Reader
	offset int64
}

// newLogReader reads the header of a .wandb file.
func newLogReader(r io.Reader) (*logReader, error) {
	l := &logReader{r: bufio.NewReaderSize(r, 2*blockSize)}
	header := make([]byte, len(fileHeader))
	if err := l.read(header); err != nil {
		return nil, err
	}
	if string(header) != fileHeader {
		return nil, fmt.Errorf("%w: it does not begin as a .wandb file of version 0 does", errCorrupt)
	}
	return l, nil
}

// next returns the next record, which belongs to the caller. The error is io.EOF
// after the last one, io.ErrUnexpectedEOF where the file was cut within a record,
// and errCorrupt for anything else; there is nothing to read after either.
func (l *logReader) next() ([]byte, error) {
	var record []byte
	for first := true; ; first = false {
		kind, payload, err := l.chunk()
		if err == io.EOF && !first {
			err = io.ErrUnexpectedEOF // the record's later chunks are missing
		}
		if err != nil {
			return nil, err
		}
		if begins := kind == chunkFull || kind == chunkFirst; begins != first {
			return nil, fmt.Errorf("%w: a chunk of type %d is out of order", errCorrupt, kind)
		}
		record = append(record, payload...)
		if kind == chunkFull || kind == chunkLast {
			return record, nil
		}
	}
}

func (l *logReader) chunk() (kind byte, payload []byte, err error) {
	left := blockSize - int(l.offset%blockSize)
	if left < chunkHeader {
		if err := l.read(make([]byte, left)); err != nil {
			return 0, nil, err
		}
		left = blockSize
	}
	var header [chunkHeader]byte
	if err := l.read(header[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.LittleEndian.Uint16(header[4:]))
	kind = header[6]
	if n > left-chunkHeader || kind < chunkFull || kind > chunkLast {
		return 0, nil, fmt.Errorf("%w: a chunk of type %d with %d bytes where %d are left of its block", errCorrupt, kind, n, left)
	}
	payload = make([]byte, n)
	if err := l.read(payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	if checksum(kind, payload) != binary.LittleEndian.Uint32(header[:]) {
		return 0, nil, fmt.Errorf("%w: a chunk has another checksum", errCorrupt)
	}
	return kind, payload, nil
}

// read fills b; its error is io.EOF only when nothing was left.
func (l *logReader) read(b []byte) error {
	n, err := io.ReadFull(l.r, b)
	l.offset += int64(n)
	return err
}
