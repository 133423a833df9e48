package wandb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// A .wandb file is a log of records in the framing of LevelDB's log, with a
// header and a checksum of W&B's own (core/pkg/leveldb/record.go in
// github.com/wandb/wandb):
//
//	file   = ":W&B", 0xBEE1 (2 bytes), version 0 (1 byte), blocks of 32 KiB
//	block  = chunks, then zeros where less than a chunk's header is left
//	chunk  = CRC-32 of type and payload (4 bytes), length (2), type (1), payload
//	record = one full chunk, or a first, any number of middle ones and a last
//
// Numbers are little-endian. Blocks are counted from the start of the file, so
// the header shortens the first. The checksum is CRC-32 with the IEEE polynomial,
// as in zip, where LevelDB masks CRC-32C.
const (
	fileHeader  = ":W&B\xe1\xbe\x00"
	blockSize   = 32 << 10
	chunkHeader = 7
)

// The types of a chunk.
const (
	chunkFull   = 1
	chunkFirst  = 2
	chunkMiddle = 3
	chunkLast   = 4
)

// logWriter appends records to a .wandb file. A record is handed to the system
// before write returns, so a process that is killed loses none of them. It is for
// one goroutine at a time.
type logWriter struct {
	file   *os.File
	size   int64 // of the whole records in the file
	buf    []byte
	broken error // why nothing can be appended any more
}

// createLog begins the file at path, which does not exist.
func createLog(path string) (*logWriter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteString(fileHeader); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &logWriter{file: f, size: int64(len(fileHeader))}, nil
}

// write appends one record. After an error, of a full disk say, the part that was
// written is taken back, and later records may be written again.
func (w *logWriter) write(record []byte) error {
	if w.broken != nil {
		return w.broken
	}
	w.buf = appendRecord(w.buf[:0], w.size, record)
	n, err := w.file.Write(w.buf)
	if err == nil {
		w.size += int64(n)
		return nil
	}
	err = fmt.Errorf("cannot write W&B record: %w", err) // names the file
	if back := w.rewind(); back != nil {
		w.broken = errors.Join(err, back)
	}
	return err
}

func (w *logWriter) rewind() error {
	if err := w.file.Truncate(w.size); err != nil {
		return err
	}
	_, err := w.file.Seek(w.size, 0)
	return err
}

// close makes sure that the records survive a loss of power, too.
func (w *logWriter) close() error {
	return errors.Join(w.file.Sync(), w.file.Close())
}

// appendRecord appends to dst what a record is in the file when its first byte
// goes to the given offset.
func appendRecord(dst []byte, offset int64, record []byte) []byte {
	start := len(dst)
	for first := true; ; first = false {
		left := blockSize - int(offset+int64(len(dst)-start))%blockSize
		if left < chunkHeader {
			dst = append(dst, make([]byte, left)...)
			left = blockSize
		}
		n := min(len(record), left-chunkHeader)
		dst = appendChunk(dst, chunkType(first, n == len(record)), record[:n])
		if record = record[n:]; len(record) == 0 {
			return dst
		}
	}
}

func chunkType(first, last bool) byte {
	switch {
	case first && last:
		return chunkFull
	case first:
		return chunkFirst
	case last:
		return chunkLast
	}
	return chunkMiddle
}

func appendChunk(dst []byte, kind byte, payload []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, checksum(kind, payload))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(payload))) // below 32 KiB
	dst = append(dst, kind)
	return append(dst, payload...)
}

func checksum(kind byte, payload []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte{kind}), crc32.IEEETable, payload)
}
