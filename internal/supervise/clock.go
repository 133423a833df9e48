package supervise

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// monotonic is the line that systemd wants beside RELOADING=1 (sd_notify(3)).
func monotonic() string {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return ""
	}
	return fmt.Sprintf("MONOTONIC_USEC=%d", t.Nano()/1000)
}
