//go:build !unix

package bench

import "time"

// cpuUsage is not known here: only the lag tells when the client is the limit.
type cpuUsage struct {
	at  time.Time
	cpu time.Duration
}

func usageNow() cpuUsage { return cpuUsage{at: time.Now()} }
