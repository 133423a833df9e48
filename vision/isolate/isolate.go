// Package isolate decodes images in processes of their own, which can do next to nothing else.
//
// Goal: an encoded image is a program for its decoder, written by a stranger, and the fastest decoder is written in C. Where a flaw in
// it is used, the harm ends in a process that has no files, no network and no secrets, and where it crashes, one request fails.
//
// A Pool keeps a few workers: this same program, started again. Each shares two areas of memory with the pool, one for an
// encoded image and one for pixels, and a socket as doorbell. A job is copied into the first, the worker decodes it into the second, and
// the pool resizes from there: no pixel passes through the kernel.
//
// Once a worker has opened its decoders it locks itself in: a seccomp filter for all of its threads, no new privileges, limits
// of memory and descriptors, another user where it was root. It can then compute, take memory within its bound, and ring the
// bell. What is not on the list of system calls ends it.
//
// The pool takes a worker for hostile:
//   - Its word on a picture's size is held against every limit, and what it may have been shrunk by is worked out again (see parseAnswer).
//   - The memory it shares cannot be cut short under the pool's hands (a seal), which would make reading it a SIGBUS.
//   - It may change pixels while they are resized. That changes which wrong pixels come out of a worker that lies, and nothing else: no
//     length, offset or branch of the pool's is taken from shared memory.
//   - Who does not answer in time is killed, and so is who answers what no worker of ours would.
//
// The obvious way is a process for each image. It would be safer still, as one image could not touch the next: a worker that has been taken over
// sees those that come after. It costs some twenty milliseconds an image, fifteen times as long as decoding it.
package isolate

import (
	"errors"
	"time"
)

// What became of a request whose image was given to a worker that failed. Errors of Pool.Read wrap one of these, or are vision's.
var (
	ErrCrashed     = errors.New("the decoder crashed on the image")              // or was killed, or answered what cannot be
	ErrStuck       = errors.New("the decoder did not come to an end")            // within Config.Timeout
	ErrUnavailable = errors.New("no decoder runs at the moment")                 // all crash too often to be started again at once
	ErrClosed      = errors.New("the decoders were stopped")                     // by Close
	ErrUnsupported = errors.New("decoders in processes of their own need Linux") // Open, elsewhere
)

// Config says how a Pool behaves. All fields but Ended are needed.
type Config struct {
	// Command starts a worker: a program that calls Work with the arguments that follow those given here.
	Command []string

	// Workers is how many images are decoded at once.
	Workers int

	// MaxBytes and MaxPixels bound an encoded image and its width times height. So much address space is reserved for each worker.
	MaxBytes, MaxPixels int

	// Memory is the largest Limits.Memory that Read is called with, in bytes. A worker's own memory is bound to a multiple of it.
	Memory int64

	// Timeout is how long a worker may take for an image before it is killed, without the wait for memory.
	Timeout time.Duration

	// Ended is told of each worker that ended and will be replaced, and of each that did not start. Many goroutines may call it at once.
	Ended func(End)

	env     []string      // more of the environment, for tests
	maxRest time.Duration // maxRest for tests
}

// End is the end of a worker.
type End struct {
	PID    int
	Reason string        // one of Reasons
	Detail string        // how it ended and its last words, for a log; nothing of the image is in it
	Rest   time.Duration // how long none is started in its place
}

// Why workers end.
const (
	Crashed   = "crashed"   // a signal, or a fatal error of the Go runtime
	Forbidden = "forbidden" // it made a system call that it has no use for
	NoMemory  = "memory"    // it wanted more memory than it may have
	Stuck     = "stuck"     // it did not answer in time, and was killed
	Nonsense  = "nonsense"  // it answered what cannot be, and was killed
	NoStart   = "start"     // it did not get as far as to be ready
)

// Reasons lists why workers end.
func Reasons() []string { return []string{Crashed, Forbidden, NoMemory, Stuck, Nonsense, NoStart} }
