package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// repoFolder is a repository's place in the cache.
type repoFolder struct{ cache, repo string }

func (f repoFolder) name() string { return "models--" + strings.ReplaceAll(f.repo, "/", "--") }

func (f repoFolder) path(parts ...string) string {
	for i, p := range parts {
		parts[i] = filepath.FromSlash(p)
	}
	return filepath.Join(append([]string{f.cache, f.name()}, parts...)...)
}

func (f repoFolder) blob(etag string) string { return f.path("blobs", etag) }

func (f repoFolder) snapshot(commit, name string) string { return f.path("snapshots", commit, name) }

func (f repoFolder) lock(etag string) string {
	return filepath.Join(f.cache, ".locks", f.name(), etag+".lock")
}

// find returns the path of a file that is in the cache at a revision; otherwise, whether
// the cache remembers that the revision has no such file.
func (f repoFolder) find(revision, name string) (path string, missing bool) {
	commit := revision
	if !commitHash.MatchString(revision) {
		data, err := os.ReadFile(f.path("refs", revision))
		if err != nil {
			return "", false
		}
		commit = strings.TrimSpace(string(data))
		if !token68.MatchString(commit) {
			return "", false
		}
	}
	path = f.snapshot(commit, name)
	if _, err := os.Stat(path); err == nil { // follows the link: the blob is there, too
		return path, false
	}
	_, err := os.Stat(f.path(".no_exist", commit, name))
	return "", err == nil
}

// remember writes which commit a branch or tag is at.
func (f repoFolder) remember(revision, commit string) error {
	if revision == commit {
		return nil
	}
	path := f.path("refs", revision)
	if data, err := os.ReadFile(path); err == nil && string(data) == commit {
		return nil
	}
	return writeFile(path, []byte(commit))
}

// rememberMissing notes that a commit has no such file. It saves a question later on, so
// that it may fail: the cache may be read-only.
func (f repoFolder) rememberMissing(revision, commit, name string) {
	path := f.path(".no_exist", commit, name)
	if _, err := os.Stat(path); err != nil {
		_ = writeFile(path, nil)
	}
	_ = f.remember(revision, commit)
}

// link makes a commit's file a link to its content. Where there are no links, the file
// itself is moved there, as huggingface_hub does.
func (f repoFolder) link(etag, commit, name string) (string, error) {
	path := f.snapshot(commit, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", err
	}
	target, err := filepath.Rel(filepath.Dir(path), f.blob(etag))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil // another process was faster
	}
	if _, err := os.Lstat(path); err == nil {
		_ = os.Remove(path) // a link to content that is gone
	}
	err = os.Symlink(target, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return path, nil
	}
	if renameErr := os.Rename(f.blob(etag), path); renameErr != nil {
		return "", errors.Join(err, renameErr)
	}
	return path, nil
}

// prepare makes the folders, and marks the cache as one for backup programs
// (https://bford.info/cachedir).
func (f repoFolder) prepare(etag string) error {
	for _, dir := range []string{f.path("blobs"), filepath.Dir(f.lock(etag))} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("%w; set HF_HOME to a folder that can be written", err)
		}
	}
	tag := filepath.Join(f.cache, "CACHEDIR.TAG")
	if _, err := os.Stat(tag); err != nil {
		_ = os.WriteFile(tag, []byte("Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of the Hugging Face hub: it can be fetched again.\n"), 0o666)
	}
	return nil
}

// writeFile makes a small file whole or not at all.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32())
	if err := os.WriteFile(tmp, data, 0o666); err != nil {
		os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}
