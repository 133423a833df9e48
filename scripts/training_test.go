package scripts_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTrainingVMIsDeleted(t *testing.T) {
	w := newWorld(t, "PROJECT=p", "NAME=", "BUCKET=")
	list := "gcloud compute instances list --project=p --filter=name=torchlit-train-r1 --format=value(zone.basename())"
	remove := "gcloud compute instances delete torchlit-train-r1 --zone=us-central1-b --project=p --quiet"
	f := func(gcloud string, status int, asked ...string) {
		t.Helper()
		w.standIn("gcloud", gcloud)
		_, _, got := w.run(".", "./training.sh", "delete", "r1")
		assert.Equal(t, status, got)
		assert.Equal(t, asked, w.asked())
	}
	f("", 0, list)
	f("echo us-central1-b", 0, list, remove)
	f(`[ "$3" = list ] && echo us-central1-b`, 1, list, remove, list)
	// It deleted itself in between.
	f(`[ "$3" = list ] && [ "$(grep -c delete '`+w.log+`')" = 0 ] && echo us-central1-b; [ "$3" = list ]`, 0, list, remove, list)
	// Not to be allowed to look is no sign that there is nothing.
	f("exit 1", 1, list)
}

func TestTrainingReport(t *testing.T) {
	w := newWorld(t, "PROJECT=p", "NAME=", "BUCKET=b", "GITHUB_SHA=abc", "TRAIN_ARGS=optim.lr=0.1")
	file := filepath.Join(t.TempDir(), "report.md")
	w.standIn("gcloud", `case $3 in
*/status) echo succeeded ;;
*/metrics.json) echo '{"n": 10000, "accuracy": 0.9312, "ece": 0.01, "name": "x", "known": true}' ;;
*/log.txt) echo 'epoch 1 | done' ;;
esac`)
	w.must(".", "./training.sh", "report", "r1", file)
	assert.Equal(t, "### Training run `r1`: succeeded\n\n"+
		"Commit abc, `torchlit train optim.lr=0.1`, kept in `gs://b/runs/r1`.\n\n"+
		"| on the test images | |\n| --- | --- |\n| n | 10000 |\n| accuracy | 0.9312 |\n| ece | 0.01 |\n\n"+
		"<details><summary>The end of its log</summary>\n\n    epoch 1 | done\n\n</details>\n", read(t, file))
	assert.Contains(t, w.asked(), "gcloud storage cat gs://b/runs/r1/run/report/metrics.json --project=p")

	// A run that left nothing is reported, too.
	w.standIn("gcloud", "exit 1")
	w.must(".", "./training.sh", "report", "r1", file)
	assert.Equal(t, "### Training run `r1`: has left no status\n\nCommit abc, `torchlit train optim.lr=0.1`, kept in `gs://b/runs/r1`.\n", read(t, file))

	w.env = []string{"PROJECT="}
	_, errs, status := w.run(".", "./training.sh", "report", "r1", file)
	assert.NotZero(t, status)
	assert.Contains(t, errs, "set PROJECT")
}
