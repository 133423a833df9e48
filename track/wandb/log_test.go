package wandb

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// logOf frames records as a whole file.
func logOf(records ...[]byte) []byte {
	b := []byte(fileHeader)
	for _, r := range records {
		b = appendRecord(b, int64(len(b)), r)
	}
	return b
}

// TestLogBytes holds the framing to bytes worked out by hand, with zlib.crc32.
func TestLogBytes(t *testing.T) {
	f := func(want string, records ...string) {
		t.Helper()
		var bs [][]byte
		for _, r := range records {
			bs = append(bs, []byte(r))
		}
		require.Equal(t, "3a572642e1be00"+want, hex.EncodeToString(logOf(bs...)))
	}
	f("")
	f("1bdf05a5"+"0000"+"01", "")
	f("9d23ac8a"+"0500"+"01"+hex.EncodeToString([]byte("hello")), "hello")
	f("9d23ac8a"+"0500"+"01"+hex.EncodeToString([]byte("hello"))+"1bdf05a5"+"0000"+"01", "hello", "")
}

// chunks lists the types and lengths of the chunks in a file, and where they begin.
func chunks(t *testing.T, file []byte) (kinds []byte, lengths, offsets []int) {
	t.Helper()
	for at := len(fileHeader); at < len(file); {
		if left := blockSize - at%blockSize; left < chunkHeader {
			require.Equal(t, make([]byte, left), file[at:at+left], "padding")
			at += left
			continue
		}
		n := int(file[at+4]) | int(file[at+5])<<8
		kinds, lengths, offsets = append(kinds, file[at+6]), append(lengths, n), append(offsets, at)
		at += chunkHeader + n
	}
	return kinds, lengths, offsets
}

// TestLogBlocks is about the ends of blocks.
func TestLogBlocks(t *testing.T) {
	const first = blockSize - 7 // the header shortens the first block
	f := func(kinds []byte, lengths []int, sizes ...int) {
		t.Helper()
		var records [][]byte
		for i, n := range sizes {
			records = append(records, bytes.Repeat([]byte{byte('a' + i)}, n))
		}
		gotKinds, gotLengths, offsets := chunks(t, logOf(records...))
		require.Equal(t, kinds, gotKinds)
		require.Equal(t, lengths, gotLengths)
		for i, at := range offsets {
			require.LessOrEqual(t, at%blockSize+chunkHeader+lengths[i], blockSize, "a chunk is within a block")
		}
	}
	const h = chunkHeader
	f([]byte{chunkFull}, []int{first - h}, first-h)
	f([]byte{chunkFirst, chunkLast}, []int{first - h, 1}, first-h+1)
	f([]byte{chunkFirst, chunkMiddle, chunkLast}, []int{first - h, blockSize - h, 1}, first-h+blockSize-h+1)
	f([]byte{chunkFull, chunkFull}, []int{first - h - 6, 3}, first-h-6, 3)              // six bytes left: padding
	f([]byte{chunkFull, chunkFirst, chunkLast}, []int{first - 2*h, 0, 3}, first-2*h, 3) // room for a header alone
	f([]byte{chunkFull, chunkFull}, []int{first - 2*h, 0}, first-2*h, 0)                // which is all an empty record needs
	f([]byte{chunkFull, chunkFirst, chunkLast}, []int{first - 2*h - 1, 1, 2}, first-2*h-1, 3)
}

// TestLogRoundTrip writes records of many sizes and cuts the file everywhere near
// their ends: what is before the cut is read.
func TestLogRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "run.wandb")
	w, err := createLog(path)
	require.NoError(t, err)
	var records [][]byte
	var ends []int64
	for _, n := range []int{0, 1, 100, 32 << 10, 5, 32740, 17, 200_000, 3, 65536, 0, 9} {
		r := make([]byte, n)
		for i := range r {
			r[i] = byte(rng.Uint32())
		}
		records = append(records, r)
		require.NoError(t, w.write(r))
		ends = append(ends, w.size)
	}
	require.NoError(t, w.close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, logOf(records...), data)

	for i, end := range ends {
		for _, cut := range []int64{end - 1, end, end + 1, end + 8} {
			if cut < int64(len(fileHeader)) || cut > int64(len(data)) {
				continue
			}
			got, err := readLog(data[:cut])
			whole := i
			for whole < len(ends) && ends[whole] <= cut {
				whole++
			}
			require.Len(t, got, whole, "cut at %d", cut)
			require.True(t, err == io.EOF || err == io.ErrUnexpectedEOF, "%v", err)
			for j := range got {
				require.True(t, bytes.Equal(records[j], got[j]))
			}
		}
	}
}

// readLog reads all records of a file, and what ended them.
func readLog(data []byte) ([][]byte, error) {
	r, err := newLogReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for {
		record, err := r.next()
		if err != nil {
			return records, err
		}
		records = append(records, record)
	}
}

func TestLogReaderRefuses(t *testing.T) {
	whole := logOf([]byte("one"), []byte("two"))
	f := func(want string, spoil func([]byte) []byte, records int) {
		t.Helper()
		got, err := readLog(spoil(bytes.Clone(whole)))
		require.Len(t, got, records)
		require.ErrorIs(t, err, errCorrupt)
		require.ErrorContains(t, err, want)
	}
	f("does not begin", func(b []byte) []byte { b[6] = 1; return b }, 0)
	f("checksum", func(b []byte) []byte { b[len(b)-1]++; return b }, 1)
	f("checksum", func(b []byte) []byte { b[7]++; return b }, 0)
	f("type 9", func(b []byte) []byte { b[13] = 9; return b }, 0)
	f("type 0", func(b []byte) []byte { return append(b, make([]byte, 64)...) }, 2) // zeros after a loss of power
	f("out of order", func(b []byte) []byte { return appendChunk(b, chunkLast, []byte("x")) }, 2)
	f("out of order", func(b []byte) []byte { return appendChunk(appendChunk(b, chunkFirst, nil), chunkFull, nil) }, 2)
	f("bytes where", func(b []byte) []byte { b[11], b[12] = 0xff, 0xff; return b }, 0)
}

// TestLogGoesOnAfterFailedWrite fills the disk, in effect: the record that failed is
// not in the file, and the next one is.
func TestLogGoesOnAfterFailedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.wandb")
	w, err := createLog(path)
	require.NoError(t, err)
	require.NoError(t, w.write([]byte("one")))
	writable := w.file
	w.file, err = os.Open(path) // a write fails
	require.NoError(t, err)
	require.ErrorContains(t, w.write([]byte("two")), path)
	require.ErrorContains(t, w.write([]byte("two")), path, "it cannot be taken back either")
	require.NoError(t, w.file.Close())

	w.file, w.broken = writable, nil
	_, err = w.file.WriteString("half a rec") // what a full disk leaves
	require.NoError(t, err)
	require.NoError(t, w.rewind())
	require.NoError(t, w.write([]byte("three")))
	require.NoError(t, w.close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	got, err := readLog(data)
	require.Equal(t, io.EOF, err)
	require.Equal(t, [][]byte{[]byte("one"), []byte("three")}, got)

	_, err = createLog(path)
	require.ErrorIs(t, err, os.ErrExist, "a log is never written over")
}

func FuzzLogReader(f *testing.F) {
	f.Add(logOf())
	f.Add(logOf([]byte("one"), nil, bytes.Repeat([]byte("two"), 12_000)))
	f.Add(logOf([]byte("cut"))[:12])
	f.Add(append(logOf([]byte("zeros")), make([]byte, 100)...))
	f.Add(logOf(record(1, kindHistory, historyRecord(3, []pair{{"loss", "0.5"}, {"_runtime", "1.5"}}))))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := readLog(data)
		if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, errCorrupt) {
			t.Fatalf("unexpected error %v", err)
		}
		if again := logOf(records...); err == io.EOF && len(data) >= len(fileHeader) && len(records) > 0 {
			got, err := readLog(again)
			if err != io.EOF || len(got) != len(records) {
				t.Fatalf("%d records were written as a log of %d: %v", len(records), len(got), err)
			}
		}
		var e earlier
		sum := newSummary(nil)
		for _, r := range records { // what a resumed run does with them
			for f, err := range message(r).fields() {
				if err == nil && f.number == kindHistory {
					e.row(f.bytes, sum)
				}
			}
		}
		sum.all()
	})
}
