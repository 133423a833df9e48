package hub_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/hub"
	"github.com/torchlit/torchlit/hub/hubtest"
)

const repo = "timm/resnet18.a1_in1k"

var (
	weights = bytes.Repeat([]byte("weights "), 50_000)
	config  = []byte(`{"architecture": "resnet18"}`)
)

func fill(t *testing.T) (h *hubtest.Hub, c *hub.Client, commit string) {
	t.Helper()
	h = hubtest.New(t)
	commit = h.Put(repo, map[string][]byte{"config.json": config, "model.safetensors": weights, "sub/a b.txt": []byte("x")})
	return h, &hub.Client{Endpoint: h.URL, Cache: filepath.Join(t.TempDir(), "hub"), Backoff: time.Millisecond, Tries: 3}, commit
}

func mustFile(t *testing.T, c *hub.Client, id, name string) string {
	t.Helper()
	ref, err := hub.ParseRef(id)
	require.NoError(t, err)
	path, err := c.File(t.Context(), ref, name)
	require.NoError(t, err)
	return path
}

func fileError(t *testing.T, c *hub.Client, id, name string) error {
	t.Helper()
	ref, err := hub.ParseRef(id)
	require.NoError(t, err)
	path, err := c.File(t.Context(), ref, name)
	require.Error(t, err, path)
	return err
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func TestFileFillsTheCache(t *testing.T) {
	h, c, commit := fill(t)
	var last, total int64
	c.Progress = func(file string, done, all int64) {
		assert.Equal(t, "model.safetensors", file)
		assert.GreaterOrEqual(t, done, last)
		last, total = done, all
	}
	path := mustFile(t, c, repo, "model.safetensors")
	folder := filepath.Join(c.Cache, "models--timm--resnet18.a1_in1k")
	assert.Equal(t, filepath.Join(folder, "snapshots", commit, "model.safetensors"), path)
	assert.Equal(t, string(weights), content(t, path))
	assert.Equal(t, int64(len(weights)), last)
	assert.Equal(t, last, total)

	link, err := os.Readlink(path)
	require.NoError(t, err)
	sum := fmt.Sprintf("%x", sha256.Sum256(weights))
	assert.Equal(t, "../../blobs/"+sum, link)
	assert.Equal(t, commit, content(t, filepath.Join(folder, "refs", "main")))
	assert.FileExists(t, filepath.Join(c.Cache, ".locks", "models--timm--resnet18.a1_in1k", sum+".lock"))
	assert.Contains(t, content(t, filepath.Join(c.Cache, "CACHEDIR.TAG")), "Signature: 8a477f597d28d172789f06886806bc55")
	assert.Equal(t, []string{
		"HEAD /timm/resnet18.a1_in1k/resolve/main/model.safetensors",
		"GET /timm/resnet18.a1_in1k/resolve/" + commit + "/model.safetensors",
		"content GET /" + sum,
	}, h.Requests())

	// A small file is named by git's hash: `printf x | git hash-object --stdin`.
	link, err = os.Readlink(mustFile(t, c, repo, "sub/a b.txt"))
	require.NoError(t, err)
	assert.Equal(t, "../../../blobs/c1b0730e0133447badcfd47fd144e254807b06e1", link)

	// What is there is asked for, not fetched; a commit is not even asked for.
	h.Requests()
	mustFile(t, c, repo, "model.safetensors")
	mustFile(t, c, repo+"@"+commit, "model.safetensors")
	assert.Len(t, h.Requests(), 1)
}

func TestFileFollowsTheBranch(t *testing.T) {
	h, c, old := fill(t)
	mustFile(t, c, repo, "config.json")
	h.Tag(repo, "v1", old)
	h.Tag(repo, "refs/pr/1", old)
	now := h.Put(repo, map[string][]byte{"config.json": []byte("{}"), "model.safetensors": weights})
	assert.Equal(t, "{}", content(t, mustFile(t, c, repo, "config.json")))
	for _, revision := range []string{"v1", "refs/pr/1", old} {
		assert.Equal(t, string(config), content(t, mustFile(t, c, repo+"@"+revision, "config.json")), revision)
	}
	assert.Equal(t, old, content(t, filepath.Join(c.Cache, "models--timm--resnet18.a1_in1k", "refs", "refs", "pr", "1")))

	// Two commits with the same content share it.
	mustFile(t, c, repo+"@v1", "model.safetensors")
	h.Requests()
	mustFile(t, c, repo+"@"+now, "model.safetensors")
	assert.Len(t, h.Requests(), 1)
}

func TestFileResumes(t *testing.T) {
	h, c, _ := fill(t)
	var warned []string
	c.Warn = func(s string) { warned = append(warned, s) }
	h.Cut(100_000, 0, 60_000)
	path := mustFile(t, c, repo, "model.safetensors")
	assert.Equal(t, string(weights), content(t, path))
	var ranges int
	for _, r := range h.Requests() {
		if strings.HasPrefix(r, "content") && strings.Contains(r, "bytes=") {
			ranges++
		}
	}
	assert.Equal(t, 3, ranges)
	assert.Len(t, warned, 3)

	// So does another process, later on.
	h, c, _ = fill(t)
	c.Tries = 1
	h.Cut(100_000)
	err := fileError(t, c, repo, "model.safetensors")
	assert.ErrorContains(t, err, `cannot fetch "model.safetensors" of "timm/resnet18.a1_in1k"`)
	sum := fmt.Sprintf("%x", sha256.Sum256(weights))
	part := filepath.Join(c.Cache, "models--timm--resnet18.a1_in1k", "blobs", sum+".incomplete")
	info, err := os.Stat(part)
	require.NoError(t, err)
	assert.Positive(t, info.Size())
	h.Requests()
	assert.Equal(t, string(weights), content(t, mustFile(t, c, repo, "model.safetensors")))
	assert.Contains(t, h.Requests(), fmt.Sprintf("content GET /%s bytes=%d-", sum, info.Size()))
	assert.NoFileExists(t, part)
}

func TestFileChecksTheContent(t *testing.T) {
	h, c, _ := fill(t)
	h.Corrupt(true)
	err := fileError(t, c, repo, "model.safetensors")
	assert.ErrorIs(t, err, hub.ErrWrongContent)
	assert.ErrorContains(t, err, "nothing was kept, try again")
	left, err := os.ReadDir(filepath.Join(c.Cache, "models--timm--resnet18.a1_in1k", "blobs"))
	require.NoError(t, err)
	assert.Empty(t, left)
	h.Corrupt(false)
	assert.Equal(t, string(weights), content(t, mustFile(t, c, repo, "model.safetensors")))
}

func TestFileTriesAgain(t *testing.T) {
	h, c, _ := fill(t)
	h.Break(2)
	mustFile(t, c, repo, "config.json")
	h, c, _ = fill(t)
	h.Break(3)
	assert.ErrorContains(t, fileError(t, c, repo, "config.json"), "the hub answers 503")

	// A hub that is away does not stop those who have the file.
	h, c, _ = fill(t)
	path := mustFile(t, c, repo, "config.json")
	var warned string
	c.Warn = func(s string) { warned = s }
	h.Break(1)
	assert.Equal(t, path, mustFile(t, c, repo, "config.json"))
	assert.Contains(t, warned, "the cached file is used")
	c.Endpoint = "http://127.0.0.1:1"
	assert.Equal(t, path, mustFile(t, c, repo, "config.json"))
	assert.ErrorContains(t, fileError(t, c, repo, "other.json"), "connection refused")
}

func TestRefusals(t *testing.T) {
	h, c, _ := fill(t)
	h.Put("me/hidden", map[string][]byte{"config.json": config})
	h.Hide("me/hidden", "mine")
	h.Put("meta/gated", map[string][]byte{"config.json": config})
	h.Gate("meta/gated")
	f := func(is error, id, name, want string) {
		t.Helper()
		err := fileError(t, c, id, name)
		assert.ErrorIs(t, err, is)
		assert.ErrorContains(t, err, want)
	}
	f(hub.ErrNoRepo, "timm/resnet19", "config.json", "or set HF_TOKEN")
	f(hub.ErrNoRepo, "me/hidden", "config.json", "or set HF_TOKEN")
	f(hub.ErrNoRevision, repo+"@v9", "config.json", `no such revision as "v9"`)
	f(hub.ErrNoFile, repo, "config.yaml", "has no file named so; its files are at "+h.URL+"/timm/resnet18.a1_in1k/tree/main")
	f(hub.ErrGated, "meta/gated", "config.json", "accept its conditions at "+h.URL+"/meta/gated, and set HF_TOKEN")
	c.Token = "wrong"
	f(hub.ErrDenied, repo, "config.json", "unset it for public repositories")
	c.Token = "other"
	f(hub.ErrDenied, "me/hidden", "config.json", "has no right to it")
	f(hub.ErrNoRepo, "timm/resnet19", "config.json", "from this token")
	c.Token = "mine"
	mustFile(t, c, "me/hidden", "config.json")
	for _, name := range []string{"../config.json", "/etc/passwd", "a//b", "", ".", `a\b`} {
		assert.ErrorContains(t, fileError(t, c, repo, name), "no name of a file")
	}
	c.Endpoint = h.URL + "/no/hub"
	assert.ErrorIs(t, fileError(t, c, repo, "config.json"), hub.ErrNoRepo)
}

// The token goes to the hub and not to where it redirects.
func TestTokenStaysWithTheHub(t *testing.T) {
	h, c, _ := fill(t)
	c.Token = "mine"
	h.Move("timm/old", repo)
	mustFile(t, c, "timm/old", "model.safetensors")
	var toHub int
	for _, r := range h.Requests() {
		assert.Equal(t, !strings.HasPrefix(r, "content"), strings.HasSuffix(r, " with token"), r)
		toHub++
	}
	assert.GreaterOrEqual(t, toHub, 4)
}

func TestOffline(t *testing.T) {
	h, c, commit := fill(t)
	path := mustFile(t, c, repo, "config.json")
	fileError(t, c, repo, "absent.json")
	h.Requests()
	c.Offline = true
	assert.Equal(t, path, mustFile(t, c, repo, "config.json"))
	assert.Equal(t, path, mustFile(t, c, repo+"@"+commit, "config.json"))
	assert.ErrorIs(t, fileError(t, c, repo, "absent.json"), hub.ErrNoFile)
	err := fileError(t, c, repo, "model.safetensors")
	assert.ErrorIs(t, err, hub.ErrOffline)
	assert.ErrorContains(t, err, "unset HF_HUB_OFFLINE")
	assert.Empty(t, h.Requests())
}

// Many at once fetch a file once, and all get it.
func TestManyAtOnce(t *testing.T) {
	h, c, _ := fill(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			other := &hub.Client{Endpoint: c.Endpoint, Cache: c.Cache}
			path, err := other.File(context.Background(), hub.Ref{Repo: repo}, "model.safetensors")
			if assert.NoError(t, err) {
				assert.Equal(t, string(weights), content(t, path))
			}
		})
	}
	wg.Wait()
	var fetched int
	for _, r := range h.Requests() {
		if strings.HasPrefix(r, "content") {
			fetched++
		}
	}
	assert.Equal(t, 1, fetched)
}

func TestCancel(t *testing.T) {
	h, c, _ := fill(t)
	h.Break(1000)
	c.Tries, c.Backoff = 1000, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.File(ctx, hub.Ref{Repo: repo}, "config.json")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestParseRef(t *testing.T) {
	f := func(id, repo, revision string) {
		t.Helper()
		got, err := hub.ParseRef(id)
		assert.NoError(t, err)
		assert.Equal(t, hub.Ref{Repo: repo, Revision: revision}, got)
	}
	f("timm/resnet18.a1_in1k", "timm/resnet18.a1_in1k", "")
	f("hf-hub:timm/resnet18.a1_in1k@v1.0", "timm/resnet18.a1_in1k", "v1.0")
	f("hf_hub:gpt2@refs/pr/2", "gpt2", "refs/pr/2")
	assert.Equal(t, "a/b@c", hub.Ref{Repo: "a/b", Revision: "c"}.String())
	for _, id := range []string{"", "a/b/c", "../x", "a/..", "a/b@", "a/b@../x", "a/b@/x", "a b/c", "a/b.git", "a--b/c", "a/b@x/../../y"} {
		_, err := hub.ParseRef(id)
		assert.Error(t, err, id)
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("timm/resnet18.a1_in1k@v1.0")
	f.Add("hf-hub:a/b@refs/pr/1")
	f.Fuzz(func(t *testing.T, id string) {
		ref, err := hub.ParseRef(id)
		if err != nil {
			return
		}
		again, err := hub.ParseRef(ref.String())
		require.NoError(t, err)
		require.Equal(t, ref, again)
		require.True(t, filepath.IsLocal(filepath.Join("refs", ref.Revision)))
	})
}

func TestFromEnv(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
		"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME", "HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	f := func(want hub.Client, env ...string) {
		t.Helper()
		for i := 0; i < len(env); i += 2 {
			t.Setenv(env[i], env[i+1])
		}
		c, err := hub.FromEnv()
		require.NoError(t, err)
		assert.Equal(t, want, *c)
	}
	f(hub.Client{Cache: filepath.Join(home, ".cache/huggingface/hub")})
	f(hub.Client{Cache: filepath.Join(home, "xdg/huggingface/hub")}, "XDG_CACHE_HOME", filepath.Join(home, "xdg"))
	f(hub.Client{Cache: filepath.Join(home, "hf/hub")}, "HF_HOME", "~/hf")
	require.NoError(t, os.MkdirAll(filepath.Join(home, "hf"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, "hf/token"), []byte("stored\n"), 0o600))
	f(hub.Client{Cache: filepath.Join(home, "hf/hub"), Token: "stored"})
	f(hub.Client{Cache: filepath.Join(home, "hf/hub")}, "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
	f(hub.Client{Cache: filepath.Join(home, "c"), Token: "t", Endpoint: "http://mirror", Offline: true},
		"HF_HUB_CACHE", "$HOME/c", "HF_TOKEN", " t ", "HF_ENDPOINT", "http://mirror/", "HF_HUB_OFFLINE", "yes")
}
