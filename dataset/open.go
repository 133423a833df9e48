package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/torchlit/torchlit/vision"
)

// ErrNoData says that a folder holds no data set in a form known here.
var ErrNoData = errors.New("no data set found")

// Names of the two splits, as folders and as Options.Split.
const (
	Train = "train"
	Test  = "test"
)

// Options says how to open a data set. The zero value is ready to use.
type Options struct {
	// Split picks "train" or "test" where the folder holds both.
	Split string
	// Classes fixes the classes and their order, as a trained model's labels
	// do. A class folder that is not among them is an error; one that is
	// missing is not. Nil: the class folders, sorted by name.
	Classes []string
	// Size resizes images to Size×Size pixels. 0: all must have one size.
	Size int
	// Resize resizes, when Size is set, from several goroutines at once. Nil:
	// vision.PillowResizer.
	Resize vision.Resizer
	// MinSide lets a JPEG image come at a half, a quarter or an eighth of its size
	// while both sides keep at least so many pixels: vision.DecodeDraft, which is
	// several times faster for photos. 0: as it is. Give what the transform needs;
	// twice that for one that enlarges small crops.
	MinSide int
	// SkipCorrupt leaves out files that cannot be read or decoded and lists
	// them in Set.Skipped, instead of failing at the first of them.
	SkipCorrupt bool
	// Workers is the number of goroutines that decode. 0: one a core.
	Workers int
	// MaxBytes bounds the memory of the decoded images. 0: 16 GiB.
	MaxBytes int64
}

const defaultMaxBytes = 16 << 30

func (o *Options) maxBytes() int64 {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return defaultMaxBytes
}

// Open reads the data set at path into memory and finds out its form:
//
//   - a folder of images sorted into <path>/<class>/**/*.{jpg,png,gif,webp,bmp};
//   - CIFAR-10's official binary folder (or the folder that contains
//     cifar-10-batches-bin), whose split Options.Split picks;
//   - a single CIFAR-10 batch, a .bin file;
//   - a folder with train/ and test/ of the first form, by Options.Split.
//
// An image folder's images come in the order of class and file name. Errors
// name the file at fault; ErrNoData is wrapped when nothing is recognised.
func Open(path string, opts Options) (*Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open data set %q: %w; run `make data`, or set data.dir to a folder of images", path, err)
	}
	if !info.IsDir() {
		return openBatches(filepath.Dir(path), []string{filepath.Base(path)}, opts)
	}
	if opts.Split != "" && opts.Split != Train && opts.Split != Test {
		return nil, fmt.Errorf("cannot open split %q of data set %q: the splits are %q and %q", opts.Split, path, Train, Test)
	}
	if dir, ok := findBinary(path); ok {
		return openBinary(path, dir, opts)
	}
	if isSplitRoot(path) {
		if opts.Split == "" {
			return nil, splitNeeded(path)
		}
		path = filepath.Join(path, opts.Split)
	}
	return openFolder(path, opts)
}

// OpenSplits reads both splits of the data set in dir: CIFAR-10's binary
// folder, or dir/train and dir/test with one folder a class. The test split
// uses the classes of the training split, so that labels mean the same in
// both. opts.Split is ignored.
func OpenSplits(dir string, opts Options) (train, test *Set, err error) {
	opts.Split = Train
	if _, ok := findBinary(dir); !ok && !isSplitRoot(dir) {
		if _, err := os.Stat(dir); err != nil {
			return nil, nil, fmt.Errorf("cannot open data set %q: %w; run `make data`, or set data.dir to a folder with %s/ and %s/", dir, err, Train, Test)
		}
		return nil, nil, fmt.Errorf("cannot open data set %q: %w: it needs %s/<class>/ and %s/<class>/ folders with images, or the files of %s", dir, ErrNoData, Train, Test, BinaryFolder)
	}
	if train, err = Open(dir, opts); err != nil {
		return nil, nil, err
	}
	opts.Split, opts.Classes = Test, train.Classes
	if test, err = Open(dir, opts); err != nil {
		return nil, nil, err
	}
	if train.Height != test.Height || train.Width != test.Width {
		return nil, nil, fmt.Errorf("cannot use data set %q: training images are %dx%d pixels, test images %dx%d; give a size to resize both to",
			dir, train.Width, train.Height, test.Width, test.Height)
	}
	return train, test, nil
}

func splitNeeded(path string) error {
	return fmt.Errorf("cannot open data set %q: it holds two splits; name one of them, as in %q", path, filepath.Join(path, Test))
}

// isSplitRoot tells whether dir holds the two splits as folders.
func isSplitRoot(dir string) bool {
	for _, split := range []string{Train, Test} {
		if info, err := os.Stat(filepath.Join(dir, split)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}
