//go:build interop

package phash_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/vision"
	"github.com/torchlit/torchlit/vision/phash"
)

var files = []string{"portrait.png", "landscape.png", "cifar.png", "ribbon.png", "rgb8.png"}

func read(t *testing.T, name string) *vision.Image {
	t.Helper()
	data, err := os.ReadFile("../testdata/" + name)
	require.NoError(t, err)
	m, err := vision.Decode(data, vision.Limits{})
	require.NoError(t, err)
	return m
}

// TestInteropImageHash: shrunk alike, a picture has the hash that Python's imagehash gives it; shrunk by its kernel, nearly.
func TestInteropImageHash(t *testing.T) {
	python := interop.Python(t, "imagehash")
	var args []string
	for _, name := range files {
		args = append(args, "../testdata/"+name)
	}
	lines := strings.Fields(interop.Run(t, python, "testdata/referee.py", args...))
	require.Len(t, lines, 2*len(args))
	for i, file := range args {
		got := hash(t, read(t, strings.TrimPrefix(file, "../testdata/")))
		f := func(text string, most int) {
			var want uint64
			_, err := fmt.Sscanf(text, "%x", &want)
			require.NoError(t, err)
			assert.LessOrEqual(t, phash.Distance(got, want), most, "%s: %016x and %016x", file, got, want)
		}
		f(lines[2*i], 0)
		f(lines[2*i+1], 6)
	}
}
