package main

import (
	"fmt"

	"golang.org/x/term"

	"github.com/torchlit/torchlit/tools/deps/internal/unpack"
)

// progress shows how far the unpacking is: a line that counts on a terminal, and only
// its start elsewhere, where a log would fill with it.
func (c *config) progress() unpack.Progress {
	if !term.IsTerminal(int(c.Log.Fd())) {
		c.logf("unpacking")
		return nil
	}
	last := int64(-1)
	return func(done, total int64) {
		percent := done * 100 / max(total, 1)
		if percent == last {
			return
		}
		last = percent
		end := ""
		if done == total {
			end = "\n"
		}
		fmt.Fprintf(c.Log, "\rdeps: unpacking %3d %% of %d MB%s", percent, total/1_000_000, end)
	}
}
