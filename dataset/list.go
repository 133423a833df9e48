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

// imageExtensions are the file names taken for images; others, such as a
// README or a .csv beside the images, are passed over.
var imageExtensions = map[string]bool{
	".jpg": true, ".jpeg": true, ".png": true, ".gif": true, ".webp": true, ".bmp": true,
}

// IsImageName tells whether a file of that name is taken for an image.
func IsImageName(name string) bool { return imageExtensions[strings.ToLower(filepath.Ext(name))] }

// foreignExtensions are images that others read and vision does not. They are
// passed over, too, but not in silence.
var foreignExtensions = map[string]bool{
	".tif": true, ".tiff": true, ".ppm": true, ".pgm": true, ".avif": true, ".heic": true, ".jp2": true, ".jxl": true,
}

// Reasons why an image is passed over.
var (
	errForeign = errors.New("its format is not read; convert it to JPEG, PNG, WebP, GIF or BMP")
	errNoClass = errors.New("it lies beside the class folders, so it has no class")
)

// Listing is an image folder before anything is decoded.
type Listing struct {
	Classes []string // sorted, or as asked for
	Files   []string // paths, in the order of class and name
	Labels  []int64  // one a file, indexes into Classes

	// Passed lists the images that are not part of the set, and why: those beside
	// the class folders and those in a format that is not read.
	Passed []Skipped
}

// List finds the images of the folder dir, one subfolder a class, without
// opening them. classes fixes the classes and their order (nil: the subfolders
// sorted by name). A class's images may lie at any depth in its folder. Names
// that begin with a dot are passed over; symbolic links are followed.
func List(dir string, classes []string) (*Listing, error) {
	l := &Listing{Classes: classes}
	found, err := l.classFolders(dir)
	if err != nil {
		return nil, err
	}
	if classes == nil {
		l.Classes = found
	}
	index := make(map[string]int64, len(l.Classes))
	for i, name := range l.Classes {
		index[name] = int64(i)
	}
	for _, name := range found {
		label, known := index[name]
		if !known {
			return nil, fmt.Errorf("cannot use folder %q: %q is not among the %d known classes (%s); rename or remove it",
				dir, name, len(l.Classes), abbreviate(l.Classes))
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
func (l *Listing) classFolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("cannot list data set %q: %w", dir, err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // a class may be a symbolic link
		switch ext := strings.ToLower(filepath.Ext(path)); {
		case err == nil && info.IsDir():
			names = append(names, e.Name())
		case imageExtensions[ext] || foreignExtensions[ext]:
			l.Passed = append(l.Passed, Skipped{File: path, Err: errNoClass})
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("cannot open data set %q: %w: it has no class folders; images belong in %s",
			dir, ErrNoData, filepath.Join(dir, "<class>", "<name>.jpg"))
	}
	return names, nil
}

// addClass adds the images under dir, at any depth, in the order of their names.
func (l *Listing) addClass(dir string, label int64) error {
	real, err := filepath.EvalSymlinks(dir)
	if err == nil {
		err = l.walk(dir, label, []string{real})
	}
	if err != nil {
		return fmt.Errorf("cannot list class folder %q: %w", dir, err)
	}
	return nil
}

// walk adds the images under dir. above holds the real paths of dir and of the
// folders that it was reached through: a link to one of them is a circle.
func (l *Listing) walk(dir string, label int64, above []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		ext := strings.ToLower(filepath.Ext(e.Name()))
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case isFolder(path, e):
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				return err
			}
			if slices.Contains(above, real) {
				return fmt.Errorf("%q is a link to a folder that it lies in; remove it", path)
			}
			if err := l.walk(path, label, append(above[:len(above):len(above)], real)); err != nil {
				return err
			}
		case imageExtensions[ext]:
			l.Files = append(l.Files, path)
			l.Labels = append(l.Labels, label)
		case foreignExtensions[ext]:
			l.Passed = append(l.Passed, Skipped{File: path, Err: errForeign})
		}
	}
	return nil
}

// isFolder follows a link. One that leads nowhere is no folder: where it is named
// like an image, loading it says what is wrong.
func isFolder(path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func abbreviate(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
