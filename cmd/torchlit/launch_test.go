package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLaunch(t *testing.T) {
	out, stderr, code := runCommand(t, "launch", "--nproc", "2", "--", "version")
	assert.Zero(t, code, stderr)
	assert.Contains(t, out, "[rank 0] torchlit ")
	assert.Contains(t, out, "[rank 1] torchlit ")

	_, stderr, code = runCommand(t, "launch", "--nproc", "2", "--", "eval", "--no-such-flag")
	assert.Equal(t, 2, code, "that of the rank")
	assert.Contains(t, stderr, "unknown flag: --no-such-flag")
	assert.Regexp(t, `torchlit: rank [01] failed: exit status 2`, stderr)

	f := func(why string, args ...string) {
		t.Helper()
		_, stderr, code := runCommand(t, append([]string{"launch"}, args...)...)
		assert.Equal(t, 2, code)
		assert.Contains(t, stderr, why)
	}
	f("nothing to launch; see 'torchlit launch --help'")
	f("cannot launch 0 processes", "--nproc", "0", "train")
	f("give --master-addr and --master-port", "--nnodes", "2", "train")
}
