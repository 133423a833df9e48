package wandb

import (
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// artifact is a version of a set of files that W&B keeps.
//
// `wandb sync` uploads the files that the manifest names, and some releases (0.28)
// remove them from the disk when they have: they take them for copies of their own.
// So an artifact is copied to a folder of the run's, which also keeps it as it was
// when it was logged. A data set is different: it may be huge, and what counts is which one it
// was, so its manifest only refers to the files, with their checksums, as
// Artifact.add_reference does.
type artifact struct {
	name, kind string
	entries    []entry // sorted by path
}

// entry is one file of an artifact.
type entry struct {
	path  string // within the artifact, with slashes
	md5   string // base64
	size  int64
	local string // the copy to upload, absolute; empty: not uploaded
	ref   string // URL of a file that is only referred to
}

// kindDataset is the kind of artifact that is referred to.
const kindDataset = "dataset"

// collect makes an artifact of a file or folder, copying it to staging.
func collect(name, kind, path, staging string) (*artifact, error) {
	a := &artifact{name: artifactName(name), kind: kind}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot log artifact %q: %w", name, err)
	}
	root, err := filepath.EvalSymlinks(path) // a link to a folder is that folder
	if err != nil {
		return nil, fmt.Errorf("cannot log artifact %q: %w", name, err)
	}
	err = filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := os.Stat(at); err != nil || !info.Mode().IsRegular() {
			return err // of a link to nothing; sockets and links to folders are left out
		}
		within := filepath.Base(path)
		if at != root {
			if within, err = filepath.Rel(root, at); err != nil {
				return err
			}
		}
		e := entry{path: filepath.ToSlash(within)}
		if kind == kindDataset {
			err = e.refer(at)
		} else {
			err = e.copy(at, filepath.Join(staging, within))
		}
		a.entries = append(a.entries, e)
		return err
	})
	if err == nil && len(a.entries) == 0 {
		err = fmt.Errorf("there is no file in %q", path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot log artifact %q: %w", name, err), os.RemoveAll(staging))
	}
	slices.SortFunc(a.entries, func(a, b entry) int { return cmp.Compare(a.path, b.path) })
	return a, nil
}

func (e *entry) refer(from string) error {
	e.ref = (&url.URL{Scheme: "file", Path: filepath.ToSlash(from)}).String()
	return e.fill(from, io.Discard)
}

func (e *entry) copy(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	e.local = to
	return errors.Join(e.fill(from, out), out.Close())
}

// fill reads the file: its size and checksum, and a copy of it to w.
func (e *entry) fill(from string, w io.Writer) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	sum := md5.New()
	if e.size, err = io.Copy(io.MultiWriter(w, sum), in); err != nil {
		return err
	}
	e.md5 = base64.StdEncoding.EncodeToString(sum.Sum(nil))
	return nil
}

// artifactName is name as W&B allows it.
func artifactName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-_.", r):
			return r
		}
		return '-'
	}, name)
	return name[:min(len(name), 128)]
}

// digest identifies the contents: equal contents are one version on W&B.
func (a *artifact) digest() string {
	sum := md5.New()
	io.WriteString(sum, "wandb-artifact-manifest-v1\n")
	for _, e := range a.entries {
		fmt.Fprintf(sum, "%s:%s\n", e.path, e.md5)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// record is the ArtifactRecord that has `wandb sync` create the artifact.
func (a *artifact) record(s *settings) message {
	manifest := message{}.num(1, 1).str(2, "wandb-storage-policy-v1").
		sub(3, message{}.str(1, "storageLayout").str(2, `"V2"`))
	for _, e := range a.entries {
		manifest = manifest.sub(4, message{}.str(1, e.path).str(2, e.md5).str(3, e.ref).num(4, e.size).str(6, e.local))
	}
	const idLength = 128 // of ids that the client makes up before the server knows the artifact
	return message{}.str(1, s.id).str(2, s.project).str(3, s.entity).str(4, a.kind).str(5, a.name).
		str(6, a.digest()).strs(11, []string{"latest"}).sub(12, manifest).
		flag(14, true). // complete: to be committed
		str(15, randomID(idLength)).str(16, randomID(idLength)).str(20, "MANIFEST_MD5")
}
