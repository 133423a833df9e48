//go:build !unix

package safetensors

import "io"

// mapFile reads the file into memory, where no portable mapping is at hand.
func mapFile(path string) (data []byte, release func() error, err error) {
	f, size, err := openSized(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data = make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, nil, err
	}
	return data, func() error { return nil }, nil
}
