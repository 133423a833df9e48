//go:build cluster

package kubernetes_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCluster has Kubernetes' own API server take all that deploy has for it: with its admission, the strictest standard for pods included, and with
// the rules of the definitions of KServe, KEDA, the Prometheus operator and the Gateway API.
func TestCluster(t *testing.T) {
	_, _, kustomize := tools(t)
	c := startCluster(t)
	for _, d := range definitions(t) {
		c.have(d, "")
	}
	for _, group := range []string{"keda.sh/v1alpha1", "serving.kserve.io/v1beta1", "serving.kserve.io/v1alpha1", "monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1"} {
		require.Eventually(t, func() bool { status, _ := c.ask(http.MethodGet, "/apis/"+group, ""); return status == 200 }, time.Minute, 100*time.Millisecond, group)
	}
	c.have(`{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: serving}, value: 1}
---
{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: gvisor}, handler: runsc}
`, "")
	namespace := func(name string) {
		c.have("{apiVersion: v1, kind: Namespace, metadata: {name: "+name+", labels: {pod-security.kubernetes.io/enforce: restricted}}}\n---\n"+
			"{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}", name)
	}
	for _, values := range cases {
		t.Run(values, func(t *testing.T) {
			c := *c
			c.t = t
			name := strings.NewReplacer("/", "-", ".yaml", "").Replace(values)
			namespace(name)
			all := render(t, "-f", filepath.Join(chart, values))
			c.helm("install", "torchlit", chart, "--namespace", name, "--set", "image.repository=torchlit", "-f", filepath.Join(chart, values))
			for what, pod := range pods(all) {
				o := object{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p", "labels": pod.at("metadata", "labels")}, "spec": pod["spec"]}
				status, answer := c.create(o, name, true)
				assert.Equal(t, 201, status, "%s: %s", what, answer)
			}
			c.helm("uninstall", "torchlit", "--namespace", name)
		})
	}
	t.Run("a pod with more rights is refused", func(t *testing.T) {
		status, answer := c.create(object{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p"},
			"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": "i"}}}}, "values", true)
		assert.Equal(t, 403, status)
		assert.Contains(t, answer, "restricted")
	})
	t.Run("update and rollback", func(t *testing.T) {
		c := *c
		c.t = t
		namespace("updates")
		replicas := func() any {
			status, text := c.ask(http.MethodGet, "/apis/apps/v1/namespaces/updates/deployments/torchlit", "")
			require.Equal(t, 200, status, text)
			var o map[string]any
			require.NoError(t, json.Unmarshal([]byte(text), &o))
			return []any{object(o).at("spec", "replicas"), object(o).at("spec", "template", "spec", "containers", 0, "image")}
		}
		c.helm("install", "torchlit", chart, "--namespace", "updates", "--set", "image.repository=torchlit")
		assert.Equal(t, []any{2.0, "torchlit:cpu"}, replicas())
		c.helm("upgrade", "torchlit", chart, "--namespace", "updates", "--reset-then-reuse-values", "--set", "image.tag=next,replicas=3")
		assert.Equal(t, []any{3.0, "torchlit:next"}, replicas())
		c.helm("rollback", "torchlit", "1", "--namespace", "updates")
		assert.Equal(t, []any{2.0, "torchlit:cpu"}, replicas())
	})
	t.Run("KServe", func(t *testing.T) {
		c := *c
		c.t = t
		namespace("models")
		files, err := filepath.Glob(filepath.Join(root, "deploy", "kserve", "*.yaml"))
		require.NoError(t, err)
		require.Len(t, files, 4)
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			for _, o := range objects(t, string(text)) {
				status, answer := c.create(o, "models", true)
				assert.Equal(t, 201, status, "%s: %s", f, answer)
			}
		}
	})
	for _, pool := range []string{"cpu", "gpu"} {
		t.Run("overlay "+pool, func(t *testing.T) {
			c := *c
			c.t = t
			out, errs, err := command(t, kustomize, "build", "deploy/kubernetes/overlays/"+pool)
			require.NoError(t, err, errs)
			all := objects(t, strings.ReplaceAll(out, "namespace: torchlit", "namespace: torchlit-"+pool))
			for _, o := range all {
				if o.kind() == "Namespace" {
					o["metadata"].(map[string]any)["name"] = "torchlit-" + pool
				}
			}
			for _, o := range all {
				status, answer := c.create(o, "torchlit-"+pool, false)
				assert.Equal(t, 201, status, "%s: %s", o.name(), answer)
			}
		})
	}
}

// definitions are the custom resources' own, from the modules that the schemas are made of.
func definitions(t *testing.T) (all []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./tools/kubernetes/schemas", "--definitions")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	for path := range strings.Lines(string(out)) {
		text, err := os.ReadFile(strings.TrimSpace(path))
		require.NoError(t, err)
		all = append(all, string(text))
	}
	require.Len(t, all, 6)
	return all
}
