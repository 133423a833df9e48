package pages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/torchlit/torchlit/internal/process"
)

// TestCommands runs the commands of each page, in their order and in one shell, in a sandbox that looks like the repository after
// "make build". Addresses of this machine are changed to free ones; nothing else is.
func TestCommands(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		skip(t, "commands of pages are not run: ", err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("commands of pages are run where their other tools, such as base64, are those of Linux")
	}
	if built, err := filepath.Glob(".deps/native/libtorchlit.*"); err != nil || len(built) == 0 && os.Getenv("TORCHLIT_NATIVE") == "" {
		skip(t, "commands of pages are not run: there is no native library; run 'make native'")
	}
	root, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range allPages(t) {
		if !slices.ContainsFunc(p.blocks, runs) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, root, p)
			if err := s.run(); err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			for i, b := range p.blocks {
				if isOutput(b) {
					s.compare(i)
				}
			}
		})
	}
}

// runs reports whether a command of the block is run here.
func runs(b *block) bool {
	if b.language != "sh" {
		return false
	}
	list, err := b.statements()
	return err == nil && slices.ContainsFunc(list, func(s statement) bool { return s.run })
}

// script is the page with all but the commands taken out. Each line has the number that it has on the page.
func (s *sandbox) script() (string, error) {
	p := s.page
	text, err := os.ReadFile(p.name)
	if err != nil {
		return "", err
	}
	lines := make([]string, 1+bytes.Count(text, []byte("\n")))
	served := false
	for _, b := range p.blocks {
		if !runs(b) {
			continue
		}
		list, err := b.statements()
		if err != nil {
			return "", err
		}
		body := []byte(b.text)
		for _, st := range slices.Backward(list) {
			switch {
			case !st.run:
				blank(body[st.begin:st.end])
			case st.fails:
				body = slices.Concat(body[:st.begin], []byte("fails "), body[st.begin:])
			case st.serves:
				if st.ampersand > 0 {
					body[st.ampersand] = ' '
				}
				body = slices.Concat(body[:st.begin], []byte("serve "), body[st.begin:])
			}
			if st.run {
				body = slices.Concat(body[:st.begin], []byte(s.before(b.wholeLines(st.begin, st.end))), body[st.begin:])
			}
		}
		first := ""
		if asks := strings.Contains(string(body), "localhost:8080"); asks && !served && !slices.ContainsFunc(list, func(st statement) bool { return st.serves }) {
			first, served = "begin ready; serve torchlit serve "+s.flags+"; ", true
		}
		served = served || slices.ContainsFunc(list, func(st statement) bool { return st.serves })
		lines[b.line-1] = first + fmt.Sprintf("begin %d", b.line)
		n := copy(lines[b.line:], strings.Split(strings.TrimSuffix(string(body), "\n"), "\n"))
		lines[b.line+n] = "end"
	}
	lines[0] = `. "$PAGE_PRELUDE"; ` + s.before("") + lines[0]
	return s.here(strings.Join(lines, "\n")), nil
}

// blank takes a statement out and leaves its lines.
func blank(text []byte) {
	for i := range text {
		if text[i] != '\n' {
			text[i] = ' '
		}
	}
	copy(text, ":")
}

// address is one of this machine, on which pages expect a server.
var address = regexp.MustCompile(`(^|[^\w.:-])(localhost|127\.0\.0\.1)?:([1-9][0-9]{3,4})\b`)

// here gives each port a free one.
func (s *sandbox) here(text string) string {
	return address.ReplaceAllStringFunc(text, func(a string) string {
		m := address.FindStringSubmatch(a)
		return m[1] + "127.0.0.1:" + s.port(m[3])
	})
}

func (s *sandbox) run() error {
	script, err := s.script()
	if err != nil {
		return err
	}
	// The page's name is what bash names in its messages.
	file := filepath.Join(s.dir, ".page", "page.sh")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", file)
	cmd.Dir, cmd.Env = s.dir, s.environment()
	out, err := os.Create(filepath.Join(s.dir, ".page", "said")) // a pipe would be waited for as long as any server has it
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = process.OwnGroup()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	if cmd.ProcessState != nil {
		s.t.Logf("took %.1f s of processors", (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
	}
	// What a page leaves running ends with it: its own processes, which have a group of their own.
	if kill := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); kill != nil && !errors.Is(kill, syscall.ESRCH) {
		s.t.Error(kill)
	}
	if ctx.Err() != nil {
		err = errors.New("the page's commands take too long: mark those that do with <!-- not run: long -->")
	}
	if err != nil {
		said, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%w\n%s", err, said)
	}
	return nil
}

// compare holds an output of the page to what came of the commands above it.
func (s *sandbox) compare(i int) {
	b := s.page.blocks[i]
	commands := i - 1
	for commands > 0 && isOutput(s.page.blocks[commands]) {
		commands--
	}
	if !runs(s.page.blocks[commands]) {
		s.t.Errorf("%s:%d: the commands above this output are not run", s.page.name, b.line)
		return
	}
	got, err := os.ReadFile(filepath.Join(s.dir, ".page", fmt.Sprint(s.page.blocks[commands].line)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Error(err)
		return
	}
	if err := likeOutput(b, string(got)); err != nil {
		s.t.Errorf("%s:%d: the commands above say something else: %v", s.page.name, b.line, err)
	}
}
