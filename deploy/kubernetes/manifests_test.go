package kubernetes_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// copied is a folder laid out like deploy, to be spoilt.
func copied(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"helm", "kserve", "kubernetes", "prometheus"} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, "deploy", part))))
	}
	return dir
}

// TestCheck: make lint-kubernetes finds nothing in what is there, and finds what is wrong in the chart, an overlay and what is for KServe.
func TestCheck(t *testing.T) {
	tools(t)
	out, errs, err := command(t, "tools/kubernetes/check.sh")
	require.NoError(t, err, out+errs)
	f := func(file, old, replacement, want string) {
		t.Helper()
		dir := copied(t)
		path := filepath.Join(dir, filepath.FromSlash(file))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), old, file)
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), old, replacement, 1)), 0o600))
		out, errs, err := command(t, "tools/kubernetes/check.sh", dir)
		assert.Error(t, err, "%s: %q for %q is let through", file, replacement, old)
		assert.Contains(t, out+errs, want, file)
	}
	f("helm/torchlit/templates/deployment.yaml", "automountServiceAccountToken", "automountServiceToken", "the chart with values.yaml is not what the API takes")
	f("helm/torchlit/templates/poddisruptionbudget.yaml", "maxUnavailable: {{", "maxUnavailable: {{{", "poddisruptionbudget.yaml")
	f("helm/torchlit/ci/everything.yaml", "max_batch_size", "max_batch_sizes", "additional properties 'max_batch_sizes' not allowed")
	f("kubernetes/overlays/gpu/deployment.yaml", "operator: Exists", "operater: Exists", "overlays/gpu is not what the API takes")
	f("kserve/inferenceservice.yaml", "storageUri", "storageURL", "inferenceservice.yaml is not what the API takes")
}

// TestSchemasAreStrict: a wrong object of each kind is refused. It is made of a right one, by one change.
func TestSchemasAreStrict(t *testing.T) {
	_, kubeconform, _ := tools(t)
	all := render(t, "-f", chart+"/ci/everything.yaml")
	all = append(all, one(t, render(t, "-f", chart+"/values-cpu.yaml"), "HorizontalPodAutoscaler"))
	for _, name := range []string{"servingruntime.yaml", "inferenceservice.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, "deploy", "kserve", name))
		require.NoError(t, err)
		all = append(all, objects(t, string(text))...)
	}
	conforms := func(o object) (string, error) {
		text, err := yaml.Marshal(map[string]any(o))
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "object.yaml")
		require.NoError(t, os.WriteFile(file, text, 0o600))
		out, errs, err := command(t, kubeconform, "-strict", "-schema-location", "deploy/kubernetes/schemas/{{.ResourceKind}}{{.KindSuffix}}.json", file)
		return out + errs, err
	}
	f := func(kind, want string, change func(o object)) {
		t.Helper()
		for _, o := range all {
			if o.kind() != kind {
				continue
			}
			var spoilt map[string]any
			text, err := yaml.Marshal(map[string]any(o))
			require.NoError(t, err)
			require.NoError(t, yaml.Unmarshal(text, &spoilt))
			change(spoilt)
			out, err := conforms(spoilt)
			assert.Error(t, err, kind)
			assert.Contains(t, out, want, kind)
			return
		}
		t.Errorf("no %s", kind)
	}
	spec := func(o object, path ...any) map[string]any {
		return o.at(append([]any{"spec"}, path...)...).(map[string]any)
	}
	kinds := map[string]bool{}
	for _, o := range all {
		if !kinds[o.kind()] {
			kinds[o.kind()] = true
			f(o.kind(), "'replicass' not allowed", func(o object) { o["replicass"] = 1 })
			f(o.kind(), "missing property 'name'", func(o object) { delete(o["metadata"].(map[string]any), "name") })
		}
	}
	assert.Len(t, kinds, 15, "kinds that were looked at")
	f("Deployment", "missing property 'selector'", func(o object) { delete(spec(o), "selector") })
	f("Deployment", "'cpus' not allowed", func(o object) {
		spec(o, "template", "spec", "containers", 0, "resources")["cpus"] = 2
	})
	f("Deployment", "want integer", func(o object) { spec(o)["replicas"] = "two" })
	f("Service", "'targetport' not allowed", func(o object) { spec(o, "ports", 0)["targetport"] = 80 })
	f("PodDisruptionBudget", "'maxUnavailble' not allowed", func(o object) { spec(o)["maxUnavailble"] = 1 })
	f("NetworkPolicy", "'podSelecter' not allowed", func(o object) {
		spec(o, "ingress", 0)["from"] = []any{map[string]any{"podSelecter": map[string]any{}}}
	})
	f("HorizontalPodAutoscaler", "missing property 'maxReplicas'", func(o object) { delete(spec(o), "maxReplicas") })
	f("ScaledObject", "missing property 'metadata'", func(o object) { delete(spec(o, "triggers", 0), "metadata") })
	f("ServiceMonitor", "does not match pattern", func(o object) { spec(o, "endpoints", 0)["interval"] = "often" })
	f("PrometheusRule", "missing property 'expr'", func(o object) { delete(spec(o, "groups", 0, "rules", 0), "expr") })
	f("HTTPRoute", "want array", func(o object) { spec(o)["parentRefs"] = map[string]any{} })
	f("ServingRuntime", "missing property 'containers'", func(o object) { delete(spec(o), "containers") })
	f("InferenceService", "want integer", func(o object) { spec(o, "predictor")["minReplicas"] = "two" })
	f("InferenceService", "'cpus' not allowed", func(o object) {
		spec(o, "predictor", "model")["resources"] = map[string]any{"cpus": 2}
	})
}

// TestManifestsAreMadeFromTheChart: what make manifests would write is what is there.
func TestManifestsAreMadeFromTheChart(t *testing.T) {
	tools(t)
	dir := copied(t)
	out, errs, err := command(t, "tools/kubernetes/manifests.sh", dir)
	require.NoError(t, err, out+errs)
	for _, name := range []string{"kubernetes/base/torchlit.yaml", "kubernetes/overlays/cpu/autoscaling.yaml", "kubernetes/overlays/gpu/autoscaling.yaml",
		"kubernetes/components/monitoring/monitoring.yaml", "helm/torchlit/README.md"} {
		want, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(root, "deploy", filepath.FromSlash(name)))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "deploy/%s is not what the chart makes: make manifests", name)
	}
}

// TestOverlaysSayTheSame: an overlay is what the chart makes with the values for such nodes, but for Helm's labels and the namespace.
func TestOverlaysSayTheSame(t *testing.T) {
	_, _, kustomize := tools(t)
	for _, pool := range []string{"cpu", "gpu"} {
		out, errs, err := command(t, kustomize, "build", "deploy/kubernetes/overlays/"+pool)
		require.NoError(t, err, errs)
		got, want := byName(objects(t, out)), byName(render(t, "-f", chart+"/values-"+pool+".yaml", "--skip-tests"))
		assert.Equal(t, "restricted", got["Namespace/torchlit"].at("metadata", "labels", "pod-security.kubernetes.io/enforce"))
		delete(got, "Namespace/torchlit")
		for name, o := range want {
			labels := o.at("metadata", "labels").(map[string]any)
			delete(labels, "helm.sh/chart")
			delete(labels, "app.kubernetes.io/managed-by")
			assert.Equal(t, o, got[name], "%s of overlays/%s", name, pool)
		}
		assert.Len(t, got, len(want), pool)
	}
}

func byName(all []object) map[string]object {
	out := map[string]object{}
	for _, o := range all {
		out[o.kind()+"/"+o.name()] = o
	}
	return out
}
