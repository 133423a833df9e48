package digits

import (
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/dataset/fetch"
)

// Mirror is the folder that torchvision, too, downloads MNIST from.
const Mirror = "https://ossci-datasets.s3.amazonaws.com/mnist/"

// files are MNIST's: pictures and labels to train with, pictures and labels to test.
var files = []fetch.File{
	{URL: "train-images-idx3-ubyte.gz", Size: 9912422, MD5: "f68b3c2dcbeaaa9fbdd348bbdeb94873"},
	{URL: "train-labels-idx1-ubyte.gz", Size: 28881, MD5: "d53e105ee54ea40749a09fcbcd1e9432"},
	{URL: "t10k-images-idx3-ubyte.gz", Size: 1648877, MD5: "9fb629c4189551a2d022fa330f9573f3"},
	{URL: "t10k-labels-idx1-ubyte.gz", Size: 4542, MD5: "ec29112dd5afa0611ce80d1b7f02629c"},
}

// MNIST reads the data set of LeCun, Cortes and Burges from its four files in dir. Those
// that are missing, or are not the published ones, are downloaded from the mirror.
func MNIST(ctx context.Context, dir, mirror string) (train, test *Set, err error) {
	return open(ctx, dir, mirror, files)
}

func open(ctx context.Context, dir, mirror string, files []fetch.File) (train, test *Set, err error) {
	if !strings.HasSuffix(mirror, "/") {
		mirror += "/"
	}
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = filepath.Join(dir, f.URL)
		f.URL = mirror + f.URL
		if err := fetch.Download(ctx, f, paths[i], fetch.Options{}); err != nil {
			return nil, nil, err
		}
	}
	if train, err = read(paths[0], paths[1]); err != nil {
		return nil, nil, err
	}
	if test, err = read(paths[2], paths[3]); err != nil {
		return nil, nil, err
	}
	return train, test, nil
}

// read makes a set of a file of pictures and one of labels.
func read(pictures, labels string) (*Set, error) {
	pixels, shape, err := readFile(pictures)
	if err != nil {
		return nil, err
	}
	if len(shape) != 3 || shape[1] != Side || shape[2] != Side {
		return nil, fmt.Errorf("cannot use %q: its shape is %v; pictures have [n %d %d]", pictures, shape, Side, Side)
	}
	s := &Set{Pixels: pixels}
	n := shape[0]
	if s.Labels, shape, err = readFile(labels); err != nil {
		return nil, err
	}
	if len(shape) != 1 || shape[0] != n || slices.Max(s.Labels) > 9 {
		return nil, fmt.Errorf("cannot use %q: it does not hold a label from 0 to 9 for each of %d pictures", labels, n)
	}
	return s, nil
}

func readFile(path string) (data []byte, shape []int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read MNIST: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err == nil {
		data, shape, err = ReadIDX(z)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read %q: %w", path, err)
	}
	return data, shape, nil
}
