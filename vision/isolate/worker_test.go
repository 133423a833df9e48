//go:build linux

package isolate

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/torchlit/torchlit/vision"
)

// becomeWorker makes this process a worker if it was started as one, and reports whether it was. With the variable, images that begin
// with the name of a hook are done to as it says.
func becomeWorker() bool {
	if len(os.Args) < 2 || os.Args[1] != "decode-worker" {
		return false
	}
	decode := decodeFunc((*vision.Preprocess).Decode)
	if os.Getenv("ISOLATE_HOOKS") != "" {
		decode = hooked
	}
	if err := work(os.Args[2:], decode); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// hooked does what an image that has been made for a flaw in the decoder might do.
func hooked(p *vision.Preprocess, data []byte, lim vision.Limits) (*vision.Image, int, int, error) {
	name, rest, _ := bytes.Cut(data, []byte(" "))
	if hook := hooks[string(name)]; hook != nil {
		err := hook(string(rest))
		return nil, 0, 0, fmt.Errorf("cannot decode the image: after %s: %v", name, err)
	}
	if string(name) == "say" { // something before the answer
		_, _ = unix.Write(socketFD, rest)
	}
	return p.Decode(data, lim)
}

// sink keeps what the hooks allocate.
var sink [][]byte

// spun is what a hook counts without end.
var spun int

var hooks = map[string]func(string) error{
	"segv":  func(string) error { *(*byte)(unsafe.Add(unsafe.Pointer(nil), 1<<20)) = 1; return nil },
	"panic": func(string) error { panic("a panic that nobody recovers") },
	"exit":  func(string) error { os.Exit(0); return nil },
	"hang":  func(string) error { time.Sleep(time.Hour); return nil },
	"spin": func(string) error {
		for n := 0; ; n++ {
			spun = n
		}
	},
	"sleep": func(d string) error {
		t, err := time.ParseDuration(d)
		time.Sleep(t)
		return err
	},
	"eat": func(string) error {
		for range 1 << 10 {
			b := make([]byte, 64<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			sink = append(sink, b)
		}
		return nil
	},
	"open":    func(name string) error { _, err := os.Open(name); return err },
	"create":  func(name string) error { return os.WriteFile(name, nil, 0o600) },
	"dial":    func(addr string) error { _, err := net.Dial("tcp", addr); return err },
	"exec":    func(string) error { return syscall.Exec("/bin/true", nil, nil) },
	"spawn":   func(string) error { return exec.Command("/bin/true").Run() },
	"kill":    func(string) error { return syscall.Kill(os.Getppid(), 0) },
	"setuid":  func(string) error { return unix.Setuid(0) },
	"ptrace":  func(string) error { return unix.PtraceAttach(os.Getppid()) },
	"seal":    func(string) error { return unix.Ftruncate(memoryFD, 0) },
	"thread":  func(string) error { time.Sleep(time.Millisecond); return nil },
	"process": func(string) error { return fork() },
	"code": func(string) error {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	},
}

// fork is the bare system call, as code that has been taken over would make it. The child would end itself.
func fork() error {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	switch {
	case errno != 0:
		return errno
	case pid == 0:
		syscall.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
	}
	return nil
}
