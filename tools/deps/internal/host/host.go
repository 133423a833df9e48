// Package host looks at the machine: which tools are missing, which package brings
// them here, and how much disk is free.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Host is the machine. Its functions are fields so that a test can stand in for it.
type Host struct {
	System string // "debian", "ubuntu", "fedora", "darwin" or "" (another one)
	Root   bool
	Log    io.Writer

	LookPath func(file string) (string, error)
	Glob     func(pattern string) ([]string, error)
	// Run runs a program. Its output goes to Log when show is set, else nowhere.
	Run func(ctx context.Context, show bool, env []string, name string, args ...string) error
}

// This returns the machine that the program runs on.
func This(log io.Writer) *Host {
	release, _ := os.ReadFile("/etc/os-release")
	return &Host{
		System: system(runtime.GOOS, string(release)),
		Root:   os.Geteuid() == 0, Log: log,
		LookPath: exec.LookPath, Glob: filepath.Glob,
		Run: func(ctx context.Context, show bool, env []string, name string, args ...string) error {
			cmd := exec.CommandContext(ctx, name, args...)
			cmd.Env = append(os.Environ(), env...)
			if show {
				cmd.Stdout, cmd.Stderr = log, log
			}
			return cmd.Run()
		},
	}
}

// system names the family of the operating system: what its package manager is, and
// how its packages are called, follows from it.
func system(goos, release string) string {
	if goos != "linux" {
		return goos
	}
	ids := map[string]bool{}
	for line := range strings.SplitSeq(release, "\n") {
		key, value, _ := strings.Cut(line, "=")
		if key == "ID" || key == "ID_LIKE" {
			for _, id := range strings.Fields(strings.Trim(value, `"'`)) {
				ids[id] = true
			}
		}
	}
	switch {
	case ids["ubuntu"]: // first: it says that it is like Debian
		return "ubuntu"
	case ids["debian"]:
		return "debian"
	case ids["fedora"], ids["rhel"], ids["centos"]:
		return "fedora"
	}
	return ""
}

// Need is something that Torchlit wants from the machine.
type Need struct {
	What     string // "a C++ compiler"
	Why      string
	Optional bool              // Torchlit works without it, only worse
	Download bool              // needed only while there is something to download
	Packages map[string]string // by Host.System
	Found    func(ctx context.Context, h *Host) bool
}

// Needs lists them. cxx and python are the programs to look for ("" for the usual names).
func Needs(cxx, python string) []Need {
	return []Need{{
		What: "a C++17 compiler", Why: "builds the native library that binds libtorch",
		Packages: map[string]string{"debian": "g++", "ubuntu": "g++", "fedora": "gcc-c++"},
		Found: func(_ context.Context, h *Host) bool {
			return h.onPath(or(cxx, "c++"), or(cxx, "g++"), or(cxx, "clang++"))
		},
	}, {
		What: "python3 with pip", Why: "downloads libtorch (nothing of Python is used at run time)", Download: true,
		Packages: map[string]string{"debian": "python3-pip", "ubuntu": "python3-pip", "fedora": "python3-pip", "darwin": "python3"},
		Found: func(ctx context.Context, h *Host) bool {
			return h.onPath(python) && h.Run(ctx, false, nil, python, "-m", "pip", "--version") == nil
		},
	}, {
		What: "libjpeg-turbo", Why: "decodes JPEG four times as fast as Go's own decoder, which is used without it", Optional: true,
		Packages: map[string]string{"debian": "libturbojpeg0", "ubuntu": "libturbojpeg", "fedora": "turbojpeg", "darwin": "jpeg-turbo"},
		Found:    func(_ context.Context, h *Host) bool { return h.library("libturbojpeg") },
	}}
}

func or(name, usual string) string {
	if name != "" {
		return name
	}
	return usual
}

// onPath reports whether one of the commands can be run. A command may carry
// arguments, as in CXX="ccache g++".
func (h *Host) onPath(commands ...string) bool {
	return slices.ContainsFunc(commands, func(c string) bool {
		f := strings.Fields(c)
		if len(f) == 0 {
			return false
		}
		_, err := h.LookPath(f[0])
		return err == nil
	})
}

// library reports whether a shared library lies where the loader or Homebrew keeps them.
func (h *Host) library(name string) bool {
	for _, dir := range []string{"/usr/lib/*-linux-gnu", "/lib/*-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib",
		"/usr/local/lib64", "/opt/libjpeg-turbo/lib*", "/opt/homebrew/lib", "/opt/homebrew/opt/jpeg-turbo/lib"} {
		for _, ending := range []string{".so.0", ".dylib"} {
			if found, err := h.Glob(dir + "/" + name + ending); err == nil && len(found) > 0 {
				return true
			}
		}
	}
	return false
}

// Provide makes sure that the needs are met. As root on Debian or Ubuntu it installs
// what is missing; elsewhere it says which package brings it. An optional need that
// stays unmet is a warning, another one an error.
func (h *Host) Provide(ctx context.Context, needs []Need) error {
	missing := h.missing(ctx, needs)
	if len(missing) > 0 && h.Root && (h.System == "debian" || h.System == "ubuntu") {
		if err := h.install(ctx, missing); err != nil {
			fmt.Fprintf(h.Log, "cannot install what is missing: %v\n", err)
		}
		missing = h.missing(ctx, missing)
	}
	var fatal []string
	for _, n := range missing {
		text := fmt.Sprintf("%s is missing: it %s; %s", n.What, n.Why, h.advice(n))
		if n.Optional {
			fmt.Fprintf(h.Log, "note: %s\n", text)
		} else {
			fatal = append(fatal, text)
		}
	}
	if len(fatal) > 0 {
		return fmt.Errorf("%s", strings.Join(fatal, "\n"))
	}
	return nil
}

func (h *Host) missing(ctx context.Context, needs []Need) []Need {
	var out []Need
	for _, n := range needs {
		if !n.Found(ctx, h) {
			out = append(out, n)
		}
	}
	return out
}

// install runs apt-get with no questions asked, once a package: one that this release
// does not have must not keep the others out.
func (h *Host) install(ctx context.Context, needs []Need) error {
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	err := h.Run(ctx, true, env, "apt-get", "update", "-q")
	for _, n := range needs {
		pkg := n.Packages[h.System]
		fmt.Fprintf(h.Log, "installing %s\n", pkg)
		if e := h.Run(ctx, true, env, "apt-get", "install", "-y", "-q", "--no-install-recommends", pkg); e != nil {
			err = errors.Join(err, fmt.Errorf("apt-get install %s: %w", pkg, e))
		}
	}
	return err
}

// advice says how to get it here.
func (h *Host) advice(n Need) string {
	pkg := n.Packages[h.System]
	switch h.System {
	case "debian", "ubuntu":
		return "sudo apt-get install " + pkg
	case "fedora":
		return "sudo dnf install " + pkg
	case "darwin":
		if pkg == "" {
			return "xcode-select --install"
		}
		return "brew install " + pkg
	}
	var all []string
	for _, s := range []string{"debian", "fedora"} {
		all = append(all, fmt.Sprintf("%q (%s)", n.Packages[s], s))
	}
	return "install the package that is called " + strings.Join(all, ", ") + " elsewhere"
}
