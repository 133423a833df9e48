//go:build !race

// The race detector takes several times the memory of what it watches, of which the server knows nothing.

package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// cgroup is a memory cgroup of a test's own.
type cgroup struct{ dir, limitFile, killsFile string }

// newCgroup makes a cgroup without a limit. The test is skipped where that is not allowed.
func newCgroup(t *testing.T) *cgroup {
	t.Helper()
	name := fmt.Sprintf("torchlit-test-%d", os.Getpid())
	c := &cgroup{filepath.Join("/sys/fs/cgroup/memory", name), "memory.limit_in_bytes", "memory.oom_control"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		c = &cgroup{filepath.Join("/sys/fs/cgroup", name), "memory.max", "memory.events"}
	}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		t.Skipf("no cgroup can be made here: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, os.Remove(c.dir)) })
	if err := c.limit(1 << 40); err != nil {
		t.Skipf("the memory of a cgroup cannot be limited here: %v", err)
	}
	return c
}

func (c *cgroup) limit(bytes int64) error {
	return os.WriteFile(filepath.Join(c.dir, c.limitFile), fmt.Appendf(nil, "%d", bytes), 0)
}

// holds makes cmd run in the cgroup.
func (c *cgroup) holds(cmd *exec.Cmd) {
	cmd.Args = append([]string{"sh", "-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(c.dir, "cgroup.procs"), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}

// kills is how many processes of it the kernel has killed.
func (c *cgroup) kills(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, c.killsFile))
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		if name, n, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == "oom_kill" {
			return n
		}
	}
	return "unknown"
}

// largePNG is a file of a few kilobytes that takes 24 MB to decode.
func largePNG(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 3000, 2000))
	for i := range img.Pix {
		img.Pix[i] = byte(i / 4096)
	}
	var b bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img))
	return b.Bytes()
}

// tight are settings under which a server takes as little as it can, and always the same.
var tight = []string{"--max-batch-size", "4", "--runners", "1", "--threads", "1", "--watch=false"}

// A server in a container that is too small for what is asked of it refuses, and goes on; the kernel kills nobody.
func TestMemoryLimit(t *testing.T) {
	torchtest.Need(t)
	c := newCgroup(t)
	small := append(tight, "--models", bundledAs(t, "m"))
	image := photo(t, 64, 64, 1)

	require.NoError(t, c.limit(4<<30))
	s := serveProgram(t, c.holds, small...)
	assert.EqualValues(t, 4<<30, metric(t, s.url, "torchlit_memory_limit_bytes"))
	used := int64(metric(t, s.url, "torchlit_memory_used_bytes"))
	require.Greater(t, used, int64(50<<20))
	s.stop(t)

	require.NoError(t, c.limit(used+160<<20))
	s = serveProgram(t, c.holds, small...)
	flood(t, s.url, largePNG(t))
	assert.Equal(t, "0", c.kills(t), "the kernel has killed a process of the server")
	assert.Eventually(t, func() bool {
		_, status, err := post(http.DefaultClient, s.url, "image/jpeg", image)
		return err == nil && status == 200
	}, 10*time.Second, 100*time.Millisecond, "it does not answer after the flood")
}

// A model that would not fit is refused, while those that serve go on serving.
func TestMemoryForAModel(t *testing.T) {
	torchtest.Need(t)
	c := newCgroup(t)
	root := bundledAs(t, "m")
	s := serveProgram(t, c.holds, append(tight, "--models", root)...)
	require.NoError(t, os.CopyFS(filepath.Join(root, "another", "1"), os.DirFS(filepath.Join(root, "m", "1"))))
	time.Sleep(kernelLag)
	used := int64(metric(t, s.url, "torchlit_memory_used_bytes"))
	require.NoError(t, c.limit(used+20<<20)) // less than a model takes, also when what lies idle is given back
	body, status := postTo(t, s.url+"/v2/repository/models/another/load")
	assert.Equal(t, 422, status)
	assert.Contains(t, body, "raise the limit, or unload another model first")
	image := photo(t, 64, 64, 1)
	assert.Eventually(t, func() bool {
		_, status, err := post(http.DefaultClient, s.url, "image/jpeg", image)
		return err == nil && status == 200
	}, 10*time.Second, 100*time.Millisecond)
	require.NoError(t, c.limit(4<<30))
	assert.Eventually(t, func() bool {
		body, status = postTo(t, s.url+"/v2/repository/models/another/load")
		return status == 200
	}, 10*time.Second, 100*time.Millisecond, body)
	assert.Equal(t, "0", c.kills(t))
}

// kernelLag is how old memory.stat may be, and so how long page cache may count as used: the kernel gathers it every two seconds.
const kernelLag = 2500 * time.Millisecond

// flood sends an image from many clients at once. Each must hear 200 or 503, and some of both.
func flood(t *testing.T, url string, image []byte) {
	t.Helper()
	var answered, refused atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(3 * time.Second)
	for range 24 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for time.Now().Before(end) || answered.Load() == 0 && time.Now().Before(end.Add(20*time.Second)) {
				a, status, err := post(client, url, "image/png", image)
				switch {
				case err == nil && status == 200:
					answered.Add(1)
				case err == nil && status == 503 && a.Code == "no_memory":
					refused.Add(1)
					time.Sleep(5 * time.Millisecond)
				default:
					t.Errorf("got %d %s, %v", status, a.Code, err)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d answered, %d refused", answered.Load(), refused.Load())
	assert.NotZero(t, answered.Load(), "nobody was answered")
	assert.NotZero(t, refused.Load(), "nobody was refused: is there a flood?")
}

// --memory-limit is a limit without a container, too.
func TestMemoryLimitFlag(t *testing.T) {
	torchtest.Need(t)
	_, stderr, code := runCommand(t, "serve", "--addr", "127.0.0.1:0", "--memory-limit", "100000000")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "of the memory limit of 95 MiB only")
	s := serveModel(t, "--memory-limit", "-1")
	assert.Zero(t, metric(t, s.url, "torchlit_memory_limit_bytes"))
}
