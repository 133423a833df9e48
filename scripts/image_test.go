package scripts_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const digest = "us-docker.pkg.dev/p/torchlit/torchlit@sha256:0123"

// docker answers as docker does.
const docker = `case $1 in
create) echo a-container ;;
cp) echo '{}' >"$3" ;;
save) echo layers ;;
load) echo 'Loaded image: torchlit:cpu' ;;
inspect) echo other.example/torchlit@sha256:ffff; echo ` + digest + ` ;;
esac`

func TestImageIsPushedAndSigned(t *testing.T) {
	w := newWorld(t)
	output := filepath.Join(t.TempDir(), "output")
	w.env = []string{"GRYPE=" + w.standIn("grype", ""), "COSIGN=" + w.standIn("cosign", "") + " --verbose", "GITHUB_OUTPUT=" + output}
	w.standIn("docker", docker)
	w.standIn("gcloud", "")
	dir := t.TempDir()
	sbom, image := filepath.Join(dir, "sbom.cdx.json"), filepath.Join(dir, "image.tar.gz")

	w.must(".", "./image.sh", "sbom", "torchlit:cpu", sbom)
	assert.Equal(t, "{}\n", read(t, sbom))
	w.must(".", "./image.sh", "scan", sbom)
	w.must(".", "./image.sh", "save", "torchlit:cpu", image)
	w.must("/", "gzip", "-t", image)
	w.asked()

	const repository = "us-docker.pkg.dev/p/torchlit/torchlit"
	assert.Equal(t, digest+"\n", w.must(".", "./image.sh", "push", image, repository, "cpu-abc", "cpu"))
	assert.Equal(t, "image="+digest+"\n", read(t, output))
	assert.Equal(t, []string{
		"docker info",
		"gcloud auth configure-docker us-docker.pkg.dev --quiet",
		"docker load -i " + image,
		"docker tag torchlit:cpu " + repository + ":cpu-abc",
		"docker push " + repository + ":cpu-abc",
		"docker tag torchlit:cpu " + repository + ":cpu",
		"docker push " + repository + ":cpu",
		"docker inspect --format {{range .RepoDigests}}{{println .}}{{end}} " + repository + ":cpu-abc",
	}, w.asked())

	w.env = append(w.env, "OUTPUT=cuda")
	w.must(".", "./image.sh", "push", image, repository, "cuda")
	assert.Equal(t, "image="+digest+"\ncuda="+digest+"\n", read(t, output))
	w.asked()

	w.must(".", "./image.sh", "sign", digest, sbom)
	assert.Equal(t, []string{
		"docker info",
		"cosign --verbose sign --yes " + digest,
		"cosign --verbose attest --yes --type cyclonedx --predicate " + sbom + " " + digest,
	}, w.asked())
}

// TestImageRoom: only a runner of GitHub is cleaned up, and only until there is enough.
func TestImageRoom(t *testing.T) {
	w := newWorld(t)
	w.standIn("docker", docker)
	w.standIn("sudo", "")
	f := func(free string, runner bool, deletes int, fails bool) {
		t.Helper()
		w.standIn("df", "echo Avail; echo ' '"+free+"G")
		w.env = nil
		if runner {
			w.env = []string{"GITHUB_ACTIONS=true"}
		}
		_, errs, status := w.run(".", "./image.sh", "room", "20")
		assert.Equal(t, fails, status != 0, errs)
		assert.Equal(t, fails, strings.Contains(errs, "20 are wanted"), errs)
		deleted := 0
		for _, asked := range w.asked() {
			if strings.HasPrefix(asked, "sudo rm -rf /") {
				deleted++
			}
		}
		assert.Equal(t, deletes, deleted)
	}
	f("20", true, 0, false)
	f("19", true, 6, true)
	f("19", false, 0, true)
	f("300", false, 0, false)
}

func TestImageFailures(t *testing.T) {
	w := newWorld(t)
	w.env = []string{"GRYPE=" + w.standIn("grype", "exit 2"), "COSIGN=" + w.standIn("cosign", "")}
	w.standIn("gcloud", "")
	f := func(docker, shown string, args ...string) {
		t.Helper()
		w.standIn("docker", docker)
		_, errs, status := w.run(".", "./image.sh", args...)
		assert.NotZero(t, status, args)
		assert.Contains(t, errs, shown)
	}
	f(docker, "", "scan", "sbom.cdx.json")
	f(docker, "names no digest", "sign", "torchlit:cpu", "sbom.cdx.json")
	f(docker, "usage", "push", "image.tar.gz", "example.com/torchlit")
	f(docker, "usage")
	f(docker, "usage", "room")
	f("", "holds no image", "push", "image.tar.gz", "example.com/torchlit", "cpu")
	f(strings.Replace(docker, digest, "", 1), "did not take it", "push", "image.tar.gz", "us-docker.pkg.dev/p/torchlit/torchlit", "cpu")
	f(`case $1 in create) echo c ;; cp) exit 1 ;; esac`, "", "sbom", "torchlit:cpu", "/nowhere")
	assert.Contains(t, w.asked(), "docker rm c", "the container is removed where nothing could be taken out of it")
}
