package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/watch"
	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// deployed is the path of a file for operators.
func deployed(parts ...string) string {
	return filepath.Join(append([]string{"..", "..", "deploy"}, parts...)...)
}

// promtool runs Prometheus' own judge of configurations.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), need(t, "promtool"), args...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// need is the path of one of Prometheus' programs.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		torchtest.Skip(t, program+" is not installed (Debian and Ubuntu: apt-get install prometheus)")
	}
	return path
}

func TestPrometheusConfiguration(t *testing.T) {
	promtool(t, "check", "config", deployed("prometheus", "prometheus.yml"))
	promtool(t, "test", "rules", deployed("prometheus", "alerts_test.yml"))
}

type alertRule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alertRules(t *testing.T) (all []alertRule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alertRule } }
	text, err := os.ReadFile(deployed("prometheus", "alerts.yml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// TestAlertsHaveRunbooks: each alert has a section of docs/source/alerts.md, and a test.
func TestAlertsHaveRunbooks(t *testing.T) {
	runbook, err := os.ReadFile(filepath.Join("..", "..", "docs", "source", "alerts.md"))
	require.NoError(t, err)
	tests, err := os.ReadFile(deployed("prometheus", "alerts_test.yml"))
	require.NoError(t, err)
	for _, r := range alertRules(t) {
		assert.Equal(t, "https://github.com/torchlit/torchlit/blob/main/docs/source/alerts.md#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"])
		assert.Contains(t, string(runbook), "\n## "+r.Alert+"\n")
		assert.Regexp(t, `alertname: `+r.Alert+`\n +exp_alerts:`, string(tests), "no test expects this alert")
		assert.Contains(t, []string{"page", "ticket"}, r.Labels["severity"], r.Alert)
		assert.NotEmpty(t, r.For, "%s has no slack", r.Alert)
		assert.NotEmpty(t, r.Annotations["summary"])
		assert.NotEmpty(t, r.Annotations["description"])
	}
}

var described = regexp.MustCompile(`fqName: "([^"]+)"`)

// exportedNames are the metrics that a server has, also those of which nothing has been counted yet.
func exportedNames(t *testing.T) map[string]bool {
	t.Helper()
	registry := prometheus.NewRegistry()
	metrics := server.NewMetrics(registry)
	s, err := server.Open(server.Config{Metrics: metrics, Build: map[string]string{"version": "1"}})
	require.NoError(t, err)
	defer s.Close()
	registerNativeMetrics(registry)
	registerLogMetrics(registry, new(predlog.Log))
	registry.MustRegister(newDriftMetrics(func() []watch.Status { return nil }))
	names := map[string]bool{"up": true}
	all := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(all)
		close(all)
	}()
	for d := range all {
		name := described.FindStringSubmatch(d.String())[1]
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			names[name+suffix] = true
		}
	}
	return names
}

var metricName = regexp.MustCompile(`\b(up|(?:torchlit|process|go)_[a-z0-9_]+)\b`)

// exprs are all that the alerts and the dashboard ask of Prometheus, with something in the place of Grafana's variables.
func exprs(t *testing.T) (all []string) {
	t.Helper()
	for _, r := range alertRules(t) {
		all = append(all, r.Expr)
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$model", ".*", "$version", ".*")
	for _, p := range grafanaDashboard(t).Panels {
		if p.Panel == nil { // a row
			continue
		}
		for _, target := range p.Panel.Targets {
			var query struct{ Expr string }
			text, err := json.Marshal(target)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &query))
			require.NotEmpty(t, query.Expr)
			require.NotContains(t, variables.Replace(query.Expr), "$")
			all = append(all, variables.Replace(query.Expr))
		}
	}
	return all
}

// TestMetricsAreThere: what the alerts and the dashboard ask for is what a server exports, and Prometheus can parse it.
func TestMetricsAreThere(t *testing.T) {
	names := exportedNames(t)
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	for i, expr := range exprs(t) {
		found := metricName.FindAllString(expr, -1)
		assert.NotEmpty(t, found, expr)
		for _, name := range found {
			assert.True(t, names[name], "no server exports %s, which %s asks for", name, expr)
		}
		rules = append(rules, rule{fmt.Sprintf("expr:%d", i), expr})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "rules.yml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	promtool(t, "check", "rules", file)
}

// grafanaModel is the schema of dashboards in files.
//
//lint:ignore SA1019 Grafana's second schema is for its API; what is provisioned from files has this one
type grafanaModel = dashboard.Dashboard

func grafanaDashboard(t *testing.T) grafanaModel {
	t.Helper()
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile(deployed("grafana", "dashboards", "torchlit.json"))
	require.NoError(t, err)
	var d grafanaModel
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

// complaints are an error's; one without any, which these return, is none.
func complaints(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestGrafanaDashboard: the file fits Grafana's own schema, every panel asks the data source that one has chosen, and none covers another.
func TestGrafanaDashboard(t *testing.T) {
	text, err := os.ReadFile(deployed("grafana", "dashboards", "torchlit.json"))
	require.NoError(t, err)
	plugins.RegisterDefaultPlugins()
	var strict grafanaModel
	require.Empty(t, complaints(strict.UnmarshalJSONStrict(text)))
	require.Empty(t, complaints(strict.Validate()))
	ids, taken := map[uint32]bool{}, map[[2]uint32]string{}
	for _, one := range grafanaDashboard(t).Panels {
		if one.RowPanel != nil {
			require.False(t, ids[one.RowPanel.Id])
			ids[one.RowPanel.Id] = true
			continue
		}
		p := one.Panel
		require.False(t, ids[*p.Id], "two panels have the number %d", *p.Id)
		ids[*p.Id] = true
		assert.Equal(t, "${datasource}", *p.Datasource.Uid, *p.Title)
		assert.NotEmpty(t, p.Targets, *p.Title)
		for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				require.Less(t, x, uint32(24), *p.Title)
				require.Empty(t, taken[[2]uint32{x, y}], "%s covers another panel", *p.Title)
				taken[[2]uint32{x, y}] = *p.Title
			}
		}
	}
	assert.Greater(t, len(ids), 15)
}
