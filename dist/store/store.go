// Package store is a small key-value store over TCP in which the ranks of a training
// meet: they publish their addresses in it and wait for each other's.
//
// It speaks the protocol of PyTorch's TCPStore (torch/csrc/distributed/c10d,
// TCPStoreBackend.hpp of 2.11), in both directions, so that processes which torchrun
// started find the store that torchrun hosts. Requests and replies are bytes and
// integers in the machine's byte order, which all machines have in common here:
// little endian.
//
// There is no authentication, as there is none in PyTorch's: whoever reaches the port
// can read and change everything. Keep it inside a network whose machines you trust.
package store

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The requests, each one byte.
const (
	queryValidate = iota
	querySet
	queryCompareSet
	queryGet
	queryAdd
	queryCheck
	queryWait
	queryNumKeys
	queryDelete
	queryAppend
	queryMultiGet
	queryMultiSet
	queryCancelWait
	queryPing
)

// The replies of one byte to queryCheck and queryWait.
const (
	replyReady    = 0
	replyNotReady = 1
	replyDone     = 0
	replyCanceled = 1
)

const magic = 0x3C85F7CE // follows queryValidate, the first request of a connection

// keyPrefix is what PyTorch's clients put before each key.
const keyPrefix = "/"

// Limits of what a peer may ask for: a stray connection must not make the process
// reserve gigabytes.
const (
	maxBytes = 64 << 20
	maxKeys  = 1 << 16
)

// wire reads and writes the protocol's elements. The first error stays.
type wire struct {
	r   *bufio.Reader
	w   *bufio.Writer
	err error
}

func newWire(rw io.ReadWriter) *wire {
	return &wire{r: bufio.NewReader(rw), w: bufio.NewWriter(rw)}
}

func (w *wire) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *wire) readByte() byte {
	b, err := w.r.ReadByte()
	if err != nil {
		w.fail(err)
	}
	return b
}

func (w *wire) readUint32() uint32 {
	var b [4]byte
	if _, err := io.ReadFull(w.r, b[:]); err != nil {
		w.fail(err)
	}
	return binary.LittleEndian.Uint32(b[:])
}

func (w *wire) readUint64() uint64 {
	var b [8]byte
	if _, err := io.ReadFull(w.r, b[:]); err != nil {
		w.fail(err)
	}
	return binary.LittleEndian.Uint64(b[:])
}

// readCount reads a number that a peer chose, at most max.
func (w *wire) readCount(max uint64) uint64 {
	n := w.readUint64()
	if w.err == nil && n > max {
		w.fail(fmt.Errorf("a peer announced %d bytes or keys, more than the %d allowed: it speaks another protocol", n, max))
	}
	if w.err != nil {
		return 0
	}
	return n
}

func (w *wire) readBytes() []byte {
	n := w.readCount(maxBytes)
	if w.err != nil {
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(w.r, b); err != nil {
		w.fail(err)
	}
	return b
}

func (w *wire) readKey() string { return string(w.readBytes()) }

func (w *wire) readKeys() []string {
	var keys []string
	for range w.readCount(maxKeys) {
		if w.err != nil {
			return nil
		}
		keys = append(keys, w.readKey())
	}
	return keys
}

func (w *wire) writeByte(b byte) { w.write([]byte{b}) }

func (w *wire) writeUint32(v uint32) { w.write(binary.LittleEndian.AppendUint32(nil, v)) }

func (w *wire) writeUint64(v uint64) { w.write(binary.LittleEndian.AppendUint64(nil, v)) }

func (w *wire) writeBytes(b []byte) {
	w.writeUint64(uint64(len(b)))
	w.write(b)
}

func (w *wire) writeKeys(keys []string) {
	w.writeUint64(uint64(len(keys)))
	for _, k := range keys {
		w.writeBytes([]byte(k))
	}
}

func (w *wire) write(b []byte) {
	if w.err != nil {
		return
	}
	if _, err := w.w.Write(b); err != nil {
		w.fail(err)
	}
}

func (w *wire) flush() {
	if w.err != nil {
		return
	}
	if err := w.w.Flush(); err != nil {
		w.fail(err)
	}
}
