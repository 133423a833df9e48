package dataset

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/torchlit/torchlit/vision"
)

// ErrNoData says that a folder holds no data set in a form known here.
var ErrNoData = errors.New("no data set found")

// Options says how to open a data set. The zero value is ready to use.
type Options struct {
	// Split picks "train", "val" or "test" where the folder holds several.
	Split string
	// Classes fixes the classes and their order, as a trained model's labels
	// do. A class folder that is not among them is an error; one that is
	// missing is not. Nil: the class folders, sorted by name.
	Classes []string
	// Labels picks FineLabels ("": these) or CoarseLabels of CIFAR-100.
	Labels string
	// Size resizes images to Size×Size pixels. 0: as they are; a Set needs all of
	// one size then.
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
	// them as Skipped, instead of failing at the first of them. What is decoded
	// only when a Loader asks for it is the Loader's to tolerate.
	SkipCorrupt bool
	// MaxCorrupt is how many of them are too many. 0: what DefaultTolerance says.
	MaxCorrupt int
	// InMemory says what OpenSource keeps in memory.
	InMemory InMemory
	// Workers is the number of goroutines that decode. 0: one a core.
	Workers int
	// MaxBytes bounds the memory of the decoded images. 0: 16 GiB, and for
	// OpenSource not more than half of the memory that the machine has to spare.
	MaxBytes int64
	// CacheDir is where shards from http:// and https:// addresses are kept. Several
	// processes may share it.
	CacheDir string
	// Log is told what takes long: the shards that are fetched, and what goes wrong
	// with it and is tried again. Nil: nobody.
	Log func(line string)
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
//   - CIFAR-10 or CIFAR-100 in the folder of its official binary or Python archive
//     (or the folder that contains that one), whose split Options.Split picks;
//   - a single CIFAR batch;
//   - a folder with train/ and val/ or test/ of the first form, by Options.Split.
//
// An image folder's images come in the order of class and file name. Errors
// name the file at fault; ErrNoData is wrapped when nothing is recognised.
// OpenSource takes WebDataset shards, too.
func Open(path string, opts Options) (*Set, error) {
	form, err := Detect(path)
	if err != nil {
		return nil, err
	}
	switch form {
	case FormShards:
		return nil, fmt.Errorf("cannot read shards %q into memory: open them as a source", path)
	case FormSplits:
		dir, err := pickSplit(path, opts.Split)
		if err != nil {
			return nil, err
		}
		opts.Split = ""
		return Open(dir, opts)
	case FormFolder:
		if err := checkSplit(path, opts.Split); err != nil {
			return nil, err
		}
		return openFolder(path, opts)
	}
	return openCIFAR(path, opts)
}

// openCIFAR opens the folder or the single batch at path.
func openCIFAR(path string, opts Options) (*Set, error) {
	if c, dir, ok := findCIFAR(path); ok {
		return c.open(path, dir, opts)
	}
	c, err := cifarOfFile(path)
	if err != nil {
		return nil, err
	}
	return c.read(filepath.Dir(path), []string{filepath.Base(path)}, opts)
}

// pickSplit returns the folder of a split.
func pickSplit(path, split string) (string, error) {
	dirs, err := splitDirs(path)
	if err != nil {
		return "", err
	}
	if split == "" {
		split := Test
		if dirs[Test] == "" {
			split = Val
		}
		return "", fmt.Errorf("cannot open data set %q: it holds several splits; name one of them, as in %q", path, dirs[split])
	}
	if dirs[split] == "" {
		return "", fmt.Errorf("cannot open split %q of data set %q: it has %s", split, path, quoted(dirs))
	}
	return dirs[split], nil
}

// quoted lists the splits there are.
func quoted(dirs map[string]string) string {
	text := ""
	for _, split := range []string{Train, Val, Test} {
		if dirs[split] == "" {
			continue
		}
		if text != "" {
			text += " and "
		}
		text += fmt.Sprintf("%q", split)
	}
	return text
}

// checkSplit refuses names that no split has. A folder without splits is what the
// caller says it is.
func checkSplit(path, split string) error {
	if split != "" && !slices.Contains([]string{Train, Val, Test}, split) {
		return fmt.Errorf("cannot open split %q of data set %q: the splits are %q, %q and %q", split, path, Train, Val, Test)
	}
	return nil
}

// OpenSplits reads both splits of the data set in dir: CIFAR-10 or CIFAR-100, or
// dir/train and dir/test (or else dir/val) with one folder a class. The test split
// uses the classes of the training split, so that labels mean the same in
// both. opts.Split is ignored.
func OpenSplits(dir string, opts Options) (train, test *Set, err error) {
	form, err := Detect(dir)
	if err != nil {
		return nil, nil, err
	}
	held := Test
	switch form {
	case FormFolder:
		return nil, nil, fmt.Errorf("cannot open data set %q: %w: it needs %s/<class>/ and %s/<class>/ folders with images, or the files of %s", dir, ErrNoData, Train, Test, BinaryFolder)
	case FormSplits:
		dirs, err := splitDirs(dir)
		if err != nil {
			return nil, nil, err
		}
		if dirs[Test] == "" {
			held = Val
		}
	}
	opts.Split = Train
	if train, err = Open(dir, opts); err != nil {
		return nil, nil, err
	}
	opts.Split, opts.Classes = held, train.Classes
	if test, err = Open(dir, opts); err != nil {
		return nil, nil, err
	}
	if train.Height != test.Height || train.Width != test.Width {
		return nil, nil, fmt.Errorf("cannot use data set %q: training images are %dx%d pixels, test images %dx%d; give a size to resize both to",
			dir, train.Width, train.Height, test.Width, test.Height)
	}
	return train, test, nil
}
