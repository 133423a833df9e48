package host

import (
	"bytes"
	"context"
	"errors"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func TestSystem(t *testing.T) {
	f := func(goos, release, want string) {
		t.Helper()
		if got := system(goos, release); got != want {
			t.Fatalf("%s %q: got %q; want %q", goos, release, got, want)
		}
	}
	f("darwin", "", "darwin")
	f("linux", "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\n", "debian")
	f("linux", "ID=ubuntu\nID_LIKE=debian\n", "ubuntu")
	f("linux", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "ubuntu")
	f("linux", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "fedora")
	f("linux", "ID=alpine\n", "")
	f("linux", "", "")
}

// machine is a made-up one: commands and files on it, and what apt-get would bring.
type machine struct {
	*Host
	log      bytes.Buffer
	commands map[string]bool
	files    map[string]bool
	apt      map[string]string // package -> command ("pip" for the module) or file that it brings
	ran      []string
}

func newMachine(system string, root bool, commands ...string) *machine {
	m := &machine{commands: map[string]bool{}, files: map[string]bool{}, apt: map[string]string{}}
	for _, c := range commands {
		m.commands[c] = true
	}
	m.Host = &Host{System: system, Root: root, Log: &m.log, LookPath: m.lookPath, Glob: m.glob, Run: m.run}
	return m
}

func (m *machine) lookPath(file string) (string, error) {
	if m.commands[file] {
		return "/bin/" + file, nil
	}
	return "", errors.New("not found")
}

func (m *machine) glob(pattern string) (out []string, _ error) {
	for f := range m.files {
		if ok, _ := path.Match(pattern, f); ok {
			out = append(out, f)
		}
	}
	return out, nil
}

func (m *machine) run(_ context.Context, _ bool, _ []string, name string, args ...string) error {
	if name != "apt-get" {
		if !m.commands["pip"] {
			return errors.New("No module named pip")
		}
		return nil
	}
	m.ran = append(m.ran, name+" "+strings.Join(args, " "))
	for _, a := range args {
		if what, ok := m.apt[a]; ok {
			m.commands[what] = true
			m.files[what] = true
		}
	}
	return nil
}

func TestProvide(t *testing.T) {
	const turbo = "/usr/lib/x86_64-linux-gnu/libturbojpeg.so.0"
	f := func(m *machine, wantErr, wantLog string, wantRan int) {
		t.Helper()
		err := m.Provide(t.Context(), Needs("", "python3"))
		if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Fatalf("got error %v; want %q", err, wantErr)
		}
		if !strings.Contains(m.log.String(), wantLog) || wantLog == "" && m.log.Len() > 0 {
			t.Fatalf("got log %q; want %q", m.log.String(), wantLog)
		}
		if len(m.ran) != wantRan {
			t.Fatalf("ran %q; want %d commands", m.ran, wantRan)
		}
	}

	m := newMachine("debian", false, "g++", "python3", "pip")
	m.files[turbo] = true
	f(m, "", "", 0)

	f(newMachine("debian", false, "clang++", "python3", "pip"), "", "sudo apt-get install libturbojpeg0", 0)
	f(newMachine("ubuntu", false, "c++", "python3"), "sudo apt-get install python3-pip", "libturbojpeg\n", 0)
	f(newMachine("fedora", true, "python3", "pip"), "sudo dnf install gcc-c++", "dnf install turbojpeg", 0)
	f(newMachine("darwin", false, "python3", "pip"), "xcode-select --install", "brew install jpeg-turbo", 0)
	f(newMachine("", false, "python3", "pip"), `"g++" (debian), "gcc-c++" (fedora)`, "libturbojpeg0", 0)

	m = newMachine("debian", true)
	m.apt = map[string]string{"g++": "g++", "python3-pip": "pip", "libturbojpeg0": turbo}
	m.commands["python3"] = true
	f(m, "", "installing g++\ninstalling python3-pip\ninstalling libturbojpeg0\n", 4)

	// apt-get runs and brings nothing: the error says so, the optional one is a note.
	f(newMachine("debian", true, "python3", "pip"), "C++17 compiler is missing", "note: libjpeg-turbo", 3)
}

func TestCompilerFromCXX(t *testing.T) {
	m := newMachine("debian", false, "ccache", "python3", "pip")
	if err := m.Provide(t.Context(), Needs("ccache mycxx", "python3")); err != nil {
		t.Fatal(err)
	}
}

func TestNeedSpace(t *testing.T) {
	if err := NeedSpace(filepath.Join(t.TempDir(), "not", "yet"), 1); err != nil {
		t.Fatal(err)
	}
	if err := NeedSpace(t.TempDir(), 1<<40); err == nil {
		t.Fatal("an exabyte was found")
	}
	if err := enough("d", 10, 9); err == nil || !strings.Contains(err.Error(), `10 MB are needed in "d" and 9 MB are free`) {
		t.Fatalf("got %v", err)
	}
}

func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(name, func() { t.Error("waited for a free lock") })
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	waited := make(chan struct{})
	go func() {
		second, err := Lock(name, func() { close(waited) })
		if err == nil {
			second()
		}
		got <- err
	}()
	<-waited
	unlock()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}
