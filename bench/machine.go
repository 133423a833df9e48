package bench

import (
	"runtime"

	"github.com/shirou/gopsutil/v4/cpu"
)

// Machine is where the load tool ran.
type Machine struct {
	CPU        string `json:"cpu,omitempty"`
	Processors int    `json:"processors"` // that it might use
	System     string `json:"system"`
}

// ThisMachine describes the machine at hand.
func ThisMachine() Machine {
	m := Machine{Processors: runtime.GOMAXPROCS(0), System: runtime.GOOS + "/" + runtime.GOARCH}
	if infos, err := cpu.Info(); err == nil && len(infos) > 0 {
		m.CPU = infos[0].ModelName
	}
	return m
}
