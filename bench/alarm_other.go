//go:build !linux

package bench

import "time"

// alarm wakes its owner at a time, as precisely as the runtime's timers do.
type alarm struct{}

func newAlarm() *alarm { return &alarm{} }

func (a *alarm) sleep(d time.Duration) { time.Sleep(d) }

func (a *alarm) close() {}
