// Package unpack takes chosen files out of wheels and puts them in place as one folder.
package unpack

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Source is one wheel and what to take out of it.
type Source struct {
	Wheel string   // path of the file
	Root  string   // folder inside it, for example "nvidia/cu13"
	Keep  []string // paths below Root: "include/" (a tree), "lib/libc10.so", "lib/libcudnn*.so.9"
}

// Progress is told again and again how many bytes of how many are unpacked.
type Progress func(done, total int64)

// Folder unpacks the sources into a new folder beside dst, writes stamp as the file
// stampName, and then puts the folder in dst's place.
//
// An interrupted unpack therefore never looks like a finished one, and a program that
// has the old libraries open keeps them. Root is cut off: "nvidia/cu13/lib/x.so" of one
// wheel and "torch/lib/y.so" of another meet in dst/lib, where $ORIGIN in the run path
// of NVIDIA's and torch's libraries finds them. The licences go to dst/licenses.
// Two wheels with the same path are an error, and so is a pattern that matches nothing.
func Folder(dst string, sources []Source, stampName string, stamp []byte, progress Progress) error {
	tmp, err := os.MkdirTemp(filepath.Dir(dst), TempPrefix)
	if err != nil {
		return fmt.Errorf("cannot make a folder to unpack into: %w", err)
	}
	defer os.RemoveAll(tmp)
	fresh := filepath.Join(tmp, "fresh")
	if err := extract(fresh, sources, progress); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(fresh, stampName), stamp, 0o644); err != nil {
		return fmt.Errorf("cannot write the stamp: %w", err)
	}
	if err := os.Rename(dst, filepath.Join(tmp, "old")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot move the old %q away: %w", dst, err)
	}
	if err := os.Rename(fresh, dst); err != nil {
		return fmt.Errorf("cannot put %q in place: %w", dst, err)
	}
	return nil
}

// TempPrefix starts the names of folders that a killed run may leave beside dst.
const TempPrefix = ".unpack-"

// job is one file to write.
type job struct {
	file *zip.File
	dst  string // slash-separated, below the target folder
}

func extract(dir string, sources []Source, progress Progress) error {
	var jobs []job
	var total int64
	from := map[string]string{}
	for _, s := range sources {
		r, err := zip.OpenReader(s.Wheel)
		if err != nil {
			return fmt.Errorf("cannot open wheel %q: %w", s.Wheel, err)
		}
		defer r.Close()
		js, err := s.choose(r.File)
		if err != nil {
			return err
		}
		for _, j := range js {
			if other, ok := from[j.dst]; ok {
				return fmt.Errorf("both %q and %q bring %q", other, s.Wheel, j.dst)
			}
			from[j.dst] = s.Wheel
			total += int64(j.file.UncompressedSize64)
		}
		jobs = append(jobs, js...)
	}
	meter := &meter{total: total, progress: progress}
	for _, j := range jobs {
		if err := j.write(dir, meter); err != nil {
			return fmt.Errorf("cannot unpack %q: %w", j.file.Name, err)
		}
	}
	return nil
}

// meter counts the bytes that pass, for one file may be most of the whole.
type meter struct {
	done, total int64
	progress    Progress
}

func (m *meter) Write(p []byte) (int, error) {
	m.done += int64(len(p))
	if m.progress != nil {
		m.progress(m.done, m.total)
	}
	return len(p), nil
}

// choose matches the wheel's files with the patterns.
func (s Source) choose(files []*zip.File) ([]job, error) {
	var jobs []job
	used := make([]bool, len(s.Keep))
	for _, f := range files {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if lic, ok := licence(f.Name); ok {
			jobs = append(jobs, job{f, lic})
			continue
		}
		rel, ok := strings.CutPrefix(f.Name, s.Root+"/")
		if !ok {
			continue
		}
		for i, pattern := range s.Keep {
			if ok, err := match(pattern, rel); err != nil {
				return nil, fmt.Errorf("bad pattern %q: %w", pattern, err)
			} else if !ok {
				continue
			}
			if !filepath.IsLocal(filepath.FromSlash(rel)) {
				return nil, fmt.Errorf("wheel %q holds the unsafe path %q", s.Wheel, f.Name)
			}
			used[i] = true
			jobs = append(jobs, job{f, rel})
			break
		}
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("wheel %q holds nothing that matches %q below %q", s.Wheel, s.Keep[i], s.Root)
		}
	}
	return jobs, nil
}

func match(pattern, name string) (bool, error) {
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(name, pattern), nil
	}
	return path.Match(pattern, name)
}

// licence maps "torch-2.11.0.dist-info/licenses/LICENSE" to "licenses/torch-2.11.0/LICENSE".
// Whoever passes the libraries on (in an image, say) has to pass these on too.
func licence(name string) (string, bool) {
	dist, file, ok := strings.Cut(name, ".dist-info/licenses/")
	if !ok || strings.Contains(dist, "/") || strings.Contains(file, "/") {
		return "", false
	}
	return path.Join("licenses", dist, file), true
}

// write unpacks one file. The zip reader compares length and CRC-32.
func (j job) write(dir string, meter *meter) error {
	r, err := j.file.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	name := filepath.Join(dir, filepath.FromSlash(j.dst))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(j.dst, "lib/") {
		mode = 0o755
	}
	w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, io.TeeReader(r, meter)); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
