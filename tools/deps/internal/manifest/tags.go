package manifest

import (
	"fmt"
	"strings"
)

// Tags are the parts of a wheel's file name (PEP 427).
type Tags struct {
	Name      string   // "nvidia_cuda_cupti"
	Version   string   // "13.0.85"
	Python    string   // "cp312" or "py3"
	ABI       string   // "cp312" or "none"
	Platforms []string // "manylinux2014_x86_64", "manylinux_2_17_x86_64"
}

// Tags takes the file name apart. Build tags are not known here: no wheel of ours has one.
func (w Wheel) Tags() (Tags, error) {
	parts := strings.Split(strings.TrimSuffix(w.File, ".whl"), "-")
	if len(parts) != 5 || !strings.HasSuffix(w.File, ".whl") {
		return Tags{}, fmt.Errorf("%q is no wheel name (name-version-python-abi-platform.whl)", w.File)
	}
	return Tags{
		Name: parts[0], Version: parts[1], Python: parts[2], ABI: parts[3],
		Platforms: strings.Split(parts[4], "."),
	}, nil
}

// PipArgs are the arguments of "pip download" that select exactly this wheel,
// whatever Python and platform pip itself runs on.
func (t Tags) PipArgs() []string {
	version, implementation := "3.12", "py"
	if digits, ok := strings.CutPrefix(t.Python, "cp3"); ok {
		version, implementation = "3."+digits, "cp"
	}
	args := []string{"--no-deps", "--only-binary=:all:", "--python-version", version, "--implementation", implementation, "--abi", t.ABI}
	for _, p := range t.Platforms {
		args = append(args, "--platform", p)
	}
	return append(args, t.Name+"=="+t.Version)
}
