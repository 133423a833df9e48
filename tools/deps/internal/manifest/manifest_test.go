package manifest

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var sum = strings.Repeat("0a", 32)

func sample() string {
	return `# a comment
version 2.11.0
platform linux/amd64
  space cpu 1100 cuda 6300
  wheel torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl
    sha256 ` + sum + `
    root torch
    cpu include/ lib/libc10.so   # the rest of the line is a comment
    cpu lib/libtorch_cpu.so
    cuda lib/libtorch_cuda.so
  wheel nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl
    sha256 ` + sum + `
    root nvidia/nccl
    cuda include/ lib/libnccl.so.2
platform darwin/arm64
  space cpu 400
  wheel torch-2.11.0-cp312-cp312-macosx_11_0_arm64.whl
    sha256 ` + sum + `
    root torch
    cpu include/
`
}

func TestSelect(t *testing.T) {
	m, err := Parse(strings.NewReader(sample()))
	if err != nil {
		t.Fatal(err)
	}
	f := func(platform string, fl Flavour, want string) {
		t.Helper()
		p, err := m.Platform(platform)
		if err != nil {
			t.Fatal(err)
		}
		wheels, err := p.Select(fl)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range wheels {
			tags, _ := w.Tags()
			got = append(got, tags.Name+":"+strings.Join(w.Keep[fl], ","))
		}
		if s := strings.Join(got, " "); s != want {
			t.Fatalf("%s %s: got %q; want %q", platform, fl, s, want)
		}
	}
	f("linux/amd64", CPU, "torch:include/,lib/libc10.so,lib/libtorch_cpu.so")
	f("linux/amd64", CUDA, "torch:include/,lib/libc10.so,lib/libtorch_cpu.so,lib/libtorch_cuda.so nvidia_nccl_cu13:include/,lib/libnccl.so.2")
	f("darwin/arm64", CPU, "torch:include/")
}

func TestUnknownPlatform(t *testing.T) {
	m, _ := Parse(strings.NewReader(sample()))
	if _, err := m.Platform("plan9/386"); err == nil || !strings.Contains(err.Error(), "linux/amd64, darwin/arm64") {
		t.Fatalf("got %v; want the platforms that there are", err)
	}
	p, _ := m.Platform("darwin/arm64")
	if _, err := p.Select(CUDA); err == nil {
		t.Fatal("CUDA on macOS must be refused")
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Parse(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("%q: got %v; want an error with %q", text, err, want)
		}
	}
	head := "version 1\nplatform linux/amd64\nspace cpu 1\n"
	wheel := "wheel a-1-py3-none-any.whl\n"
	f("", "no version")
	f("version", `line 1: "version" has no value`)
	f("wheel a.whl", "before the first platform")
	f(head+"root torch", "line 4")
	f(head+"space cpu", "pairs")
	f(head+"space cpu -3", "positive")
	f(head+wheel+"colour red", "unknown key")
	f(head+wheel+"root torch\ncpu include/\nsha256 abc", "64 lowercase hex")
	f(head+wheel+"sha256 "+sum, "root")
	f(head+"wheel ../x.whl", "plain file name")
	f(head+"wheel a.whl\nroot r\ncpu x\nsha256 "+sum, "no wheel name")
}

func TestPipArgs(t *testing.T) {
	f := func(file, want string) {
		t.Helper()
		tags, err := Wheel{File: file}.Tags()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(tags.PipArgs(), " "); got != want {
			t.Fatalf("got %q; want %q", got, want)
		}
	}
	f("torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl",
		"--no-deps --only-binary=:all: --python-version 3.12 --implementation cp --abi cp312 --platform manylinux_2_28_x86_64 torch==2.11.0")
	f("nvidia_nvtx-13.0.85-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl",
		"--no-deps --only-binary=:all: --python-version 3.12 --implementation py --abi none --platform manylinux1_x86_64 --platform manylinux_2_5_x86_64 nvidia_nvtx==13.0.85")
}

// TestPinned reads the real file: all platforms promised are there, each with its libtorch.
func TestPinned(t *testing.T) {
	m, err := Load(filepath.FromSlash("../../../../torch/LIBTORCH"))
	if err != nil {
		t.Fatal(err)
	}
	f := func(platform string, fl Flavour, library string) {
		t.Helper()
		p, err := m.Platform(platform)
		if err != nil {
			t.Fatal(err)
		}
		wheels, err := p.Select(fl)
		if err != nil {
			t.Fatal(err)
		}
		if tags, _ := wheels[0].Tags(); tags.Name != "torch" || tags.Version != m.Version {
			t.Fatalf("%s: first wheel is %s; want torch %s", platform, wheels[0].File, m.Version)
		}
		if !slices.Contains(wheels[0].Keep[fl], library) {
			t.Fatalf("%s %s does not keep %s", platform, fl, library)
		}
	}
	f("linux/amd64", CPU, "lib/libtorch_cpu.so")
	f("linux/amd64", CUDA, "lib/libtorch_cuda.so")
	f("linux/arm64", CPU, "lib/libtorch_cpu.so")
	f("linux/arm64", CUDA, "lib/libtorch_cuda.so")
	f("darwin/arm64", CPU, "lib/libtorch_cpu.dylib")
}
