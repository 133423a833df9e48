package gce_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serves is the template that the group has.
func (b *bench) serves() string {
	m := regexp.MustCompile(`"compute instance-groups managed torchlit-serve":"([^"]*)"`).FindStringSubmatch(b.read("cloud.json"))
	require.NotNil(b.t, m)
	return m[1]
}

func TestRollingUpdate(t *testing.T) {
	b := newBench(t, "gcloud")
	b.must("group.sh", "registry/torchlit:1")
	first := b.serves()
	b.log()
	said := b.must("deploy.sh", "registry/torchlit:2")
	second := b.serves()
	assert.NotEqual(t, first, second)
	assert.Contains(t, said, "deploy.sh --to "+first)
	did := strings.Join(changes(b.log()), "\n")
	assert.Contains(t, did, "--max-unavailable=0")
	assert.Contains(t, did, "--max-surge=3", "as many as there are zones")
	assert.Contains(t, did, "--version-target-reached")

	b.must("deploy.sh", "--to", first)
	assert.Equal(t, first, b.serves())
	b.log()
	b.must("deploy.sh", "registry/torchlit:2")
	assert.Equal(t, second, b.serves(), "the same image has the same template")
	assert.NotContains(t, strings.Join(b.log(), "\n"), "instance-templates create")

	b.env = append(b.env, "MODELS=gs://my-project-torchlit/models/2")
	b.must("deploy.sh", "registry/torchlit:2")
	assert.NotEqual(t, second, b.serves(), "other models are another template")
}

func TestRollback(t *testing.T) {
	b := newBench(t, "gcloud")
	b.must("group.sh", "registry/torchlit:1")
	first := b.serves()
	f := func(words string) {
		t.Helper()
		b.fails(words, "ERROR: (gcloud) Timeout while waiting for group to become stable.")
		b.log()
		_, errs, status := b.run("deploy.sh", "registry/torchlit:broken")
		assert.Equal(t, 1, status)
		assert.Equal(t, first, b.serves())
		assert.Contains(t, errs, "Timeout while waiting")
		assert.Regexp(t, `rolled back, `+first+` serves: .*deploy again\n$`, errs)
		did := changes(b.log())
		assert.Contains(t, did[len(did)-1], "--stable", "the way back is waited for")
	}
	f("--version-target-reached")
	f("--stable")
	f("start-update")
}

func TestFailedRollback(t *testing.T) {
	b := newBench(t, "gcloud")
	b.must("group.sh", "registry/torchlit:1")
	b.fails("--version-target-reached", "ERROR: (gcloud) Timeout")
	b.fails("--version-target-reached", "ERROR: (gcloud) Timeout again")
	_, errs, status := b.run("deploy.sh", "registry/torchlit:broken")
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "list-errors")

	_, errs, status = newBench(t, "gcloud").run("deploy.sh", "image")
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "run group.sh first")
}

func TestCloudRun(t *testing.T) {
	b := newBench(t, "gcloud")
	b.fails("run deploy", "ERROR: (gcloud.run.deploy) PERMISSION_DENIED")
	_, errs, status := b.run("run.sh")
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "Permissions")
	b.must("run.sh")
	b.log()
	b.fails("run deploy", "ERROR: (gcloud.run.deploy) Revision is not ready and cannot serve traffic.")
	_, errs, status = b.run("run.sh", "image:broken")
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "torchlit-00001 goes on")
	assert.NotContains(t, strings.Join(b.log(), "\n"), "update-traffic", "traffic stays where it was")
	b.env = append(b.env, "MODELS=gs://bucket/models/2")
	b.must("run.sh")
	assert.Contains(t, strings.Join(b.log(), "\n"), "type=cloud-storage,bucket=bucket,readonly=true --add-volume-mount=volume=models,mount-path=/models")
	b.must("run.sh", "--to", "torchlit-00001")
	assert.Contains(t, strings.Join(b.log(), "\n"), "--to-revisions=torchlit-00001=100")
}
