package bench

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes its owner at a time, to some ten microseconds. It belongs to one goroutine at a time.
//
// time.Sleep will not do: in an idle process the runtime waits for its timers in epoll_wait, whose timeout is whole
// milliseconds, so that requests would leave up to one late, at random. Spinning would be exact, and would take a core from the server
// where both share a machine. A timerfd is a descriptor, which ends that epoll_wait when it is due. In a busy process nobody waits in
// epoll_wait, and the runtime looks at its own timers whenever it switches goroutines; so one is set, too, as the read's deadline.
// Whichever is first ends the read.
type alarm struct {
	fd   int
	file *os.File // nil where there is no timerfd
	buf  [8]byte
}

func newAlarm() *alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return &alarm{}
	}
	return &alarm{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}
}

func (a *alarm) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	if a.file == nil || !a.ring(d) {
		time.Sleep(d)
	}
}

// ring reports whether the timer could be used.
func (a *alarm) ring(d time.Duration) bool {
	once := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
	if unix.TimerfdSettime(a.fd, 0, &once, nil) != nil || a.file.SetReadDeadline(time.Now().Add(d)) != nil {
		return false
	}
	n, err := a.file.Read(a.buf[:])
	return err == nil && n == len(a.buf) && binary.NativeEndian.Uint64(a.buf[:]) > 0 || os.IsTimeout(err)
}

func (a *alarm) close() {
	if a.file != nil {
		a.file.Close()
	}
}
