package modeldir

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Write makes the folder dir from f's Config and Extras and from what fill puts
// into the folder tmp: the weights, under one of the names that [Open] knows,
// and any further files. A missing parent is made.
//
// It is atomic: everything happens in a hidden folder beside dir, which must
// pass [Open] and reach the disk before it takes dir's name. Readers, a crash
// and a failing fill see the old folder or the whole of the new one. An old
// folder is replaced with all that was in it; anything else at dir is an error.
// f is not changed.
func Write(dir string, f *Folder, fill func(tmp string) error) error {
	if err := write(dir, f, fill); err != nil {
		return fmt.Errorf("cannot write model folder %q: %w", dir, err)
	}
	return nil
}

func write(dir string, f *Folder, fill func(tmp string) error) error {
	dir, err := target(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Config.check(filepath.Join(dir, ConfigFile)), f.Extras.check(filepath.Join(dir, ExtrasFile))); err != nil {
		return err
	}
	parent, base := filepath.Split(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	tmp := filepath.Join(parent, tempName(base))
	if err := os.Mkdir(tmp, 0o777); err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // after success it is gone, or is the old folder
	if err := f.writeJSON(tmp); err != nil {
		return err
	}
	if err := fill(tmp); err != nil {
		return err
	}
	if _, err := Open(tmp); err != nil {
		return err
	}
	if err := syncTree(tmp); err != nil {
		return err
	}
	if err := swapIn(tmp, dir); err != nil {
		return err
	}
	return syncFile(parent)
}

// target is the absolute folder to write, behind any link, checked for being
// free or a model folder: a mistyped path must not cost someone a directory.
func target(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return dir, nil
	}
	// Weights alone do not make it one: a folder of checkpoints is someone's work.
	if err == nil && !hasConfig(dir) {
		err = errors.New("it exists, is not empty and is no model folder; choose another path")
	}
	return dir, err
}

// tempName is a name beside base that [List] and shell globs pass over.
func tempName(base string) string { return fmt.Sprintf(".%s.tmp-%016x", base, rand.Uint64()) }

func (f *Folder) writeJSON(dir string) error {
	config := f.Config
	if f.Extras.Stem == StemCIFAR {
		config.Pretrained.noteStem()
	}
	data, err := config.encode()
	if err != nil {
		return fmt.Errorf("%s: %w", ConfigFile, err)
	}
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), data, 0o666); err != nil {
		return err
	}
	return f.Extras.write(filepath.Join(dir, ExtrasFile))
}

func (e *Extras) write(file string) error {
	data, err := e.encode()
	if err != nil {
		return fmt.Errorf("%s: %w", ExtrasFile, err)
	}
	return os.WriteFile(file, data, 0o666)
}

// SaveExtras rewrites torchlit.json of an existing folder and leaves all else
// alone. It is atomic as [Write] is, for this one file.
func (f *Folder) SaveExtras() error {
	file := filepath.Join(f.Dir, ExtrasFile)
	if err := f.saveExtras(file); err != nil {
		return fmt.Errorf("cannot write %q: %w", file, err)
	}
	return nil
}

func (f *Folder) saveExtras(file string) error {
	if err := f.Extras.check(file); err != nil {
		return err
	}
	tmp := filepath.Join(f.Dir, tempName(ExtrasFile))
	defer os.Remove(tmp)
	if err := f.Extras.write(tmp); err != nil {
		return err
	}
	if err := syncFile(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, file); err != nil {
		return err
	}
	return syncFile(f.Dir)
}

// swapIn gives tmp the name dir. A directory cannot be renamed over one that
// has files in it, so where the system can swap two names at once that is used;
// elsewhere there is a moment in which dir is absent, but never one in which it
// is half. What was at dir, if anything, is at tmp afterwards or gone.
func swapIn(tmp, dir string) error {
	if !isFolder(dir) {
		// Absent, or an empty directory; not every system renames over the latter.
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Rename(tmp, dir)
	}
	if exchange(tmp, dir) == nil {
		return nil
	}
	return renameAround(tmp, dir)
}

// renameAround is the swap where the system has none: the old folder steps
// aside, and back if the new one cannot take its place.
func renameAround(tmp, dir string) error {
	parent, base := filepath.Split(dir)
	old := filepath.Join(parent, tempName(base))
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.RemoveAll(old)
}

func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncFile(path)
	})
}

// syncFile brings a file, or a directory's names, to the disk.
func syncFile(path string) error {
	if runtime.GOOS == "windows" {
		return nil // it cannot sync directories, nor files that are open for reading
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// hidden is whether a name is none of a user's models or files: temporary
// folders, version control, a volume's own.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "lost+found" }
