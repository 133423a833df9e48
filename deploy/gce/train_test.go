package gce_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// created are the VMs that were made.
func created(log []string) []string {
	var out []string
	for _, line := range log {
		if strings.HasPrefix(line, "gcloud compute instances create ") {
			out = append(out, line)
		}
	}
	return out
}

// TestTrainingVM: whatever happens inside, Google deletes it in the end.
func TestTrainingVM(t *testing.T) {
	b := newBench(t, "gcloud")
	b.must("train.sh", "--run", "a1", "optim.lr=0.1", "model=resnet34")
	vm := created(b.log())
	assert.Len(t, vm, 1)
	for _, flag := range []string{"--max-run-duration=12h", "--instance-termination-action=DELETE", "--provisioning-model=SPOT", "--no-restart-on-failure",
		"torchlit-args=trainer=gpu optim.lr=0.1 model=resnet34;", "--service-account=torchlit-train@my-project.iam.gserviceaccount.com"} {
		assert.Contains(t, vm[0], flag)
	}
	b.must("train.sh", "--run", "a1")
	assert.Empty(t, created(b.log()), "it is at it")
}

func TestZonesInTurn(t *testing.T) {
	b := newBench(t, "gcloud")
	b.fails("--zone=us-central1-a", "ERROR: ZONE_RESOURCE_POOL_EXHAUSTED: does not have enough resources available")
	b.must("train.sh", "--run", "a1")
	assert.Contains(t, created(b.log())[1], "--zone=us-central1-b")
	b = newBench(t, "gcloud")
	b.fails("instances create", "ERROR: Quota 'PREEMPTIBLE_NVIDIA_T4_GPUS' exceeded.")
	_, errs, status := b.run("train.sh", "--run", "a1")
	assert.Equal(t, 1, status)
	assert.Contains(t, errs, "Quotas")
	assert.Len(t, created(b.log()), 1, "another zone has no more quota")
}

func TestTrainingIsWaitedFor(t *testing.T) {
	f := func(ends string, vms, want int, said string) {
		t.Helper()
		b := newBench(t, "gcloud")
		b.env = append(b.env, "TRAIN_RESTARTS=2")
		b.write("ends", strings.ReplaceAll(ends, " ", "\n"))
		_, errs, status := b.run("train.sh", "--wait", "--run", "a1")
		assert.Equal(t, want, status, errs)
		assert.Contains(t, errs, said)
		assert.Len(t, created(b.log()), vms, ends)
	}
	f("succeeded", 1, 0, "runs/a1/run/model")
	f("preempted succeeded", 2, 0, "once more from the last checkpoint (1 of 2)")
	f("silence preempted succeeded", 3, 0, "2 of 2")
	f("preempted preempted preempted", 3, 1, "TRAIN_SPOT=0")
	f("failed", 1, 1, "the log says why")
	f("preempted failed", 2, 1, "has failed")
	f("stopped", 1, 1, "TRAIN_MAX")
}

func TestTrainingAgain(t *testing.T) {
	b := newBench(t, "gcloud")
	b.write("ends", "failed\nsilence\nsucceeded")
	_, _, status := b.run("train.sh", "--wait", "--run", "a1")
	assert.Equal(t, 1, status)
	b.must("train.sh", "--wait", "--run", "a1") // what the first has said is not taken for what the second says
	assert.Len(t, created(b.log()), 3)
	assert.Contains(t, b.must("train.sh", "--run", "a1"), "succeeded already")
	assert.Empty(t, created(b.log()))
}

func TestTrainingRefuses(t *testing.T) {
	b := newBench(t, "gcloud")
	f := func(want string, args ...string) {
		t.Helper()
		_, errs, status := b.run("train.sh", args...)
		assert.Equal(t, 1, status)
		assert.Contains(t, errs, want)
		assert.Empty(t, changes(b.log()))
	}
	f("at most 30", "--run", "Not_A_Name")
	f("configs/experiment", "a=1;b")
	b.env = append(b.env, "TRAIN_DATA=data/processed/cifar10")
	f("dvc.lock", "--run", "a1")
}

func TestClean(t *testing.T) {
	b := newBench(t, "gcloud")
	b.must("train.sh", "--run", "a1")
	b.log()
	b.must("clean.sh")
	log := strings.Join(b.log(), "\n")
	assert.Contains(t, log, "status=TERMINATED")
	assert.Contains(t, log, "instances delete torchlit-train-a1 --zone=us-central1-a")
	assert.Contains(t, b.must("clean.sh", "--all"), "there is none")
}
