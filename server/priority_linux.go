package server

import "golang.org/x/sys/unix"

// decodeNice lies between the threads that answer, 0, and those that compute.
const decodeNice = 3

// yieldToAnswers lowers the priority of the calling thread. It is an advice: where it is not allowed, all goes on.
func yieldToAnswers() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), decodeNice) }
