package wandb

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func md5Base64(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestArtifactOfFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	write(t, filepath.Join(dir, "b.bin"), "bbb")
	write(t, filepath.Join(dir, "a", "c.json"), "{}")
	require.NoError(t, os.Symlink("b.bin", filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(dir, dir+"-latest"))
	staging := filepath.Join(t.TempDir(), "1")
	a, err := collect("my model:v1", "model", dir+"-latest", staging)
	require.NoError(t, err)
	require.Equal(t, "my-model-v1", a.name)
	require.Equal(t, []entry{
		{path: "a/c.json", md5: md5Base64("{}"), size: 2, local: filepath.Join(staging, "a", "c.json")},
		{path: "b.bin", md5: md5Base64("bbb"), size: 3, local: filepath.Join(staging, "b.bin")},
		{path: "link", md5: md5Base64("bbb"), size: 3, local: filepath.Join(staging, "link")},
	}, a.entries)
	require.Equal(t, "bbb", read(t, filepath.Join(staging, "link")))

	// the digest is the client's ArtifactManifestV1.digest
	text := "wandb-artifact-manifest-v1\na/c.json:" + md5Base64("{}") + "\nb.bin:" + md5Base64("bbb") + "\nlink:" + md5Base64("bbb") + "\n"
	sum := md5.Sum([]byte(text))
	require.Equal(t, hex.EncodeToString(sum[:]), a.digest())
}

func TestArtifactOfFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.html")
	write(t, file, "<p>")
	a, err := collect("report", "report", file, filepath.Join(t.TempDir(), "1"))
	require.NoError(t, err)
	require.Len(t, a.entries, 1)
	require.Equal(t, "report.html", a.entries[0].path)
	require.Equal(t, "<p>", read(t, a.entries[0].local))
}

func TestArtifactOfDataset(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data set")
	write(t, filepath.Join(dir, "cat", "1#.png"), "pixels")
	staging := filepath.Join(t.TempDir(), "1")
	a, err := collect("cifar10", "dataset", dir, staging)
	require.NoError(t, err)
	require.NoDirExists(t, staging)
	require.Len(t, a.entries, 1)
	require.Empty(t, a.entries[0].local)
	require.True(t, strings.HasPrefix(a.entries[0].ref, "file:///"))
	require.True(t, strings.HasSuffix(a.entries[0].ref, "/data%20set/cat/1%23.png"), a.entries[0].ref)
}

func TestArtifactRefused(t *testing.T) {
	staging := filepath.Join(t.TempDir(), "1")
	_, err := collect("model", "model", filepath.Join(t.TempDir(), "none"), staging)
	require.ErrorContains(t, err, `cannot log artifact "model"`)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = collect("model", "model", t.TempDir(), staging)
	require.ErrorContains(t, err, "there is no file in")
	require.NoDirExists(t, staging)
}

func TestRemoteWithoutPassword(t *testing.T) {
	f := func(remote, want string) { t.Helper(); require.Equal(t, want, withoutPassword(remote)) }
	f("https://user:secret@example.com/a/b.git", "https://example.com/a/b.git")
	f("https://token@example.com/a/b.git", "https://example.com/a/b.git")
	f("ssh://git:secret@example.com/a/b.git", "ssh://git@example.com/a/b.git")
	f("git@example.com:a/b.git", "git@example.com:a/b.git")
	f("", "")
}
