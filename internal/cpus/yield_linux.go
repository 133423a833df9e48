package cpus

import "syscall"

// Yield lowers the priority of the calling thread, which its goroutine has locked, to a nice value, and with it that of threads that
// are started from it. A thread cannot raise it again without privileges. It is an advice: where it is not allowed, all goes on.
func Yield(nice int) { _ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), nice) }
