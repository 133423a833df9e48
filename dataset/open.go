package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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

// imageExtensions are the file names taken for images; others, such as a
// README or a .csv beside the images, are passed over.
var imageExtensions = map[string]bool{
	".jpg": true, ".jpeg": true, ".png": true, ".gif": true, ".webp": true, ".bmp": true,
}

// Listing is an image folder before anything is decoded.
type Listing struct {
	Classes []string // sorted, or as asked for
	Files   []string // paths, in the order of class and name
	Labels  []int64  // one a file, indexes into Classes
}

// List finds the images of the folder dir, one subfolder a class, without
// opening them. classes fixes the classes and their order (nil: the subfolders
// sorted by name). Names that begin with a dot are passed over.
func List(dir string, classes []string) (*Listing, error) {
	found, err := classFolders(dir)
	if err != nil {
		return nil, err
	}
	if classes == nil {
		classes = found
	}
	index := make(map[string]int64, len(classes))
	for i, name := range classes {
		index[name] = int64(i)
	}
	l := &Listing{Classes: classes}
	for _, name := range found {
		label, known := index[name]
		if !known {
			return nil, fmt.Errorf("cannot use folder %q: %q is not among the %d known classes (%s); rename or remove it",
				dir, name, len(classes), abbreviate(classes))
		}
		before := len(l.Files)
		if err := l.addClass(filepath.Join(dir, name), label); err != nil {
			return nil, err
		}
		if len(l.Files) == before {
			return nil, fmt.Errorf("cannot use class folder %q: %w: it holds no image; fill or remove it", filepath.Join(dir, name), ErrNoData)
		}
	}
	return l, nil
}

// classFolders returns the names of dir's subfolders, sorted.
func classFolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("cannot list data set %q: %w", dir, err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, e.Name())) // a class may be a symbolic link
		if err == nil && info.IsDir() {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("cannot open data set %q: %w: it has no class folders; images belong in %s",
			dir, ErrNoData, filepath.Join(dir, "<class>", "<name>.jpg"))
	}
	return names, nil
}

// addClass adds the images under dir, at any depth, in the order of their
// names. WalkDir does not enter a link, so the class folder itself is resolved
// first and the files keep the name the user knows.
func (l *Listing) addClass(dir string, label int64) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("cannot list class folder %q: %w", dir, err)
	}
	err = filepath.WalkDir(real, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(e.Name(), ".") && path != real:
			if e.IsDir() {
				return fs.SkipDir
			}
		case !e.IsDir() && imageExtensions[strings.ToLower(filepath.Ext(path))]:
			l.Files = append(l.Files, dir+strings.TrimPrefix(path, real))
			l.Labels = append(l.Labels, label)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot list class folder %q: %w", dir, err)
	}
	return nil
}

func abbreviate(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
