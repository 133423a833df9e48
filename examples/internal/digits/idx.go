package digits

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxData bounds what a file's header may promise, 20 times what MNIST has.
const maxData = 1 << 30

// ReadIDX reads a file of bytes in the format of MNIST's publisher: two zeros, the
// element type (8 for bytes) and the number of dimensions, then the size of each
// dimension as 32 bits, big-endian, then the elements in row-major order. It returns an
// error unless r ends with the last one.
func ReadIDX(r io.Reader) (data []byte, shape []int, err error) {
	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, nil, fmt.Errorf("cannot read an idx header: %w", err)
	}
	if magic[0] != 0 || magic[1] != 0 || magic[2] != 8 || magic[3] == 0 || magic[3] > 4 {
		return nil, nil, fmt.Errorf("the first bytes are % x; an idx file of bytes begins with 00 00 08 and the number of dimensions, 1 to 4", magic)
	}
	size := 1
	for range magic[3] {
		var n uint32
		if err := binary.Read(r, binary.BigEndian, &n); err != nil {
			return nil, nil, fmt.Errorf("cannot read an idx header: %w", err)
		}
		if n == 0 || uint64(n)*uint64(size) > maxData {
			return nil, nil, fmt.Errorf("dimension %d has size %d; the data must have between 1 and %d bytes", len(shape), n, maxData)
		}
		shape = append(shape, int(n))
		size *= int(n)
	}
	// ReadAll grows with what is there, whatever the header promises.
	data, err = io.ReadAll(io.LimitReader(r, int64(size)+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(data) < size:
		return nil, nil, fmt.Errorf("the data ends after %d of %d bytes", len(data), size)
	case len(data) > size:
		return nil, nil, errors.New("there is more data than the header says")
	}
	return data, shape, nil
}
