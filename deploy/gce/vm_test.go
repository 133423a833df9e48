package gce_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// vm is what a script finds on a VM: docker, curl with the metadata server behind it, and Container-Optimized OS's own commands.
type vm struct{ dir string }

func (v vm) command(name string, args []string) int {
	switch name {
	case "curl":
		return v.curl(args)
	case "docker":
		return v.docker(args)
	case "nvidia-smi":
		fmt.Println("37\n43")
	}
	return 0
}

func (v vm) curl(args []string) int {
	address := ""
	for _, a := range args {
		if strings.HasPrefix(a, "http") {
			address = a
		}
	}
	key, metadata := strings.CutPrefix(address, "http://metadata.google.internal/computeMetadata/v1/")
	switch {
	case metadata:
		text, err := os.ReadFile(filepath.Join(v.dir, "metadata", key))
		if err != nil {
			fmt.Fprintln(os.Stderr, "curl: (22) The requested URL returned error: 404")
			return 22
		}
		os.Stdout.Write(text)
	case strings.HasSuffix(address, "/metrics"):
		fmt.Println("# HELP torchlit_queue_depth Images that wait for a batch.\ntorchlit_queue_depth{model=\"a\",version=\"1\"} 5\n" +
			"torchlit_queue_depth{model=\"b\",version=\"1\"} 2\ntorchlit_queue_depths 100\n" +
			"torchlit_requests_total{code=\"200\"} 1.000e+03\ntorchlit_requests_total{code=\"503\"} 500")
	case strings.HasPrefix(address, "https://monitoring."):
		body, _ := io.ReadAll(os.Stdin)
		v.put("posted", string(body))
	case strings.HasPrefix(address, "https://compute."):
		v.put("deleted", address)
	}
	return 0
}

func (v vm) put(name, text string) {
	file := filepath.Join(v.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		panic(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		panic(err)
	}
}

// docker knows the containers that vm/train.sh starts. /state and /src are folders of the VM, gs:// is the folder bucket.
func (v vm) docker(args []string) int {
	line := strings.Join(args, " ")
	switch {
	case args[0] == "exec":
		return v.storage(args[4:])
	case strings.HasPrefix(line, "run -d --name torchlit-train "):
		v.put("state/src/runs/a1/checkpoints/epoch=1.safetensors", "weights")
	case line == "wait torchlit-train":
		if text, err := os.ReadFile(filepath.Join(v.dir, "exit")); err == nil {
			fmt.Println(string(text))
			return 0
		}
		if _, err := os.Stat(filepath.Join(v.dir, "stopped")); err == nil { // until 'docker stop'
			pid, _ := strconv.Atoi(strings.TrimSpace(readFile(filepath.Join(v.dir, "pid"))))
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				panic(err)
			}
			readFile(filepath.Join(v.dir, "stopped"))
			fmt.Println(1)
			return 0
		}
		v.put("state/src/runs/a1/model/model.safetensors", "weights")
		fmt.Println(0)
	case strings.HasPrefix(line, "stop ") && strings.HasSuffix(line, "torchlit-train"):
		v.put("state/src/runs/a1/checkpoints/last.safetensors", "at SIGTERM")
		if err := os.WriteFile(filepath.Join(v.dir, "stopped"), []byte("x"), 0o600); err != nil {
			panic(err)
		}
	case strings.Contains(line, " eval "):
		v.put("state/src/runs/a1/report/metrics.json", "{}")
	case strings.Contains(line, "dvc pull"):
		if err := os.MkdirAll(filepath.Join(v.dir, "state/src/data/set/test"), 0o777); err != nil {
			panic(err)
		}
	}
	return 0
}

func (v vm) storage(args []string) int {
	path := func(p string) string {
		if object, ok := strings.CutPrefix(p, "gs://"); ok {
			return filepath.Join(v.dir, "bucket", object)
		}
		return filepath.Join(v.dir, "state", strings.TrimPrefix(p, "/state/"))
	}
	to := path(args[len(args)-1])
	var err error
	switch args[0] {
	case "ls":
		if _, err := os.Stat(to); err != nil {
			return 1
		}
		return 0
	case "cp":
		v.put(strings.TrimPrefix(to, v.dir+"/"), readFile(path(args[len(args)-2])))
	case "rsync":
		from := path(args[len(args)-2])
		if err = os.MkdirAll(to, 0o777); err == nil {
			err = exec.Command("cp", "-r", from+"/.", to).Run()
		}
	}
	if err != nil {
		panic(err)
	}
	return 0
}

// newVM is a VM with the metadata that train.sh gives it.
func newVM(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, "docker", "curl", "cos-extensions", "mount", "docker-credential-gcr", "nvidia-smi", "systemctl")
	for key, value := range map[string]string{
		"instance/attributes/torchlit-run": "a1", "instance/attributes/torchlit-bucket": "b", "instance/attributes/torchlit-image": "r-docker.pkg.dev/p/t/torchlit:1",
		"instance/attributes/torchlit-gpu": "t4", "instance/attributes/torchlit-driver": "R580", "instance/attributes/torchlit-data": "data/set", "instance/attributes/torchlit-args": "trainer=gpu optim.lr=0.1",
		"instance/attributes/torchlit-tools": "tools:1", "instance/attributes/torchlit-python": "python:1", "instance/attributes/torchlit-models": "",
		"instance/attributes/torchlit-scale": "queue_depth", "instance/service-accounts/default/token": `{"access_token":"secret","expires_in":3599}`,
		"instance/zone": "projects/123/zones/us-central1-b", "instance/name": "torchlit-train-a1", "instance/id": "42", "instance/preempted": "FALSE",
		"project/project-id": "my-project",
	} {
		b.write("metadata/"+key, value)
	}
	source := filepath.Join(b.dir, "bucket/b/runs/a1/source.tar.gz")
	require.NoError(t, os.MkdirAll(filepath.Dir(source), 0o777))
	b.write("tree/configs/train.yaml", "")
	require.NoError(t, exec.Command("tar", "-czf", source, "-C", filepath.Join(b.dir, "tree"), ".").Run())
	b.write("delete-self.sh", b.unit("vm/train.yaml", "/etc/torchlit/delete-self.sh"))
	b.env = append(b.env, "TORCHLIT_STATE="+filepath.Join(b.dir, "state"), "NVIDIA_SMI=nvidia-smi", "TORCHLIT_PAUSE=0",
		"DELETE_SELF="+filepath.Join(b.dir, "delete-self.sh"))
	return b
}

// unit is a file that cloud-init writes.
func (b *bench) unit(cloudInit, path string) string {
	b.t.Helper()
	text, err := os.ReadFile(cloudInit)
	require.NoError(b.t, err)
	var config struct {
		Files []struct{ Path, Content string } `yaml:"write_files"`
	}
	require.True(b.t, strings.HasPrefix(string(text), "#cloud-config\n"))
	require.NoError(b.t, yaml.Unmarshal(text, &config))
	for _, f := range config.Files {
		if f.Path == path {
			return f.Content
		}
	}
	b.t.Fatalf("%s writes no %s", cloudInit, path)
	return ""
}

// train runs vm/train.sh, whose number a stand-in may have to know.
func (b *bench) train() (string, int) {
	b.t.Helper()
	start := filepath.Join(b.dir, "start.sh")
	script, err := filepath.Abs("vm/train.sh")
	require.NoError(b.t, err)
	b.write("start.sh", fmt.Sprintf("echo $$ >'%s/pid'\nexec bash '%s'\n", b.dir, script))
	out, errs, status := b.run(start)
	return out + errs, status
}

const deletion = "https://compute.googleapis.com/compute/v1/projects/my-project/zones/us-central1-b/instances/torchlit-train-a1"

func TestTrainingSucceeds(t *testing.T) {
	b := newVM(t)
	out, status := b.train()
	require.Zero(t, status, out)
	assert.Equal(t, deletion, b.read("deleted"))
	assert.Equal(t, "succeeded", b.read("bucket/b/runs/a1/status"))
	for _, file := range []string{"run/model/model.safetensors", "run/checkpoints/epoch=1.safetensors", "run/report/metrics.json"} {
		assert.FileExists(t, filepath.Join(b.dir, "bucket/b/runs/a1", file))
	}
	assert.Contains(t, b.read("bucket/b/runs/a1/log.txt"), "all done")
	log := strings.Join(b.log(), "\n")
	assert.Contains(t, log, "cos-extensions install gpu -- -version=R580\n")
	assert.Contains(t, log, "--device /dev/nvidia0")
	assert.Contains(t, log, "train trainer=gpu optim.lr=0.1 output_dir=runs/a1")
	assert.Contains(t, log, "docker-credential-gcr configure-docker --registries=r-docker.pkg.dev")
	assert.NotContains(t, b.read("bucket/b/runs/a1/log.txt"), "secret")
}

// TestTrainingFails: at every step, the VM is deleted and, once there is somebody to tell, its end is told.
func TestTrainingFails(t *testing.T) {
	f := func(words, status, why string, times int) {
		t.Helper()
		b := newVM(t)
		for range times {
			b.fails(words, "it broke")
		}
		out, code := b.train()
		assert.NotZero(t, code, words)
		assert.Equal(t, deletion, b.read("deleted"), "%s: %s", words, out)
		assert.Equal(t, status, b.read("bucket/b/runs/a1/status"), words)
		assert.Contains(t, out, "the run has failed ("+why)
	}
	f("torchlit-run", "", "preparing", 1)
	f("docker pull -q tools", "", "fetching the tools", 5)
	f("docker run -d --name torchlit-tools", "", "fetching the tools", 1)
	f("cos-extensions install gpu", "failed", "installing the driver", 1)
	f("nvidia-smi", "failed", "installing the driver", 1)
	f("docker pull -q r-docker", "failed", "fetching the image", 5)
	f("source.tar.gz", "failed", "fetching the source", 1)
	f("dvc pull", "failed", "pulling the data", 1)
	f("run -d --name torchlit-train", "failed", "training", 1)
	f(" eval ", "failed", "evaluating", 1)
}

func TestTrainingEndsWithAnError(t *testing.T) {
	b := newVM(t)
	b.write("exit", "2")
	_, code := b.train()
	assert.NotZero(t, code)
	assert.Equal(t, deletion, b.read("deleted"))
	assert.Equal(t, "failed", b.read("bucket/b/runs/a1/status"))
	assert.Contains(t, b.read("bucket/b/runs/a1/log.txt"), "exit code 2")
	assert.FileExists(t, filepath.Join(b.dir, "bucket/b/runs/a1/run/checkpoints/epoch=1.safetensors"), "what there is is kept")
}

// TestPreemption: systemd sends SIGTERM; torchlit's checkpoint is saved and copied, and the next VM goes on from it.
func TestPreemption(t *testing.T) {
	f := func(preempted, status string) {
		t.Helper()
		b := newVM(t)
		b.write("metadata/instance/preempted", preempted)
		require.NoError(t, syscall.Mkfifo(filepath.Join(b.dir, "stopped"), 0o600))
		out, code := b.train()
		assert.NotZero(t, code, out)
		assert.Equal(t, deletion, b.read("deleted"))
		assert.Equal(t, status, b.read("bucket/b/runs/a1/status"))
		assert.Equal(t, "at SIGTERM", b.read("bucket/b/runs/a1/run/checkpoints/last.safetensors"))

		require.NoError(t, os.RemoveAll(filepath.Join(b.dir, "stopped")))
		require.NoError(t, os.RemoveAll(filepath.Join(b.dir, "state")))
		require.NoError(t, os.RemoveAll(filepath.Join(b.dir, "deleted")))
		b.log()
		out, code = b.train()
		require.Zero(t, code, out)
		log := strings.Join(b.log(), "\n")
		assert.Contains(t, log, "train resume=runs/a1\n", "with the settings of the run")
		assert.Equal(t, "succeeded", b.read("bucket/b/runs/a1/status"))
		assert.Equal(t, deletion, b.read("deleted"))
	}
	f("TRUE", "preempted")
	f("FALSE", "stopped")
}

// TestUnitDeletes: what cannot even begin is deleted by the unit, and switched off where nobody answers.
func TestUnitDeletes(t *testing.T) {
	b := newVM(t)
	unit := b.unit("vm/train.yaml", "/etc/systemd/system/torchlit-train.service")
	assert.Contains(t, unit, "ExecStopPost=/bin/bash /etc/torchlit/delete-self.sh\n")
	assert.Contains(t, unit, "KillMode=mixed\n", "SIGTERM is for the script alone")
	assert.NotContains(t, unit, "Restart=")
	b.must(filepath.Join(b.dir, "delete-self.sh"))
	assert.Equal(t, deletion, b.read("deleted"))
	assert.NotContains(t, strings.Join(b.log(), "\n"), "poweroff")

	f := func(words string) {
		t.Helper()
		b := newVM(t)
		b.fails(words, "curl: (7) Failed to connect")
		b.run(filepath.Join(b.dir, "delete-self.sh"))
		assert.Contains(t, strings.Join(b.log(), "\n"), "systemctl poweroff", words)
	}
	f("default/token")
	f("instance/zone")
	f("-X DELETE")
}

func TestServe(t *testing.T) {
	b := newVM(t)
	b.must("vm/serve.sh")
	log := b.log()
	last := log[len(log)-1]
	assert.Contains(t, last, "docker run --rm --name torchlit --network host --read-only --cap-drop ALL")
	assert.Contains(t, last, "--device /dev/nvidia0")
	assert.Contains(t, last, "serve --addr :8080 --admin-addr localhost:9090")
	assert.Contains(t, last, "--device cuda")

	b.write("metadata/instance/attributes/torchlit-gpu", "none")
	b.write("metadata/instance/attributes/torchlit-models", "gs://b/models/2")
	b.must("vm/serve.sh")
	log = b.log()
	last = log[len(log)-1]
	assert.NotContains(t, last, "nvidia")
	assert.Contains(t, last, "--models /models")
	assert.Contains(t, strings.Join(log, "\n"), "gcloud storage rsync --recursive gs://b/models/2 /models")
	assert.NotContains(t, strings.Join(log, "\n"), "cos-extensions")
}

func TestLoadIsTold(t *testing.T) {
	b := newVM(t)
	f := func(scale string, want float64) {
		t.Helper()
		b.write("metadata/instance/attributes/torchlit-scale", scale)
		b.must("vm/metrics.sh")
		var told struct {
			TimeSeries []struct {
				Metric   struct{ Type string }
				Resource struct {
					Type   string
					Labels map[string]string
				}
				Points []struct {
					Value struct{ DoubleValue float64 }
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(b.read("posted")), &told))
		series := told.TimeSeries[0]
		assert.Equal(t, "custom.googleapis.com/torchlit/"+scale, series.Metric.Type)
		assert.Equal(t, "gce_instance", series.Resource.Type)
		assert.Equal(t, map[string]string{"project_id": "my-project", "instance_id": "42", "zone": "us-central1-b"}, series.Resource.Labels)
		assert.InEpsilon(t, want, series.Points[0].Value.DoubleValue, 0.02)
	}
	f("queue_depth", 7)
	f("gpu_use", 40)

	// 1000 seconds ago there were 500 requests fewer; the seconds that the test takes are a small part of these.
	b.write("state/requests", fmt.Sprintf("1000 %d\n", time.Now().Unix()-1000))
	b.write("posted", "")
	f("request_rate", 0.5)
	var count, at int64
	_, err := fmt.Sscan(b.read("state/requests"), &count, &at)
	require.NoError(t, err)
	assert.EqualValues(t, 1500, count)
	for _, last := range []string{"", "2000 1\n"} { // the first time, and after a start
		b.write("state/requests", last)
		b.write("posted", "")
		b.must("vm/metrics.sh")
		assert.Empty(t, b.read("posted"), "state %q", last)
	}

	b = newVM(t)
	b.fails("/metrics", "curl: (7) Failed to connect to localhost port 9090")
	b.must("vm/metrics.sh")
	assert.Empty(t, b.read("posted"), "a server that is not there yet has nothing to tell")
}

// TestCloudInit: what is fetched is what the scripts put into the metadata.
func TestCloudInit(t *testing.T) {
	b := newVM(t)
	lib := readFile("lib.sh")
	for unit, names := range map[string][]string{"torchlit.service": {"lib", "serve"}, "torchlit-metrics.service": {"lib", "metrics"}} {
		assert.Contains(t, b.unit("vm/serve.yaml", "/etc/systemd/system/"+unit), "fetch.sh "+strings.Join(names, " ")+"\n")
		for _, n := range names {
			assert.Contains(t, lib, "torchlit-"+n+"=$gce/vm/"+n+".sh")
		}
	}
	for _, n := range []string{"lib", "train"} {
		assert.Contains(t, readFile("train.sh"), "torchlit-"+n+"=$gce/vm/"+n+".sh")
	}
	assert.Equal(t, b.unit("vm/serve.yaml", "/etc/torchlit/fetch.sh"), b.unit("vm/train.yaml", "/etc/torchlit/fetch.sh"))
}
