package scripts_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// project is a small repository with a tag, the files of an archive, and a Makefile whose build is done.
func project(t *testing.T, w *world) string {
	t.Helper()
	dir := t.TempDir()
	script := write(t, filepath.Join(dir, "scripts", "release.sh"), read(t, "release.sh"))
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "Makefile"), "build:\n\tmkdir -p bin && cp "+os.Args[0]+" bin/torchlit\nsbom:\n\techo '{}' >sbom.cdx.json\n")
	write(t, filepath.Join(dir, ".gitignore"), "/bin\n/.deps\n/release*\n/sbom.cdx.json\n")
	for _, name := range []string{"models/cifar10-resnet18/config.json", "configs/train.yaml", "deploy/systemd/torchlit.service", "LICENSE", "README.md", "docs/source/licences.md"} {
		write(t, filepath.Join(dir, name), name+"\n")
	}
	w.env = append(w.env, "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	w.must(dir, "git", "init", "-q", "-b", "main")
	w.must(dir, "git", "add", "-A")
	commit := func(subject string) { w.must(dir, "git", "commit", "-q", "--allow-empty", "-m", subject) }
	commit("server: begins")
	w.must(dir, "git", "tag", "v0.1.0")
	commit("server: answers faster")
	commit("monitor, docs: watches")
	commit("Something else")
	commit("server: `make` & <tags> stay: as they are")
	return dir
}

// link makes libraries that are linked as ours are, and one that nothing is linked with.
func link(w *world, dir string) {
	t := w.t
	t.Helper()
	libs := filepath.Join(dir, ".deps", "libtorch", "lib")
	write(t, filepath.Join(libs, "empty.c"), "int one(void) { return 1; }\n")
	write(t, filepath.Join(dir, ".deps", "native", "native.c"), "int one(void); int two(void) { return one() + one(); }\n")
	w.must(libs, "cc", "-g", "-shared", "-fPIC", "-o", "libc10.so", "empty.c")
	w.must(libs, "cc", "-g", "-shared", "-fPIC", "-o", "libtorch_cuda.so", "empty.c")
	w.must(filepath.Join(dir, ".deps", "native"), "cc", "-g", "-shared", "-fPIC", "-o", "libtorchlit.so", "native.c",
		"-L../libtorch/lib", "-lc10", "-Wl,-rpath,$ORIGIN/../libtorch/lib")
}

func TestReleaseArchive(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the parts are linked as on Linux")
	}
	w := newWorld(t)
	dir := project(t, w)
	link(w, dir)
	w.must(dir, "git", "tag", "v0.2.0-rc.1")
	w.must(dir, "scripts/release.sh", "archive", "release")
	w.must(dir, "scripts/release.sh", "archive", "release2")
	name := "torchlit-v0.2.0-rc.1-linux-" + runtime.GOARCH
	archive := filepath.Join(dir, "release", name+".tar.gz")
	assert.Equal(t, read(t, archive), read(t, filepath.Join(dir, "release2", name+".tar.gz")), "the same commit makes the same bytes")

	w.must(dir, "tar", "-xzf", archive)
	var files []string
	for _, line := range strings.Fields(w.must(dir, "tar", "-tzf", archive)) {
		if !strings.HasSuffix(line, "/") {
			files = append(files, strings.TrimPrefix(line, name+"/"))
		}
	}
	assert.Equal(t, []string{
		"LICENSE", "README.md", "bin/torchlit", "configs/train.yaml", "lib/libtorchlit.so", "libtorch/lib/libc10.so", "licences.md",
		"models/cifar10-resnet18/config.json", "sbom.cdx.json", "systemd/torchlit.service",
	}, files, "what is linked is in it, CUDA's libraries are not")
	assert.Contains(t, w.must(dir, "ldd", name+"/lib/libtorchlit.so"), name+"/lib/../libtorch/lib/libc10.so", "it finds what lies beside it")
	assert.Equal(t, "", w.must(dir, "git", "status", "--porcelain", "--", "scripts"))
}

func TestReleaseIsPublished(t *testing.T) {
	w := newWorld(t)
	w.env = []string{"COSIGN=" + w.standIn("cosign", "")}
	w.standIn("gh", `while (($#)); do if [ "$1" = --notes-file ]; then cp "$2" notes.md; fi; shift; done`)
	dir := project(t, w)
	w.must(dir, "git", "tag", "v0.2.0")
	write(t, filepath.Join(dir, "release", "a.tar.gz"), "a")
	write(t, filepath.Join(dir, "release", "b.tar.gz"), "b")

	sums := "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a.tar.gz\n" +
		"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b.tar.gz\n"
	for range 2 { // what is there from before is not counted in
		assert.Equal(t, sums, w.must(dir, "scripts/release.sh", "checksums", "release"))
	}
	w.must(dir, "scripts/release.sh", "sign", "release")
	w.must(dir, "scripts/release.sh", "publish", "v0.2.0", "release")
	asked := w.asked()
	assert.Equal(t, "cosign sign-blob --yes --bundle release/checksums.txt.sigstore.json release/checksums.txt", asked[0])
	assert.Regexp(t, `^gh release create v0\.2\.0 --verify-tag --title v0\.2\.0 --notes-file \S+ --generate-notes release/a\.tar\.gz release/b\.tar\.gz release/checksums\.txt$`, asked[1])
	assert.Regexp(t, "(?s)^## Since v0\\.1\\.0\n\n### server\n\n- answers faster \\([0-9a-f]+\\)\n"+
		"- `make` & <tags> stay: as they are \\([0-9a-f]+\\)\n\n### monitor, docs\n\n- watches \\([0-9a-f]+\\)\n\n### other\n\n- Something else \\([0-9a-f]+\\)\n$", read(t, filepath.Join(dir, "notes.md")))

	w.must(dir, "git", "tag", "v0.3.0-rc.1")
	w.must(dir, "scripts/release.sh", "publish", "v0.3.0-rc.1", "release")
	assert.Contains(t, w.asked()[0], " --prerelease ")

	_, errs, status := w.run(dir, "scripts/release.sh", "publish", "v9.9.9", "release")
	assert.NotZero(t, status)
	assert.Contains(t, errs, "no tag v9.9.9")
	write(t, filepath.Join(dir, "release", "b.tar.gz"), "changed")
	_, _, status = w.run(dir, "scripts/release.sh", "publish", "v0.2.0", "release")
	assert.NotZero(t, status, "what is not what was summed up is not published")
	assert.Equal(t, []string{""}, w.asked())
}

func TestReleaseChangelogOfTheFirst(t *testing.T) {
	w := newWorld(t)
	dir := project(t, w)
	assert.Regexp(t, "^## Changes\n\n### server\n\n- begins \\([0-9a-f]+\\)\n$", w.must(dir, "scripts/release.sh", "changelog", "v0.1.0"))
	_, errs, status := w.run(dir, "scripts/release.sh", "checksums", ".git/refs/remotes")
	assert.NotZero(t, status)
	assert.NotEmpty(t, errs)
	_, errs, status = w.run(dir, "scripts/release.sh")
	assert.Equal(t, 2, status)
	assert.Contains(t, errs, "usage")
}
