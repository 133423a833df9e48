package kubernetes_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// TestValuesAreRefused: what is misspelt, or contradicts other values, ends before anything is changed in a cluster, with what is wrong.
func TestValuesAreRefused(t *testing.T) {
	helm, _, _ := tools(t)
	f := func(want string, args ...string) {
		t.Helper()
		out, errs, err := command(t, helm, append([]string{"template", "torchlit", chart, "--set", "image.repository=x"}, args...)...)
		assert.Error(t, err, args)
		assert.Contains(t, errs, want, args)
		assert.Empty(t, out)
	}
	f("additional properties 'repliacs' not allowed", "--set", "repliacs=3")
	f("additional properties 'grace' not allowed", "--set", "drain.grace=3")
	f("additional properties 'max_batch' not allowed", "--set", "config.max_batch=3")
	f("additional properties 'addr' not allowed", "--set", "config.addr=:80") // the chart has to know it
	f("at '/config/max_batch_size': got string, want integer", "--set-string", "config.max_batch_size=many")
	f("at '/config/timeout'", "--set", "config.timeout=5minutes")
	f("at '/replicas': got string, want integer", "--set-string", "replicas=3")
	f("at '/models/source': value must be one of", "--set", "models.source=s3")
	f("at '/models/download/uri'", "--set", "models.source=download,models.download.uri=s3://b/m")
	f("at '/models/path'", "--set", "models.path=../etc")
	f("at '/image/repository'", "--set", "image.repository=torchlit:cpu")
	f("at '/image/digest'", "--set", "image.digest=sha256:12")
	f("at '/image/tag'", "--set", "image.tag=20261128") // a number of this size would become 2.0261128e+07
	f("at '/grpc/port'", "--set", "grpc.port=9090")
	f("at '/strategy/maxSurge'", "--set", "strategy.maxSurge=some")
	f("at '/autoscaling/kind'", "--set", "autoscaling.kind=vpa")
	f("image.repository: name where the image is", "--set", "image.repository=")
	f("say which in models.volume", "--set", "models.source=volume")
	f("set it to volume", "--set", "models.volume.emptyDir.sizeLimit=1Gi")
	f("say from where in models.download.uri", "--set", "models.source=download")
	f("let them share a log in PostgreSQL", "--set", "monitor.enabled=true")
	f("let them share a log in PostgreSQL", "--set", "monitor.enabled=true,replicas=1,autoscaling.kind=hpa")
	f("is more than autoscaling.maxReplicas", "--set", "autoscaling.kind=hpa,autoscaling.minReplicas=20")
	f("say for which names in ingress.hosts", "--set", "ingress.enabled=true")
	f("say at which gateways in httpRoute.parentRefs", "--set", "httpRoute.enabled=true")
	f("chart requires kubeVersion", "--kube-version", "1.26.0")
}

// TestSchemaHasTheValues: what values.yaml has the schema knows, and the other way round, so that neither is forgotten.
func TestSchemaHasTheValues(t *testing.T) {
	require.NoError(t, rootErr)
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(root, chart, name))
		require.NoError(t, err)
		return text
	}
	var values, schema map[string]any
	require.NoError(t, yaml.Unmarshal(read("values.yaml"), &values))
	require.NoError(t, json.Unmarshal(read("values.schema.json"), &schema))
	var compare func(path string, values, schema map[string]any)
	compare = func(path string, values, schema map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		for key, v := range values {
			s, ok := properties[key].(map[string]any)
			if !assert.True(t, ok, "values.schema.json lacks %s%s", path, key) {
				continue
			}
			if below, ok := v.(map[string]any); ok && s["additionalProperties"] == false && path+key != "config" {
				compare(path+key+".", below, s)
			}
		}
		for key := range properties {
			// A subchart's values may be global; these two are Kubernetes' own.
			if path+key == "global" || path+key == "resources.claims" || path == "autoscaling.keda.authenticationRef." {
				continue
			}
			assert.Contains(t, values, key, "values.yaml lacks %s%s", path, key)
		}
		assert.Equal(t, false, schema["additionalProperties"], "%s takes any key", path)
	}
	compare("", values, schema)
}

// TestNotes: what the person who installs is told next, as far as helm shows it without a cluster.
func TestNotes(t *testing.T) {
	helm, _, _ := tools(t)
	f := func(args ...string) string {
		t.Helper()
		out, errs, err := command(t, helm, append([]string{"install", "photos", chart, "--dry-run=client", "--namespace", "vision", "--set", "image.repository=x"}, args...)...)
		require.NoError(t, err, errs)
		return out
	}
	plain := f()
	assert.Contains(t, plain, "kubectl -n vision rollout status deployment/photos-torchlit --timeout=360s")
	assert.Contains(t, plain, "kubectl -n vision port-forward service/photos-torchlit 8080:80 &\n  curl -F image=@cat.jpg http://localhost:8080/v1/classify")
	assert.Contains(t, plain, "Everybody who reaches it may ask")
	public := f("--set", "ingress.enabled=true,ingress.hosts={photos.example.com},auth.apiKeysSecret=keys,networkPolicy.enabled=false")
	assert.Contains(t, public, `curl -H "Authorization: Bearer $KEY" -F image=@cat.jpg http://photos.example.com/v1/classify`)
	assert.NotContains(t, public, "may ask")
	assert.Contains(t, f("--set", "autoscaling.kind=keda"), "KEDA asks Prometheus for torchlit_queue_depth of the service photos-torchlit-admin")
}
