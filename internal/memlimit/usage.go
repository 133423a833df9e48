// Package memlimit keeps a process from being killed for its memory. It reads the limit that the process runs under and how much it has
// taken, and says whether there is room for more.
//
// A limit of a cgroup, which is what a container's is, is no limit as programs know them: allocating never fails. The kernel
// finds nothing left when a page is first touched, and kills the process with all that it was doing. So whoever wants memory for a
// request, or for a model, asks before.
package memlimit

import (
	"fmt"

	"github.com/prometheus/procfs"
)

// Usage is how a process stands.
type Usage struct {
	Limit int64 // bytes that it may take
	Used  int64 // bytes that it has taken and that the kernel cannot take back
}

// Room is what is left.
func (u Usage) Room() int64 { return u.Limit - u.Used }

// Source reads a usage. It takes some ten microseconds.
type Source func() (Usage, error)

// Process returns the source for a limit that is the process's own: it counts the memory that belongs to no file. It fails where the
// kernel does not say how much that is.
func Process(limit int64) (Source, error) {
	self, err := procfs.Self()
	if err == nil {
		_, err = self.NewStatus()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot see how much memory the process takes: %w", err)
	}
	return func() (Usage, error) {
		st, err := self.NewStatus()
		if err != nil {
			return Usage{}, fmt.Errorf("cannot see how much memory the process takes: %w", err)
		}
		return Usage{limit, int64(st.RssAnon + st.RssShmem)}, nil
	}, nil
}

// Tightest returns the source of whichever has the least room. Sources that are nil do not count; with none it is nil.
func Tightest(sources ...Source) Source {
	var some []Source
	for _, s := range sources {
		if s != nil {
			some = append(some, s)
		}
	}
	if len(some) < 2 {
		return append(some, nil)[0]
	}
	return func() (Usage, error) {
		tightest := Usage{Limit: unlimited}
		for _, s := range some {
			u, err := s()
			if err != nil {
				return u, err
			}
			if u.Room() < tightest.Room() {
				tightest = u
			}
		}
		return tightest, nil
	}
}
