package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// BinaryFolder is the folder inside CIFAR-10's official binary archive.
const BinaryFolder = "cifar-10-batches-bin"

// CIFAR-10's binary form: a batch is a row of records, a record is one label
// byte and then the red, the green and the blue plane of a 32×32 image.
const (
	cifarSide   = 32
	cifarPlane  = cifarSide * cifarSide
	cifarRecord = 1 + 3*cifarPlane
)

// CIFAR10Classes returns the ten class names in the order of their labels,
// which is also the order of the alphabet.
func CIFAR10Classes() []string {
	return []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
}

// BinaryBatches returns the file names of a split ("train" or "test") in
// CIFAR-10's binary folder.
func BinaryBatches(split string) []string {
	if split == Test {
		return []string{"test_batch.bin"}
	}
	return []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"}
}

// findBinary returns the folder with CIFAR-10's batches: dir or the archive's
// own folder in it.
func findBinary(dir string) (string, bool) {
	for _, d := range []string{dir, filepath.Join(dir, BinaryFolder)} {
		for _, split := range []string{Train, Test} {
			if _, err := os.Stat(filepath.Join(d, BinaryBatches(split)[0])); err == nil {
				return d, true
			}
		}
	}
	return "", false
}

func openBinary(path, dir string, opts Options) (*Set, error) {
	if opts.Split == "" {
		return nil, fmt.Errorf("cannot open data set %q: it holds two splits; name one of them, as in %q", path, filepath.Join(dir, BinaryBatches(Test)[0]))
	}
	return openBatches(dir, BinaryBatches(opts.Split), opts)
}

// openBatches reads the named batches of dir, in that order, into one set.
func openBatches(dir string, batches []string, opts Options) (*Set, error) {
	s := &Set{Height: cifarSide, Width: cifarSide}
	var err error
	if s.Classes, err = readMeta(dir); err != nil {
		return nil, err
	}
	if opts.Classes != nil && !slices.Equal(opts.Classes, s.Classes) {
		return nil, fmt.Errorf("cannot use data set %q: its classes are %s, expected %s", dir, abbreviate(s.Classes), abbreviate(opts.Classes))
	}
	for _, name := range batches {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read CIFAR-10 batch: %w", err) // names the file
		}
		if err := s.appendBatch(data); err != nil {
			return nil, fmt.Errorf("cannot read CIFAR-10 batch %q: %w; fetch the archive again", path, err)
		}
	}
	if opts.Size != 0 {
		return s.Resized(opts.Size, opts.Resize)
	}
	return s, nil
}

// readMeta returns the class names in batches.meta.txt, or the known ones
// where that file is missing.
func readMeta(dir string) ([]string, error) {
	path := filepath.Join(dir, "batches.meta.txt")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return CIFAR10Classes(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read class names: %w", err)
	}
	names := strings.Fields(string(data))
	if len(names) != len(CIFAR10Classes()) {
		return nil, fmt.Errorf("cannot read class names in %q: it lists %d names, CIFAR-10 has %d", path, len(names), len(CIFAR10Classes()))
	}
	return names, nil
}

// appendBatch adds the records of one batch, turning planes into pixels.
func (s *Set) appendBatch(data []byte) error {
	if len(data) == 0 || len(data)%cifarRecord != 0 {
		return fmt.Errorf("its %d bytes are not a whole number of %d-byte records", len(data), cifarRecord)
	}
	n := len(data) / cifarRecord
	s.Images = slices.Grow(s.Images, n*3*cifarPlane)
	s.Labels = slices.Grow(s.Labels, n)
	for i := range n {
		record := data[i*cifarRecord : (i+1)*cifarRecord]
		if int(record[0]) >= len(s.Classes) {
			return fmt.Errorf("record %d has label %d, there are %d classes", i, record[0], len(s.Classes))
		}
		s.Labels = append(s.Labels, int64(record[0]))
		r, g, b := record[1:][:cifarPlane], record[1+cifarPlane:][:cifarPlane], record[1+2*cifarPlane:][:cifarPlane]
		for p := range cifarPlane {
			s.Images = append(s.Images, r[p], g[p], b[p])
		}
	}
	return nil
}
