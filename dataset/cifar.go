package dataset

import (
	"cmp"
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

// Values of Options.Labels, for CIFAR-100.
const (
	FineLabels   = "fine"   // the 100 classes
	CoarseLabels = "coarse" // the 20 superclasses
)

// CIFAR images are 32×32 pixels, stored as a red, a green and a blue plane.
const (
	cifarSide   = 32
	cifarPlane  = cifarSide * cifarSide
	cifarPixels = 3 * cifarPlane
)

// cifar is one of the four forms in which CIFAR-10 and CIFAR-100 are published
// (https://www.cs.toronto.edu/~kriz/cifar.html).
type cifar struct {
	form        Form
	title       string
	folder      string // in the official archive
	train, test []string
	meta        string // file with the class names; of CIFAR-100's binary form, its end
	python      bool   // pickles, not records
	hundred     bool
}

var cifars = []cifar{
	{form: FormCIFAR10, title: "CIFAR-10", folder: BinaryFolder, train: BinaryBatches(Train), test: BinaryBatches(Test), meta: "batches.meta.txt"},
	{form: FormCIFAR10Python, title: "CIFAR-10", folder: "cifar-10-batches-py", python: true, meta: "batches.meta",
		train: []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"}, test: []string{"test_batch"}},
	{form: FormCIFAR100, title: "CIFAR-100", folder: "cifar-100-binary", hundred: true, train: []string{"train.bin"}, test: []string{"test.bin"}, meta: "_label_names.txt"},
	{form: FormCIFAR100Python, title: "CIFAR-100", folder: "cifar-100-python", hundred: true, python: true, train: []string{"train"}, test: []string{"test"}, meta: "meta"},
}

// BinaryBatches returns the file names of a split ("train" or "test") in
// CIFAR-10's binary folder.
func BinaryBatches(split string) []string {
	if split == Test {
		return []string{"test_batch.bin"}
	}
	return []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"}
}

// Files is what an official archive of CIFAR holds.
type Files struct {
	Folder            string // in the archive
	Train, Test, Meta []string
}

// CIFARFiles returns the files of a form of CIFAR; false for other forms.
func CIFARFiles(form Form) (Files, bool) {
	for _, c := range cifars {
		if c.form != form {
			continue
		}
		meta := []string{c.meta}
		if c.hundred && !c.python {
			meta = []string{FineLabels + c.meta, CoarseLabels + c.meta}
		}
		return Files{c.folder, c.train, c.test, meta}, true
	}
	return Files{}, false
}

// findCIFAR returns the form of CIFAR that lies in dir or in the archive's own
// folder in it, and that folder.
func findCIFAR(path string) (*cifar, string, bool) {
	for i := range cifars {
		c := &cifars[i]
		for _, dir := range []string{path, filepath.Join(path, c.folder)} {
			if isFile(filepath.Join(dir, c.train[0])) || isFile(filepath.Join(dir, c.test[0])) {
				return c, dir, true
			}
		}
	}
	return nil, "", false
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// cifarOfFile tells the form of a single batch by its name, or else by its
// content and length.
func cifarOfFile(path string) (*cifar, error) {
	name := filepath.Base(path)
	for i := range cifars {
		if c := &cifars[i]; slices.Contains(c.train, name) || slices.Contains(c.test, name) {
			return c, nil
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read CIFAR batch: %w", err) // names the file
	}
	defer f.Close()
	var head [1]byte
	f.Read(head[:]) // an empty file is the batch reader's to refuse
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read CIFAR batch: %w", err)
	}
	switch {
	case head[0] == 0x80: // how a pickle begins; no label is that high
		return &cifars[1], nil
	case info.Size()%(2+cifarPixels) == 0 && info.Size()%(1+cifarPixels) != 0:
		return &cifars[2], nil
	}
	return &cifars[0], nil
}

func (c *cifar) open(path, dir string, opts Options) (*Set, error) {
	switch opts.Split {
	case Train:
		return c.read(dir, c.train, opts)
	case Test:
		return c.read(dir, c.test, opts)
	case "":
		return nil, fmt.Errorf("cannot open data set %q: it holds two splits; name one of them, as in %q", path, filepath.Join(dir, c.test[0]))
	}
	return nil, fmt.Errorf("cannot open split %q of data set %q: the splits of %s are %q and %q", opts.Split, path, c.title, Train, Test)
}

// read reads the named batches of dir, in that order, into one set.
func (c *cifar) read(dir string, batches []string, opts Options) (*Set, error) {
	s := &Set{Height: cifarSide, Width: cifarSide}
	var err error
	if s.Classes, err = c.classes(dir, opts.Labels); err != nil {
		return nil, err
	}
	if opts.Classes != nil && !slices.Equal(opts.Classes, s.Classes) {
		return nil, fmt.Errorf("cannot use data set %q: its classes are %s, expected %s", dir, abbreviate(s.Classes), abbreviate(opts.Classes))
	}
	for _, name := range batches {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s batch: %w", c.title, err) // names the file
		}
		if err := c.decode(s, data, opts.Labels); err != nil {
			return nil, fmt.Errorf("cannot read %s batch %q: %w; fetch the archive again", c.title, path, err)
		}
	}
	if opts.Size != 0 {
		return s.Resized(opts.Size, opts.Resize)
	}
	return s, nil
}

func (c *cifar) decode(s *Set, data []byte, labels string) error {
	switch {
	case c.python:
		return s.appendPickle(data, c.labelKey(labels))
	case !c.hundred:
		return s.appendRecords(data, 1, 0)
	case labels == CoarseLabels:
		return s.appendRecords(data, 2, 0)
	}
	return s.appendRecords(data, 2, 1)
}

func (c *cifar) labelKey(labels string) string {
	switch {
	case !c.hundred:
		return "labels"
	case labels == CoarseLabels:
		return "coarse_labels"
	}
	return "fine_labels"
}

// classes returns the class names that lie beside the batches, or the known ones
// where there are none.
func (c *cifar) classes(dir, labels string) ([]string, error) {
	known, name, key := CIFAR10Classes(), c.meta, "label_names"
	switch {
	case labels != "" && labels != FineLabels && labels != CoarseLabels:
		return nil, fmt.Errorf("cannot use labels %q: they are %q or %q", labels, FineLabels, CoarseLabels)
	case labels == CoarseLabels && !c.hundred:
		return nil, fmt.Errorf("cannot use %s labels of %q: only CIFAR-100 has them", labels, dir)
	case c.hundred:
		known, labels = CIFAR100Classes(), cmp.Or(labels, FineLabels)
		if labels == CoarseLabels {
			known = CIFAR100Superclasses()
		}
		key = labels + "_label_names"
		if !c.python {
			name = labels + c.meta
		}
	}
	path := filepath.Join(dir, name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read class names: %w", err)
	}
	names := strings.Fields(string(data))
	if c.python {
		if names, err = pickledNames(data, key); err != nil {
			return nil, fmt.Errorf("cannot read class names in %q: %w", path, err)
		}
	}
	if len(names) != len(known) {
		return nil, fmt.Errorf("cannot read class names in %q: it lists %d names, expected %d", path, len(names), len(known))
	}
	return names, nil
}

// appendRecords adds the records of a binary batch, each of so many label bytes,
// of which the one at labelAt counts, and the planes of an image.
func (s *Set) appendRecords(data []byte, labelBytes, labelAt int) error {
	size := labelBytes + cifarPixels
	if len(data) == 0 || len(data)%size != 0 {
		return fmt.Errorf("its %d bytes are not a whole number of %d-byte records", len(data), size)
	}
	n := len(data) / size
	s.grow(n)
	for i := range n {
		record := data[i*size : (i+1)*size]
		if int(record[labelAt]) >= len(s.Classes) {
			return fmt.Errorf("record %d has label %d, there are %d classes", i, record[labelAt], len(s.Classes))
		}
		s.Labels = append(s.Labels, int64(record[labelAt]))
		appendPlanes(s, record[labelBytes:])
	}
	return nil
}

// grow makes room for n more images.
func (s *Set) grow(n int) {
	s.Images = slices.Grow(s.Images, n*cifarPixels)
	s.Labels = slices.Grow(s.Labels, n)
}

// appendPlanes adds an image, turning planes into pixels.
func appendPlanes[T []byte | string](s *Set, planes T) {
	r, g, b := planes[:cifarPlane], planes[cifarPlane:][:cifarPlane], planes[2*cifarPlane:][:cifarPlane]
	for p := range cifarPlane {
		s.Images = append(s.Images, r[p], g[p], b[p])
	}
}
