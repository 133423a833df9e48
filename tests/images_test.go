package tests

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// read is the text of a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// decode reads a JSON file, whose unknown names are no fault: an editor knows many.
func decode(t *testing.T, name string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, name)), v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// makeTargets are the targets of the Makefile.
func makeTargets(t *testing.T) []string {
	t.Helper()
	var targets []string
	for _, m := range makeTarget.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

// TestDockerfilesAgree: a Dockerfile cannot include another, and what is corrected in one of two copies is forgotten in the other. The image for
// GPUs may differ from the one for the CPU in CUDA=1, in what its labels say, and in what the driver's libraries take.
func TestDockerfilesAgree(t *testing.T) {
	comment := regexp.MustCompile(`(?m)^#.*\n`)
	driver := regexp.MustCompile(`(?m)^ENV NVIDIA_VISIBLE_DEVICES=(.*\\\n)*.*\n`)
	description := regexp.MustCompile(`image\.description="[^"]*"`)
	plain := func(name string) string {
		return description.ReplaceAllString(comment.ReplaceAllString(read(t, name), ""), "")
	}
	cpu, cuda := plain("docker/cpu/Dockerfile"), plain("docker/cuda/Dockerfile")
	if !strings.Contains(cpu, "\nENV CUDA=0\n") || !driver.MatchString(cuda) {
		t.Fatal("the Dockerfiles are not as this test knows them")
	}
	cuda = strings.Replace(driver.ReplaceAllString(cuda, ""), "\nENV CUDA=1\n", "\nENV CUDA=0\n", 1)
	if cpu != cuda {
		a, b := strings.Split(cpu, "\n"), strings.Split(cuda, "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("docker/cuda/Dockerfile has %q where docker/cpu/Dockerfile has %q: correct both", b[i], a[i])
			}
		}
		t.Fatal("one of the Dockerfiles ends before the other")
	}
}

// TestDevcontainers: they open a stage that is there, with the volumes where that stage has folders for them.
func TestDevcontainers(t *testing.T) {
	type container struct {
		Build struct {
			Dockerfile, Context, Target string
		}
		WorkspaceFolder   string
		WorkspaceMount    string
		Mounts            []string
		RemoteUser        string
		PostCreateCommand string
	}
	target := regexp.MustCompile(`target=([^,]+)`)
	for name, dockerfile := range map[string]string{
		".devcontainer/devcontainer.json":      "docker/cpu/Dockerfile",
		".devcontainer/cuda/devcontainer.json": "docker/cuda/Dockerfile",
	} {
		var c container
		decode(t, name, &c)
		dir := path.Dir(name)
		if got := path.Join(dir, c.Build.Dockerfile); got != dockerfile {
			t.Errorf("%s is built by %s; want %s", name, got, dockerfile)
		}
		if got := path.Join(dir, c.Build.Context); got != "." {
			t.Errorf("%s is built of %q; want the repository", name, got)
		}
		stages := read(t, dockerfile)
		_, stage, found := strings.Cut(stages, " AS "+c.Build.Target+"\n")
		if !found {
			t.Fatalf("%s: %s has no stage %q", name, dockerfile, c.Build.Target)
		}
		stage, _, _ = strings.Cut(stage, "\nFROM ")
		for _, m := range append(c.Mounts, c.WorkspaceMount) {
			if folder := target.FindStringSubmatch(m); folder == nil || !regexp.MustCompile(`install -d -m 1777 (.* )?`+regexp.QuoteMeta(folder[1])+`( |\n)`).MatchString(stage) {
				t.Errorf("%s mounts %q where %s has no folder that anybody may write to", name, m, dockerfile)
			}
		}
		if !strings.Contains(stage, "\nWORKDIR "+c.WorkspaceFolder) || !strings.Contains(stage, "--shell /bin/bash "+c.RemoteUser+" ") {
			t.Errorf("%s: the stage %s has another folder or user", name, c.Build.Target)
		}
		if words := strings.Fields(c.PostCreateCommand); len(words) != 2 || words[0] != "make" || !slices.Contains(makeTargets(t), words[1]) {
			t.Errorf("%s runs %q, which is no target of the Makefile", name, c.PostCreateCommand)
		}
	}
}

// TestEditor: what VS Code offers to run is there.
func TestEditor(t *testing.T) {
	var tasks struct {
		Tasks []struct {
			Label, Command string
			Args           []string
		}
		Inputs []struct{ ID string }
	}
	decode(t, ".vscode/tasks.json", &tasks)
	var labels []string
	targets := makeTargets(t)
	for _, task := range tasks.Tasks {
		labels = append(labels, task.Label)
		if task.Command != "make" || len(task.Args) == 0 || !slices.Contains(targets, task.Args[0]) {
			t.Errorf("the task %q runs %s %q, which is no target of the Makefile", task.Label, task.Command, task.Args)
		}
		for _, m := range regexp.MustCompile(`\$\{input:([a-z]+)\}`).FindAllStringSubmatch(strings.Join(task.Args, " "), -1) {
			if len(tasks.Inputs) != 1 || tasks.Inputs[0].ID != m[1] {
				t.Errorf("the task %q asks for %q, which is no input", task.Label, m[1])
			}
		}
	}
	if len(labels) < 8 {
		t.Errorf("only %d tasks were found", len(labels))
	}
	var launch struct {
		Configurations []struct {
			Name, Program, Output, PreLaunchTask string
			Args                                 []string
		}
	}
	decode(t, ".vscode/launch.json", &launch)
	commands := 0
	for _, c := range launch.Configurations {
		if c.PreLaunchTask != "" && !slices.Contains(labels, c.PreLaunchTask) {
			t.Errorf("%q runs the task %q before, which is not there", c.Name, c.PreLaunchTask)
		}
		program, ours := strings.CutPrefix(c.Program, "${workspaceFolder}/")
		if !ours {
			continue
		}
		commands++
		if !exists(program + "/main.go") {
			t.Errorf("%q runs %s, which is no program", c.Name, program)
		}
		if path.Dir(c.Output) != "${workspaceFolder}/bin" {
			t.Errorf("%q leaves its program in %s: from bin it finds the native library and the models, and git does not see it", c.Name, c.Output)
		}
		for _, a := range c.Args {
			if strings.Contains(a, "/") && !exists(a) {
				t.Errorf("%q is given %s, which is not there", c.Name, a)
			}
		}
	}
	if commands < 3 {
		t.Errorf("only %d programs to debug were found", commands)
	}
	var extensions struct{ Recommendations []string }
	decode(t, ".vscode/extensions.json", &extensions)
	inside := read(t, ".devcontainer/devcontainer.json")
	for _, e := range extensions.Recommendations {
		if e != "ms-vscode-remote.remote-containers" && !strings.Contains(inside, `"`+e+`"`) {
			t.Errorf("the development container lacks the extension %s", e)
		}
	}
}

// exists reports whether there is something of this name, from the root.
func exists(name string) bool {
	_, err := os.Stat(filepath.FromSlash(name))
	return err == nil
}
