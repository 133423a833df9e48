package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Form is a way in which data sets lie on disk.
type Form string

// The forms that Detect tells apart.
const (
	FormCIFAR10        Form = "CIFAR-10, binary"
	FormCIFAR10Python  Form = "CIFAR-10, Python"
	FormCIFAR100       Form = "CIFAR-100, binary"
	FormCIFAR100Python Form = "CIFAR-100, Python"
	FormFolder         Form = "image folder"      // <class>/**/<name>.jpg
	FormShards         Form = "WebDataset shards" // tar archives
	FormSplits         Form = "folders of splits" // train/ and val/ or test/, each of one of the forms above
	Train                   = "train"             // name of a split, as a folder and as Options.Split
	Val                     = "val"               // likewise; folders may be named valid or validation, too
	Test                    = "test"              // likewise
)

// splitFolders lists the names that a split's folder may have.
var splitFolders = map[string][]string{
	Train: {"train", "training"}, Val: {"val", "valid", "validation"}, Test: {"test"},
}

// splitOf returns the split that a name stands for, or "".
func splitOf(name string) string {
	for split, names := range splitFolders {
		if slices.Contains(names, strings.ToLower(name)) {
			return split
		}
	}
	return ""
}

// splitDirs returns the folders of dir's splits, if dir has them: one for training
// and at least one other, and no folder besides. Other folders make them classes.
func splitDirs(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	dirs := map[string]string{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") || !isFolder(path, e) || isArchiveFolder(e.Name()) {
			continue
		}
		split := splitOf(e.Name())
		if split == "" {
			return nil, nil
		}
		if other, twice := dirs[split]; twice {
			return nil, fmt.Errorf("cannot open data set %q: %q and %q are both its %s split; remove one of them", dir, other, path, split)
		}
		dirs[split] = path
	}
	if dirs[Train] == "" || len(dirs) < 2 {
		return nil, nil
	}
	return dirs, nil
}

// isArchiveFolder: the folders of CIFAR's archives may lie beside train/ and test/.
func isArchiveFolder(name string) bool {
	return slices.ContainsFunc(cifars, func(c cifar) bool { return c.folder == name })
}

// Detect finds out the form of the data set at path by what is there. ErrNoData is
// wrapped when nothing is recognised.
func Detect(path string) (Form, error) {
	if isShardPattern(path) {
		return FormShards, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("cannot open data set %q: %w; run `make data`, or set data.dir to a folder of images", path, err)
	}
	if !info.IsDir() {
		if strings.HasSuffix(path, ".tar.gz") || strings.HasSuffix(path, ".tgz") || strings.HasSuffix(path, ".zip") {
			return "", fmt.Errorf("cannot open data set %q: %w: it is an archive; unpack it and give the folder", path, ErrNoData)
		}
		c, err := cifarOfFile(path)
		if err != nil {
			return "", err
		}
		return c.form, nil
	}
	if c, _, ok := findCIFAR(path); ok {
		return c.form, nil
	}
	dirs, err := splitDirs(path)
	if err != nil {
		return "", err
	}
	shards, err := shardsIn(path)
	if err != nil {
		return "", err
	}
	_, noClass := new(Listing).classFolders(path)
	switch {
	case dirs != nil:
		return FormSplits, nil
	case slices.ContainsFunc(shards, func(name string) bool { return strings.HasSuffix(name, ".tar") }), len(shards) > 0 && noClass != nil:
		return FormShards, nil
	case noClass != nil:
		return "", noClass
	}
	return FormFolder, nil
}
