//go:build unix

package bench

import (
	"syscall"
	"time"
)

// cpuUsage is what the process had used by a moment.
type cpuUsage struct {
	at  time.Time
	cpu time.Duration // of all threads
}

func usageNow() cpuUsage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("BUG: getrusage: " + err.Error())
	}
	return cpuUsage{time.Now(), time.Duration(u.Utime.Nano() + u.Stime.Nano())}
}
