// Package cifar10 makes the CIFAR-10 data set, or CIFAR-100, on disk: it fetches
// the official archive, or takes a local copy, and lays it out as folders of images
// that dataset.Open reads.
//
//	raw/cifar-10-binary.tar.gz                the archive as published
//	processed/cifar10/cifar-10-batches-bin/   its files, for quick loading
//	processed/cifar10/train/<class>/00042.png the same pixels, one file an image
//	processed/cifar10/test/<class>/…
//
// A local copy may be the archive of Python batches as well. One made of image
// files keeps those files and has no batches.
package cifar10

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dataset/fetch"
)

// Set is one of the two data sets.
type Set struct {
	Name    string // of its folder: cifar10 or cifar100
	Title   string
	Archive fetch.File     // the official binary archive
	Forms   []dataset.Form // in which a local copy may be
	Classes []string
	records int // images in each training batch of the published data; the test batch has 10,000
}

// CIFAR10 has ten classes.
func CIFAR10() Set {
	return Set{
		Name: "cifar10", Title: "CIFAR-10", Archive: Archive(), records: 10_000,
		Forms:   []dataset.Form{dataset.FormCIFAR10, dataset.FormCIFAR10Python},
		Classes: dataset.CIFAR10Classes(),
	}
}

// CIFAR100 has a hundred classes.
func CIFAR100() Set {
	return Set{
		Name: "cifar100", Title: "CIFAR-100", records: 50_000,
		Archive: fetch.File{
			URL:    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
			Size:   168513733,
			MD5:    "03b5dce01913d631647c71ecec9e9cb8",
			SHA256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
		},
		Forms:   []dataset.Form{dataset.FormCIFAR100, dataset.FormCIFAR100Python},
		Classes: dataset.CIFAR100Classes(),
	}
}

// Archive returns CIFAR-10's official binary archive. The publisher gives size and
// MD5; the SHA-256 is the one that other projects pin for the same file.
func Archive() fetch.File {
	return fetch.File{
		URL:    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
		Size:   170052171,
		MD5:    "c32a1d4ab5d03f1284b67883e8d87530",
		SHA256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
	}
}

// Config says where the data comes from and goes to.
type Config struct {
	Set       Set    // CIFAR10() or CIFAR100()
	Raw       string // folder that keeps the archive
	Processed string // folder in which the set's own is made
	// From is a local copy: an official archive, a .tar.gz with
	// cifar10/{train,test}/<class>/ image files, or a folder of either
	// content. "": the archive is fetched.
	From  string
	Fetch fetch.Options // how to fetch
	Log   func(line string)

	batchRecords int // images in each batch of a test; 0: as published
}

// Result tells what Make found or made.
type Result struct {
	Dir         string // such as processed/cifar10
	Train, Test int    // images
	UpToDate    bool   // nothing had to be done
}

// limits bound what unpacking a local archive may cost: the binary form has 8
// files and 184 MB, the image form 60,000 files.
var limits = fetch.Limits{Files: 100_000, Bytes: 2 << 30}

// stampName is the file in the result that says what it was made of.
const stampName = ".source"

// Make fetches or takes the data and lays it out. It is done at once when the
// result was made of the same source before, and it replaces an older result
// only when the new one is complete: whoever reads Result.Dir meanwhile never
// sees half of it.
func Make(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.Log == nil {
		cfg.Log = func(string) {}
	}
	source, err := cfg.source(ctx)
	if err != nil {
		return nil, err
	}
	res := &Result{Dir: filepath.Join(cfg.Processed, cfg.Set.Name)}
	if res.isMadeOf(source) {
		res.UpToDate = true
		return res, nil
	}
	if err := os.MkdirAll(cfg.Processed, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make data folder: %w", err)
	}
	removeLeftovers(cfg.Processed)
	tmp, err := os.MkdirTemp(cfg.Processed, tmpPrefix)
	if err != nil {
		return nil, fmt.Errorf("cannot make data folder: %w", err)
	}
	defer os.RemoveAll(tmp)
	made, err := cfg.layOut(ctx, source, tmp, res)
	if err != nil {
		return nil, err
	}
	stamp := fmt.Sprintf("%s\ntrain %d\ntest %d\n", source.id, res.Train, res.Test)
	if err := os.WriteFile(filepath.Join(made, stampName), []byte(stamp), 0o644); err != nil {
		return nil, fmt.Errorf("cannot finish data folder: %w", err)
	}
	if err := replace(made, res.Dir, filepath.Join(tmp, "old")); err != nil {
		return nil, fmt.Errorf("cannot finish data folder: %w", err)
	}
	return res, nil
}

// tmpPrefix begins the names of unfinished results. A run that was killed
// leaves one behind; the next run removes it.
const tmpPrefix = ".cifar10-unfinished-"

func removeLeftovers(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, tmpPrefix+"*"))
	for _, d := range left {
		os.RemoveAll(d)
	}
}

// replace renames the folder made to dir; what was there moves to old.
func replace(made, dir, old string) error {
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(made, dir); err != nil {
		os.Rename(old, dir) // as it was
		return err
	}
	return nil
}

// source is where the data comes from, on this machine.
type source struct {
	path  string
	isDir bool
	id    string // changes when the content does
}

// source brings the data onto this machine.
func (cfg *Config) source(ctx context.Context) (*source, error) {
	if cfg.From == "" {
		return cfg.download(ctx)
	}
	info, err := os.Stat(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("cannot take local copy: %w; give the archive %s, or an archive or folder with %s/{train,test}/<class>/ images",
			err, filepath.Base(cfg.Set.Archive.URL), cfg.Set.Name)
	}
	if info.IsDir() {
		id, err := folderID(cfg.From)
		return &source{path: cfg.From, isDir: true, id: id}, err
	}
	path := filepath.Join(cfg.Raw, filepath.Base(cfg.From))
	sum, err := keep(cfg.From, path)
	if err != nil {
		return nil, fmt.Errorf("cannot take local copy: %w", err)
	}
	return &source{path: path, id: "sha256 " + sum}, nil
}

func (cfg *Config) download(ctx context.Context) (*source, error) {
	name := filepath.Base(cfg.Set.Archive.URL)
	path := filepath.Join(cfg.Raw, name)
	err := fetch.Download(ctx, cfg.Set.Archive, path, cfg.Fetch)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w; run again to go on where it stopped", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; run again to go on where it stopped, or, without a network, give a local copy of the archive: make data DATA=path/to/%s", err, name)
	}
	return &source{path: path, id: "sha256 " + cfg.Set.Archive.SHA256 + cfg.Set.Archive.MD5}, nil
}

// keep copies the file from to path, unless they are the same file, and
// returns its SHA-256. path appears only when complete.
func keep(from, path string) (sum string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	digest := sha256.New()
	if same(from, path) {
		_, err := io.Copy(digest, in)
		return hex.EncodeToString(digest.Sum(nil)), err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	out, err := os.CreateTemp(filepath.Dir(path), ".copy-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(out.Name())
	_, err = io.Copy(io.MultiWriter(out, digest), in)
	if err == nil {
		err = out.Chmod(0o644)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), os.Rename(out.Name(), path)
}

func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// folderID digests the names, sizes and times of a folder's files: enough to
// notice a change without reading them all.
func folderID(dir string) (string, error) {
	digest := sha256.New()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		fmt.Fprintf(digest, "%q %d %d\n", rel, info.Size(), info.ModTime().UnixNano())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("cannot list local copy %q: %w", dir, err)
	}
	return "folder " + hex.EncodeToString(digest.Sum(nil)), nil
}

// isMadeOf tells whether the result in Dir is complete and of that source,
// and then fills in the counts.
func (r *Result) isMadeOf(s *source) bool {
	data, err := os.ReadFile(filepath.Join(r.Dir, stampName))
	if err != nil {
		return false
	}
	id, counts, _ := strings.Cut(string(data), "\n")
	if id != s.id {
		return false
	}
	if _, err := fmt.Sscanf(counts, "train %d\ntest %d\n", &r.Train, &r.Test); err != nil {
		return false
	}
	for _, split := range []string{dataset.Train, dataset.Test} {
		if info, err := os.Stat(filepath.Join(r.Dir, split)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}
