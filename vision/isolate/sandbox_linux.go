package isolate

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// allowed are the system calls of a worker that decodes: memory, threads of the Go runtime and their signals, time, and the two
// descriptors that are left. Nothing here names a file, an address or another process. Some exist on some processors only.
var allowed = []string{
	"read", "write", "close",
	"munmap", "mremap", "madvise", "brk", "mincore",
	"futex", "futex_wait", "futex_wake", "sched_yield", "sched_getaffinity", "nanosleep", "clock_nanosleep",
	"clock_gettime", "gettimeofday", "time", "getrandom", "restart_syscall",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "getpid", "gettid",
	"set_robust_list", "rseq", "set_tid_address", "membarrier",
	"epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl",
	"exit", "exit_group",
}

// refused are calls that fail with EPERM: the C library makes them in passing and does without.
var refused = []string{"open", "openat"}

// unknown are calls that fail with ENOSYS, so that the C library makes an older one. The flags of clone3 lie in memory, where a
// filter cannot see them; those of clone do not.
var unknown = []string{"clone3"}

const (
	prSetVMA  = 0x53564d41 // the Go runtime names its mappings
	prSetName = 15
)

// policy kills the process at any call that is not listed. Threads can be made but no processes, signals go to the process itself, and
// no memory becomes code.
func policy(pid int) (seccomp.Policy, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return seccomp.Policy{}, err
	}
	known := func(names []string) (out []string) {
		for _, n := range names {
			if _, ok := info.SyscallNames[n]; ok {
				out = append(out, n)
			}
		}
		return out
	}
	when := func(name string, argument uint32, is seccomp.Operation, value uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{{Argument: argument, Operation: is, Value: value}}}
	}
	return seccomp.Policy{
		DefaultAction: seccomp.ActionKillProcess,
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: known(allowed), NamesWithCondtions: []seccomp.NameWithConditions{
				when("mmap", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
				when("mprotect", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
				when("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD),
				when("tgkill", 0, seccomp.Equal, uint64(pid)),
				when("prctl", 0, seccomp.Equal, prSetVMA),
				when("prctl", 0, seccomp.Equal, prSetName),
			}},
			{Action: seccomp.ActionErrno | seccomp.Action(unix.EPERM), Names: known(refused)},
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known(unknown)},
		},
	}, nil
}

// nobody is the user and group that a worker of root's becomes, the kernel's overflow IDs, which own nothing.
const nobody = 65534

// decodeNice is how far a worker stands back from those who answer. The server's threads that resize have the same.
const decodeNice = 3

// lockIn gives up everything that decoding does not need. There is no way back. It returns what holds now, in words, for a log. bound
// is how many bytes of address space the process may take beyond what it has.
//
// The order matters: who is nobody cannot write its own oom_score_adj, and behind the filter nothing else of this can be done.
func lockIn(bound int64) (locks string, err error) {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, decodeNice)          // of this thread, which decodes
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) // when memory is short, one of these goes before the server
	if err := limit(bound); err != nil {
		return "", err
	}
	user := dropRoot()
	// A change of the user has cleared it. Behind a parent that is gone before this, the socket says so.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return "", fmt.Errorf("cannot ask to end with the parent: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil { // nobody of the same user may look into it
		return "", fmt.Errorf("cannot forbid core dumps: %w", err)
	}
	p, err := policy(os.Getpid())
	if err != nil {
		return "", fmt.Errorf("cannot make a seccomp filter: %w", err)
	}
	if err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: p}); err != nil {
		return "", fmt.Errorf("%w; the kernel or the container must allow seccomp, or serve without --decode-isolation", err)
	}
	return fmt.Sprintf("seccomp, %d MiB, %s", bound>>20, user), nil
}

// limit sets what the kernel counts. Address space is counted from what the runtime and the shared memory have already reserved.
func limit(bound int64) error {
	has, err := addressSpace()
	if err != nil {
		return err
	}
	for _, l := range []struct {
		name  string
		which int
		most  uint64
	}{
		{"core dumps", unix.RLIMIT_CORE, 0},
		{"descriptors", unix.RLIMIT_NOFILE, 0}, // no further ones
		{"files", unix.RLIMIT_FSIZE, 0},
		{"memory", unix.RLIMIT_AS, uint64(has + bound)},
	} {
		if err := unix.Setrlimit(l.which, &unix.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("cannot limit %s: %w", l.name, err)
		}
	}
	return nil
}

// addressSpace is the first number of proc(5)'s statm, in bytes.
func addressSpace() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("cannot read how much memory is mapped: %w", err)
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(text)[0]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// dropRoot makes root nobody, where that can be done: in a user namespace without that ID it cannot. syscall's functions change all
// threads, unix's one.
func dropRoot() string {
	if os.Geteuid() != 0 {
		return "uid " + strconv.Itoa(os.Geteuid())
	}
	for _, drop := range []func() error{
		func() error { return syscall.Setgroups(nil) },
		func() error { return syscall.Setresgid(nobody, nobody, nobody) },
		func() error { return syscall.Setresuid(nobody, nobody, nobody) },
	} {
		if err := drop(); err != nil {
			return "still root: " + strings.ToLower(err.Error())
		}
	}
	return "uid " + strconv.Itoa(nobody)
}
