package isolate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// worker is the pool's end of a worker. Whoever holds it, between Pool.take and Pool.put, alone uses its socket and its memory.
type worker struct {
	cmd    *exec.Cmd
	socket *os.File
	shared []byte // data, then pixels; nil once it is unmapped
	data   []byte
	pixels []byte
	says   string // of itself, when it was ready

	number uint64 // of the last job
	buf    [maxMessage + 1]byte

	using sync.Mutex             // held with the worker: its memory stays mapped
	unfit atomic.Bool            // it must not be given to anybody any more
	blame atomic.Pointer[string] // why the pool killed it
	dead  chan struct{}          // closed when the process was waited for
	end   End                    // readable then
}

// startTimeout bounds the time from the start of a worker to its first word. On a busy machine it is seconds.
const startTimeout = time.Minute

// start starts a worker and waits until it is ready. The calling goroutine must keep its thread for as long as the worker lives,
// because the kernel ends the worker with the thread.
func start(cfg *Config) (*worker, error) {
	w := &worker{dead: make(chan struct{})}
	memory, err := w.share(cfg)
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	theirs, err := w.connect()
	if err != nil {
		w.free()
		return nil, err
	}
	defer theirs.Close()
	lastWords, stderr, err := os.Pipe()
	if err != nil {
		w.free()
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	args := append(cfg.Command[1:len(cfg.Command):len(cfg.Command)],
		strconv.Itoa(len(w.data)), strconv.Itoa(len(w.pixels)), strconv.FormatInt(ownMemory(cfg), 10))
	w.cmd = exec.Command(cfg.Command[0], args...)
	w.cmd.Env = environment()
	if cfg.env != nil {
		w.cmd.Env = append(w.cmd.Env, cfg.env...)
	}
	w.cmd.Dir = "/"
	w.cmd.Stderr = stderr
	w.cmd.ExtraFiles = []*os.File{socketFD - 3: theirs, memoryFD - 3: memory}
	// A group of its own: Ctrl-C is the server's, which drains first.
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = w.cmd.Start()
	stderr.Close()
	if err != nil {
		lastWords.Close()
		w.free()
		return nil, fmt.Errorf("cannot start a decoder: %w", err)
	}
	go w.wait(lastWords)
	return w, nil
}

// ownMemory is how much address space a worker may take beyond what it has when it locks itself in: the largest picture, another that
// the garbage collector has not come to yet, and some for threads.
func ownMemory(cfg *Config) int64 { return 2*cfg.Memory + 256<<20 }

// share makes the memory, and maps it. It cannot be shrunk or grown any more, by either side.
func (w *worker) share(cfg *Config) (*os.File, error) {
	page := os.Getpagesize()
	size := (cfg.MaxBytes + page - 1) / page * page
	fd, err := unix.MemfdCreate("torchlit-decode", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot make shared memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "shared memory")
	total := size + 3*cfg.MaxPixels
	if err := f.Truncate(int64(total)); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot make %d bytes of shared memory: %w", total, err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot seal shared memory: %w", err)
	}
	w.shared, err = unix.Mmap(fd, 0, total, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot map %d bytes of shared memory: %w", total, err)
	}
	w.data, w.pixels = w.shared[:size:size], w.shared[size:]
	return f, nil
}

// connect makes the socket, and returns the worker's end of it.
func (w *worker) connect() (theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a pair of sockets: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil { // so that the runtime's poller, and deadlines, know it
		_, _ = unix.Close(fds[0]), unix.Close(fds[1])
		return nil, fmt.Errorf("cannot use a socket: %w", err)
	}
	w.socket = os.NewFile(uintptr(fds[0]), "decoder")
	return os.NewFile(uintptr(fds[1]), "pool"), nil
}

// awaitReady waits for a worker's first word.
func (w *worker) awaitReady() error {
	b, err := w.hear(time.Now().Add(startTimeout))
	if err == nil && len(b) > 0 && b[0] == kindReady {
		w.says = printable(string(b[1:]))
		return nil
	}
	w.kill(NoStart)
	<-w.dead
	return fmt.Errorf("cannot start a decoder: %s", w.end.Detail)
}

// hear waits for a message until the deadline, when it returns os.ErrDeadlineExceeded.
func (w *worker) hear(until time.Time) ([]byte, error) {
	if err := w.socket.SetReadDeadline(until); err != nil {
		return nil, err
	}
	n, err := w.socket.Read(w.buf[:])
	return w.buf[:n], err
}

func (w *worker) say(b []byte) error {
	_, err := w.socket.Write(b)
	return err
}

// kill ends the process. The first reason given is the one that counts.
func (w *worker) kill(reason string) {
	w.unfit.Store(true)
	w.blame.CompareAndSwap(nil, &reason)
	_ = w.cmd.Process.Kill()
}

// wait takes down how the process ends.
func (w *worker) wait(lastWords *os.File) {
	said := readTail(lastWords)
	err := w.cmd.Wait()
	detail := "exit code 0"
	if err != nil {
		detail = err.Error()
	}
	if said != "" {
		detail += ": " + said
	}
	w.end = End{PID: w.cmd.Process.Pid, Detail: detail, Reason: w.reason(said)}
	close(w.dead)
}

// reason is why the process ended.
func (w *worker) reason(said string) string {
	if r := w.blame.Load(); r != nil {
		return *r
	}
	status, _ := w.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGSYS:
		return Forbidden
	case slices.ContainsFunc(shortOfMemory, func(words string) bool { return strings.Contains(said, words) }):
		return NoMemory
	}
	return Crashed
}

// shortOfMemory is what Go's runtime, and those of sanitizers, say when the system gives no more.
var shortOfMemory = []string{"out of memory", "cannot allocate memory", "failed to allocate"}

// maxWords bounds what is kept of a worker's last words: the first line of a crash, which names its kind.
const maxWords = 200

// readTail reads what a process writes to its standard error, to the end, and returns the first line of it.
func readTail(f *os.File) string {
	defer f.Close()
	b := make([]byte, maxWords)
	n, _ := io.ReadFull(f, b)
	_, _ = io.Copy(io.Discard, f)
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	return printable(line)
}

// free gives back what the pool has of the worker. Nobody may use it then.
func (w *worker) free() {
	w.using.Lock()
	defer w.using.Unlock()
	if w.socket != nil {
		_ = w.socket.Close()
	}
	if w.shared != nil {
		if err := unix.Munmap(w.shared); err != nil {
			panic("BUG: isolate: " + err.Error())
		}
		w.shared, w.data, w.pixels = nil, nil, nil
	}
}

// keptMemory is how much of the shared memory stays allocated between pictures. What a larger one took goes back to the system.
const keptMemory = 16 << 20

// tidy gives back the memory behind the first bytes of b, of which used were written.
func tidy(b []byte, used int) {
	if used > keptMemory {
		_ = unix.Madvise(b[keptMemory:used], unix.MADV_REMOVE) // an advice; keptMemory is a multiple of any page
	}
}

// timedOut tells a deadline from a worker that is gone.
func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
