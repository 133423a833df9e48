package kubernetes_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// chooses reports whether a selector's labels are all among those of an object.
func chooses(selector, labels any) bool {
	s, _ := selector.(map[string]any)
	l, _ := labels.(map[string]any)
	for k, v := range s {
		if l[k] != v {
			return false
		}
	}
	return len(s) > 0
}

// TestSelectors: whatever is said of the pods is said of the server's, and of no others.
func TestSelectors(t *testing.T) {
	selectors := map[string][]any{
		"Deployment": {"spec", "selector", "matchLabels"}, "Service": {"spec", "selector"},
		"PodDisruptionBudget": {"spec", "selector", "matchLabels"}, "NetworkPolicy": {"spec", "podSelector", "matchLabels"},
	}
	eachCase(t, func(t *testing.T, all []object) {
		server := one(t, all, "Deployment").at("spec", "template", "metadata", "labels")
		test := one(t, all, "Pod").at("metadata", "labels")
		seen := 0
		for _, o := range all {
			if path, ok := selectors[o.kind()]; ok {
				seen++
				assert.True(t, chooses(o.at(path...), server), "%s/%s", o.kind(), o.name())
				assert.False(t, chooses(o.at(path...), test), "%s/%s", o.kind(), o.name())
			}
			assert.Equal(t, "torchlit", o.at("metadata", "namespace"), o.name())
		}
		assert.GreaterOrEqual(t, seen, 3)
		spread, _ := one(t, all, "Deployment").at("spec", "template", "spec", "topologySpreadConstraints").([]any)
		for _, s := range spread {
			assert.True(t, chooses(object(s.(map[string]any)).at("labelSelector", "matchLabels"), server))
		}
	})
}

// TestWhoRefersToWhom: routes, autoscalers and monitors name what is there.
func TestWhoRefersToWhom(t *testing.T) {
	eachCase(t, func(t *testing.T, all []object) {
		deployment := one(t, all, "Deployment")
		container := object(deployment.at("spec", "template", "spec", "containers", 0).(map[string]any))
		services := map[string]object{}
		for _, o := range all {
			switch o.kind() {
			case "Service":
				services[o.name()] = o
				for _, p := range o.at("spec", "ports").([]any) {
					assert.Contains(t, portNames(container), p.(map[string]any)["targetPort"])
				}
			case "HorizontalPodAutoscaler", "ScaledObject":
				assert.Equal(t, deployment.name(), o.at("spec", "scaleTargetRef", "name"))
				assert.Nil(t, deployment.at("spec", "replicas"), "each update would undo what the autoscaler did")
			case "ConfigMap":
				assert.Equal(t, o.name(), object(deployment.at("spec", "template", "spec", "volumes", 0).(map[string]any)).at("configMap", "name"))
			}
		}
		for _, o := range all {
			switch o.kind() {
			case "Ingress":
				backend := object(o.at("spec", "rules", 0, "http", "paths", 0, "backend", "service").(map[string]any))
				assert.Equal(t, services[backend["name"].(string)].at("spec", "ports", 0, "port"), backend.at("port", "number"))
			case "HTTPRoute":
				backend := object(o.at("spec", "rules", 0, "backendRefs", 0).(map[string]any))
				assert.Equal(t, services[backend["name"].(string)].at("spec", "ports", 0, "port"), backend["port"])
			case "ServiceMonitor":
				var chosen []string
				for name, s := range services {
					if chooses(o.at("spec", "selector", "matchLabels"), s.at("metadata", "labels")) {
						chosen = append(chosen, name)
					}
				}
				require.Len(t, chosen, 1)
				assert.Equal(t, o.at("spec", "endpoints", 0, "port"), services[chosen[0]].at("spec", "ports", 0, "name"))
				query, _ := one(t, all, "ScaledObject").at("spec", "triggers", 0, "metadata", "query").(string)
				assert.Contains(t, query, `service="`+chosen[0]+`"`, "KEDA asks for the label that the monitor gives")
			}
		}
	})
}

// TestWhatGoesOut: the network policy lets out what the values need, and nothing without such values.
func TestWhatGoesOut(t *testing.T) {
	f := func(want []int, args ...string) {
		t.Helper()
		var got []int
		rules, _ := one(t, render(t, args...), "NetworkPolicy").at("spec", "egress").([]any)
		for _, r := range rules {
			for _, p := range r.(map[string]any)["ports"].([]any) {
				got = append(got, p.(map[string]any)["port"].(int))
			}
		}
		assert.Equal(t, want, got, args)
		assert.Contains(t, one(t, render(t, args...), "NetworkPolicy").at("spec", "policyTypes"), "Egress")
	}
	f(nil)
	f([]int{53, 53, 443, 80, 988}, "--set", "models.source=download,models.download.uri=gs://b/m")
	f([]int{53, 53, 6432}, "--set", "monitor.enabled=true,monitor.postgres.secret=pg,monitor.postgres.port=6432")
	f(nil, "--set", "monitor.postgres.secret=pg") // the log is off
	f([]int{53, 53, 4318}, "--set-json", `networkPolicy.egress=[{"ports":[{"port":4318}]}]`)
}

// TestAlertsAreTheSame: the operator gets the rules that Prometheus gets elsewhere, and can read them; a packed chart has them, too.
func TestAlertsAreTheSame(t *testing.T) {
	helm, _, _ := tools(t)
	f := func(chart string) {
		t.Helper()
		out, errs, err := command(t, helm, "template", "torchlit", chart, "--set", "image.repository=x,prometheusRule.enabled=true", "--show-only", "templates/monitoring.yaml")
		require.NoError(t, err, errs)
		rule := one(t, objects(t, out), "PrometheusRule")
		var want map[string]any
		text, err := os.ReadFile(filepath.Join(root, "deploy", "prometheus", "alerts.yml"))
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(text, &want))
		assert.Equal(t, want, rule["spec"])
		if promtool, err := exec.LookPath("promtool"); err == nil {
			spec, err := yaml.Marshal(rule["spec"])
			require.NoError(t, err)
			file := filepath.Join(t.TempDir(), "rules.yml")
			require.NoError(t, os.WriteFile(file, spec, 0o600))
			out, errs, err := command(t, promtool, "check", "rules", file)
			assert.NoError(t, err, out+errs)
		} else {
			require.Empty(t, os.Getenv("TORCHLIT_REQUIRE_ALL"), "promtool is not installed (Debian and Ubuntu: apt-get install prometheus)")
			t.Log("promtool is not installed: the rules were compared and not checked")
		}
	}
	f(chart)
	dir := t.TempDir()
	_, errs, err := command(t, helm, "package", chart, "--destination", dir)
	require.NoError(t, err, errs)
	packed, err := filepath.Glob(filepath.Join(dir, "torchlit-*.tgz"))
	require.NoError(t, err)
	require.Len(t, packed, 1)
	f(packed[0])
}

// TestAutoscalersAsk: KEDA goes by the queue, and by the requests where it is told how many a pod answers.
func TestAutoscalersAsk(t *testing.T) {
	f := func(set string, want ...string) {
		t.Helper()
		triggers, _ := one(t, render(t, "--set", "autoscaling.kind=keda"+set), "ScaledObject").at("spec", "triggers").([]any)
		var got []string
		for _, trigger := range triggers {
			metadata := object(trigger.(map[string]any))
			got = append(got, metadata.at("metadata", "query").(string)+" > "+metadata.at("metadata", "threshold").(string))
		}
		assert.Equal(t, want, got)
	}
	const pods = `{namespace="torchlit", service="torchlit-admin"}`
	queue := "sum(avg_over_time(torchlit_queue_depth" + pods + "[1m])) > 16"
	f("", queue)
	f(",autoscaling.keda.requestRate=120", queue, "sum(rate(torchlit_requests_total"+pods+"[1m])) > 120")
	f(",autoscaling.keda.query=up,autoscaling.keda.requestQuery=down,autoscaling.keda.requestRate=90", "up > 16", "down > 90")
}
