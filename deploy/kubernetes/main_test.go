// Package kubernetes_test reads what helm and kustomize make of deploy/helm and deploy/kubernetes. Nothing in a cluster is asked.
package kubernetes_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var root, rootErr = filepath.Abs(filepath.Join("..", ".."))

const chart = "deploy/helm/torchlit"

// programs are the paths of helm, kubeconform and kustomize, which tools/kubernetes/tools.sh builds. Building helm takes minutes, so that is left to
// make lint, unless nothing may be skipped.
var programs = sync.OnceValues(func() ([]string, error) {
	built, err := filepath.Glob(filepath.Join(root, ".deps", "kubernetes", "*-v*"))
	if len(built) < 3 && os.Getenv("TORCHLIT_REQUIRE_ALL") == "" {
		return nil, err
	}
	cmd := exec.Command("bash", "-c", `set -e; . tools/kubernetes/tools.sh; printf '%s\n' "$HELM" "$KUBECONFORM" "$KUSTOMIZE"`)
	cmd.Dir = root
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, &programError{err, errs.String()}
	}
	return strings.Fields(string(out)), nil
})

type programError struct {
	error
	output string
}

func (e *programError) Error() string { return e.error.Error() + "\n" + e.output }

// tools fails, or skips the test, where the programs are not there.
func tools(t *testing.T) (helm, kubeconform, kustomize string) {
	t.Helper()
	require.NoError(t, rootErr)
	p, err := programs()
	require.NoError(t, err)
	if p == nil {
		t.Skip("helm, kubeconform and kustomize are not built: make lint-kubernetes builds them")
	}
	return p[0], p[1], p[2]
}

// command runs a program in the root of the repository and returns both streams.
func command(t *testing.T, program string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = root
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// object is one of the objects that Kubernetes is told of.
type object map[string]any

func (o object) kind() string { return o["kind"].(string) }
func (o object) name() string { return o.at("metadata", "name").(string) }

// at follows the path: keys of mappings and indices of lists. It returns nil where there is nothing.
func (o object) at(path ...any) any {
	var v any = map[string]any(o)
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// objects reads a stream of YAML.
func objects(t *testing.T, text string) (all []object) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var o map[string]any // a type of its own would be that of the mappings in it, too
		if err := d.Decode(&o); err != nil {
			require.Equal(t, "EOF", err.Error())
			return all
		}
		if o != nil {
			all = append(all, o)
		}
	}
}

var rendered = map[string]string{}

// render is what the chart makes, the test that helm runs included. The same is made once.
func render(t *testing.T, args ...string) []object {
	t.Helper()
	helm, _, _ := tools(t)
	key := strings.Join(args, " ")
	if _, ok := rendered[key]; !ok {
		out, errs, err := command(t, helm, append([]string{"template", "torchlit", chart, "--namespace", "torchlit", "--kube-version", "1.37.2",
			"--set", "image.repository=torchlit"}, args...)...)
		require.NoError(t, err, errs)
		rendered[key] = out
	}
	return objects(t, rendered[key])
}

// one is the only object of a kind.
func one(t *testing.T, all []object, kind string) object {
	t.Helper()
	var found []object
	for _, o := range all {
		if o.kind() == kind {
			found = append(found, o)
		}
	}
	require.Len(t, found, 1, kind)
	return found[0]
}

// cases are the values that the chart is looked at with.
var cases = []string{"values.yaml", "values-cpu.yaml", "values-gpu.yaml", "ci/everything.yaml", "ci/volume.yaml", "ci/image-volume.yaml"}

func eachCase(t *testing.T, f func(t *testing.T, all []object)) {
	for _, c := range cases {
		t.Run(c, func(t *testing.T) { f(t, render(t, "-f", filepath.Join(chart, c))) })
	}
}
