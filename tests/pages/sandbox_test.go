package pages

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// sandbox is a folder in which a page's commands run: the repository after "make build", with a photo or two and a small data set.
type sandbox struct {
	t     *testing.T
	page  *page
	dir   string
	flags string            // of a server that the page expects and does not start
	ports map[string]string // those of the page, and the ones in their place
	steps []step
}

// own are entries of the repository's root that a sandbox has a copy of, or something else in their place.
var own = map[string]bool{"bin": true, "models": true, "data": true, "configs": true, "runs": true, "reports": true, "docs": true}

func newSandbox(t *testing.T, root string, p *page) *sandbox {
	t.Helper()
	s := &sandbox{t: t, page: p, dir: filepath.Join(t.TempDir(), "torchlit"), ports: map[string]string{}}
	s.mkdir(".page", "bin", ".page/bin", ".page/home", "models", "data", "runs", "reports")
	here, err := os.Getwd()
	s.must(err)
	for _, name := range trackedFiles(t) {
		first, _, _ := strings.Cut(name, "/")
		if !own[first] {
			s.link(filepath.Join(here, first), first)
		}
	}
	s.link(filepath.Join(here, ".deps"), ".deps")
	s.must(os.CopyFS(filepath.Join(s.dir, "docs"), os.DirFS("docs")))
	s.copyConfigs()
	s.copyModel("models/cifar10-resnet18")
	s.must(os.Link(filepath.Join(root, "bin", "torchlit"), filepath.Join(s.dir, "bin", "torchlit")))
	s.link(filepath.Join(s.dir, "bin", "torchlit"), ".page/bin/torchlit")
	// What "make build" would do is done: here it would build the repository anew for each page.
	s.write(".page/bin/make", 0o755, "#!/bin/sh\nexec "+lookPath(t, "make")+` -o build -o native -o deps -o go "$@"`+"\n")
	// A refusal ends the page, unless a command deals with it itself.
	s.write(".page/bin/curl", 0o755, "#!/bin/sh\ncase \" $* \" in *' -q'* | *' -sf'* | *' -f'* | *fail*) exec "+lookPath(t, "curl")+
		" \"$@\" ;; esac\nexec "+lookPath(t, "curl")+" --fail-with-body \"$@\"\n")
	s.write(".page/home/.curlrc", 0o644, "silent\nshow-error\nmax-time = 60\nwrite-out = \"\\n\"\n")
	fixtures(s)
	return s
}

func (s *sandbox) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sandbox) mkdir(names ...string) {
	for _, name := range names {
		s.must(os.MkdirAll(filepath.Join(s.dir, name), 0o755))
	}
}

func (s *sandbox) write(name string, mode os.FileMode, text string) {
	s.mkdir(filepath.Dir(name))
	s.must(os.WriteFile(filepath.Join(s.dir, name), []byte(text), mode))
}

// link makes a link once.
func (s *sandbox) link(target, name string) {
	if _, err := os.Lstat(filepath.Join(s.dir, name)); err != nil {
		s.must(os.Symlink(target, filepath.Join(s.dir, name)))
	}
}

// copyModel makes a model folder out of the bundled one, whose large files it shares.
func (s *sandbox) copyModel(name string) {
	const bundled = "models/cifar10-resnet18"
	s.mkdir(name)
	files, err := os.ReadDir(bundled)
	s.must(err)
	for _, f := range files {
		from, to := filepath.Join(bundled, f.Name()), filepath.Join(s.dir, name, f.Name())
		if os.Link(from, to) == nil {
			continue
		}
		text, err := os.ReadFile(from) // another file system
		s.must(err)
		s.must(os.WriteFile(to, text, 0o644))
	}
}

// shorter settings fit a training to the sandbox's data and to the time that a test has. What a page sets itself is as it says.
var shorter = map[string][][2]string{
	"configs/data/base.yaml": {{"batch_size: 128\n", "batch_size: 4\n"}},
	"configs/trainer/default.yaml": {{"max_epochs: 36\n", "max_epochs: 1\n"}, {"num_sanity_val_steps: 2\n", "num_sanity_val_steps: 0\n"},
		{"limit_train_batches: 1.0 ", "limit_train_batches: 1 "}, {"limit_val_batches: 1.0\n", "limit_val_batches: 1\n"}, {"precision: bf16-mixed ", `precision: "32" `}},
}

func (s *sandbox) copyConfigs() {
	s.must(os.CopyFS(filepath.Join(s.dir, "configs"), os.DirFS("configs")))
	for name, changes := range shorter {
		b, err := os.ReadFile(name)
		s.must(err)
		text := string(b)
		for _, c := range changes {
			if !strings.Contains(text, c[0]) {
				s.t.Fatalf("%s has no %q, which the sandbox makes %q", name, c[0], c[1])
			}
			text = strings.Replace(text, c[0], c[1], 1)
		}
		s.must(os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644))
	}
}

// port is a free one in the place of a page's. It is none that the kernel gives to others that ask for any.
func (s *sandbox) port(of string) string {
	if s.ports[of] == "" {
		s.ports[of] = freePort(s.t)
	}
	return s.ports[of]
}

var nextPort struct {
	sync.Mutex
	n int
}

func freePort(t *testing.T) string {
	t.Helper()
	nextPort.Lock()
	defer nextPort.Unlock()
	if nextPort.n == 0 {
		nextPort.n = 10000 + os.Getpid()*31%15000
	}
	for range 1000 {
		nextPort.n = 10000 + (nextPort.n-10000+1)%15000
		address := fmt.Sprintf("127.0.0.1:%d", nextPort.n)
		l, err := net.Listen("tcp", address)
		if err == nil {
			l.Close()
			return fmt.Sprint(nextPort.n)
		}
	}
	t.Fatal("there is no free port")
	return ""
}

func lookPath(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		skip(t, "commands of pages are not run: ", err)
	}
	return path
}

// goEnvironment is where Go keeps what it has downloaded and built: HOME is another one in the sandbox.
var goEnvironment = sync.OnceValues(func() ([]string, error) {
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		return nil, err
	}
	v := strings.Split(strings.TrimSpace(string(out)), "\n")
	return []string{"GOCACHE=" + v[0], "GOMODCACHE=" + v[1], "GOPATH=" + v[2]}, nil
})

// environment leads nowhere but to this machine: what asks for another address is told at once that it is not there.
func (s *sandbox) environment() []string {
	caches, err := goEnvironment()
	s.must(err)
	in := func(name string) string { return filepath.Join(s.dir, name) }
	here, err := os.Getwd()
	s.must(err)
	return append(append(os.Environ(), caches...),
		"PATH="+in(".page/bin")+":"+os.Getenv("PATH"), "HOME="+in(".page/home"), "CURL_HOME="+in(".page/home"),
		"PAGE_PRELUDE="+filepath.Join(here, "tests/pages/testdata/prelude.sh"), "PAGE_OUT="+in(".page"), "TORCHLIT_SERVER_ADDR=127.0.0.1:"+s.port("8080"),
		"http_proxy=http://127.0.0.1:9", "https_proxy=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9",
		"no_proxy=127.0.0.1,localhost", "NO_PROXY=127.0.0.1,localhost", "GOPROXY=off", "OMP_NUM_THREADS=1")
}
