package sim

import (
	"fmt"
	"io"
	"os"
)

// ReadFile reads a file with one of the readers of this package, or another. The error of parse is told with the file's name.
func ReadFile[T any](name string, parse func(io.Reader) (T, error)) (T, error) {
	f, err := os.Open(name)
	if err != nil {
		return *new(T), err
	}
	defer f.Close()
	t, err := parse(f)
	if err != nil {
		err = fmt.Errorf("cannot use %q: %w", name, err)
	}
	return t, err
}
