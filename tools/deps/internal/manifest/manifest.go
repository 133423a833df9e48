// Package manifest reads torch/LIBTORCH, the list of pinned native libraries.
//
// The format is one "key value..." a line; '#' starts a comment and indentation
// is for the eye. The file itself explains the keys.
package manifest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
)

// Manifest is the whole file.
type Manifest struct {
	Version   string // of libtorch, for example "2.11.0"
	Platforms []Platform
}

// Platform lists what one GOOS/GOARCH needs.
type Platform struct {
	Name    string // "linux/amd64"
	SpaceMB map[Flavour]int64
	Wheels  []Wheel
}

// Flavour says which libraries are wanted. CUDA is CPU and more.
type Flavour string

// The flavours there are.
const (
	CPU  Flavour = "cpu"
	CUDA Flavour = "cuda"
)

// Wheel is one file to fetch and what to take out of it.
type Wheel struct {
	File   string // file name, for example "torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl"
	SHA256 string // 64 lowercase hex digits
	Root   string // folder inside the wheel that Keep's paths start from
	Keep   map[Flavour][]string
}

// Load reads and checks the file at name.
func Load(name string) (*Manifest, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the list of native libraries: %w", err)
	}
	defer f.Close()
	m, err := Parse(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", name, err)
	}
	return m, nil
}

// Parse reads a manifest. An error names the line.
func Parse(r io.Reader) (*Manifest, error) {
	m := &Manifest{}
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line, _, _ := strings.Cut(sc.Text(), "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if err := m.add(f[0], f[1:]); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	return m, m.check()
}

// add takes one line. Keys below "platform" and "wheel" belong to the last of these.
func (m *Manifest) add(key string, values []string) error {
	if len(values) == 0 {
		return fmt.Errorf("%q has no value", key)
	}
	switch key {
	case "version":
		m.Version = values[0]
		return nil
	case "platform":
		m.Platforms = append(m.Platforms, Platform{Name: values[0], SpaceMB: map[Flavour]int64{}})
		return nil
	}
	if len(m.Platforms) == 0 {
		return fmt.Errorf("%q stands before the first platform", key)
	}
	p := &m.Platforms[len(m.Platforms)-1]
	switch key {
	case "space":
		return p.addSpace(values)
	case "wheel":
		if path.Base(values[0]) != values[0] {
			return fmt.Errorf("wheel %q is not a plain file name", values[0])
		}
		p.Wheels = append(p.Wheels, Wheel{File: values[0], Keep: map[Flavour][]string{}})
		return nil
	}
	if len(p.Wheels) == 0 {
		return fmt.Errorf("%q stands before the first wheel", key)
	}
	w := &p.Wheels[len(p.Wheels)-1]
	switch key {
	case "sha256":
		w.SHA256 = values[0]
	case "root":
		w.Root = values[0]
	case string(CPU), string(CUDA):
		w.Keep[Flavour(key)] = append(w.Keep[Flavour(key)], values...)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

func (p *Platform) addSpace(values []string) error {
	if len(values)%2 != 0 {
		return fmt.Errorf("space wants pairs such as %q", "cpu 1100")
	}
	for i := 0; i < len(values); i += 2 {
		mb, err := strconv.ParseInt(values[i+1], 10, 64)
		if err != nil || mb <= 0 {
			return fmt.Errorf("space %q is not a positive number of MB", values[i+1])
		}
		p.SpaceMB[Flavour(values[i])] = mb
	}
	return nil
}

func (m *Manifest) check() error {
	if m.Version == "" {
		return fmt.Errorf("there is no version line")
	}
	for _, p := range m.Platforms {
		for _, w := range p.Wheels {
			if b, err := hex.DecodeString(w.SHA256); err != nil || len(b) != sha256.Size || w.SHA256 != strings.ToLower(w.SHA256) {
				return fmt.Errorf("%s: %s: sha256 %q is not 64 lowercase hex digits", p.Name, w.File, w.SHA256)
			}
			if w.Root == "" || len(w.Keep) == 0 {
				return fmt.Errorf("%s: %s: root or the files to keep are missing", p.Name, w.File)
			}
			if _, err := w.Tags(); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	return nil
}

// Platform returns the list for a GOOS/GOARCH such as "linux/amd64".
func (m *Manifest) Platform(name string) (*Platform, error) {
	var have []string
	for i := range m.Platforms {
		if m.Platforms[i].Name == name {
			return &m.Platforms[i], nil
		}
		have = append(have, m.Platforms[i].Name)
	}
	return nil, fmt.Errorf("there is no prebuilt libtorch %s for %s, only for %s; set LIBTORCH=/path to a copy that you built",
		m.Version, name, strings.Join(have, ", "))
}

// Select returns the wheels that the flavour needs; their Keep is reduced to the
// patterns wanted, all under the flavour asked for.
func (p *Platform) Select(fl Flavour) ([]Wheel, error) {
	if p.SpaceMB[fl] == 0 {
		return nil, fmt.Errorf("there are no %s libraries for %s", strings.ToUpper(string(fl)), p.Name)
	}
	var out []Wheel
	for _, w := range p.Wheels {
		keep := append([]string(nil), w.Keep[CPU]...)
		if fl == CUDA {
			keep = append(keep, w.Keep[CUDA]...)
		}
		if len(keep) == 0 {
			continue
		}
		w.Keep = map[Flavour][]string{fl: keep}
		out = append(out, w)
	}
	return out, nil
}
