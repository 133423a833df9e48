package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	composetypes "github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loadCompose reads a file as docker compose would in the root of the repository, with .env, with these profiles or those of .env.
func loadCompose(t *testing.T, file string, profiles ...string) (*composetypes.Project, error) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	options, err := cli.NewProjectOptions([]string{file}, cli.WithWorkingDirectory(root), cli.WithResolvedPaths(true), cli.WithInterpolation(true),
		cli.WithEnvFiles(), cli.WithDotEnv, cli.WithDefaultProfiles(profiles...))
	require.NoError(t, err)
	return options.LoadProject(t.Context())
}

// exactVersion is an image by its whole name, with a version that is not moved.
var exactVersion = regexp.MustCompile(`^[a-z0-9.-]+\.[a-z]+/[a-z0-9./-]+:v?[0-9]+\.[0-9]+\.[0-9]+$`)

// composeFaults returns what is wrong with the services of a project that are started together.
func composeFaults(p *composetypes.Project) []string {
	var bad []string
	f := func(service, format string, args ...any) {
		bad = append(bad, service+": "+fmt.Sprintf(format, args...))
	}
	published := map[string]string{}
	names := map[string]bool{}
	for _, service := range p.ServiceNames() {
		s := p.Services[service]
		names[service] = true
		for _, network := range s.Networks {
			if network != nil {
				for _, alias := range network.Aliases {
					names[alias] = true
				}
			}
		}
		healthy := s.HealthCheck != nil
		switch {
		case s.Build == nil && !exactVersion.MatchString(s.Image):
			f(service, "%s has no exact version", s.Image)
		case s.Build != nil:
			text, err := os.ReadFile(filepath.Join(s.Build.Context, s.Build.Dockerfile))
			if err != nil {
				f(service, "%v", err)
			}
			healthy = healthy || strings.Contains(string(text), "\nHEALTHCHECK ")
		}
		if !healthy {
			f(service, "nobody asks whether it works")
		}
		for _, v := range s.Volumes {
			if v.Type == composetypes.VolumeTypeBind {
				if _, err := os.Stat(v.Source); err != nil {
					f(service, "%v", err)
				}
			}
		}
		for _, port := range s.Ports {
			if other := published[port.Published]; other != "" {
				f(service, "%s has its port %s", other, port.Published)
			}
			published[port.Published] = service
			if s.Build == nil && port.HostIP != "127.0.0.1" {
				f(service, "it has no passwords and is open to the network")
			}
		}
		if s.Build != nil {
			cmd := serveCommand()
			if len(s.Command) == 0 || s.Command[0] != "serve" {
				f(service, "it does not serve: %q", s.Command)
			} else if err := cmd.ParseFlags(s.Command[1:]); err != nil {
				f(service, "%v", err)
			}
		}
	}
	return append(bad, unknownServers(p, names)...)
}

// unknownServers looks at where Prometheus, Grafana and runs look for each other and the server.
func unknownServers(p *composetypes.Project, names map[string]bool) []string {
	var bad []string
	f := func(service, file, pattern string) {
		if _, ok := p.Services[service]; !ok {
			return
		}
		text, err := os.ReadFile(deployed(filepath.FromSlash(file)))
		if err != nil {
			bad = append(bad, err.Error())
			return
		}
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			bad = append(bad, fmt.Sprintf("%s: %s names nothing to look for", service, file))
		}
		for _, m := range found {
			if !names[m[1]] && m[1] != "localhost" {
				bad = append(bad, fmt.Sprintf("%s: no service is called %s", service, m[1]))
			}
		}
	}
	f("prometheus", "prometheus/prometheus.yml", `(?m)^ +- targets: \["([a-z-]+):`)
	f("grafana", "grafana/provisioning/datasources/prometheus.yml", `url: http://([a-z-]+):`)
	return bad
}

// TestCompose: docker compose's own parser takes the file, and what is started together fits.
func TestCompose(t *testing.T) {
	file := filepath.Join("..", "..", "compose.yaml")
	f := func(profiles, services []string) {
		t.Helper()
		p, err := loadCompose(t, file, profiles...)
		require.NoError(t, err)
		assert.ElementsMatch(t, services, p.ServiceNames())
		assert.Empty(t, composeFaults(p))
	}
	f(nil, []string{"torchlit", "prometheus", "grafana"})
	f([]string{"cuda"}, []string{"torchlit-cuda", "prometheus", "grafana"})
	f([]string{"cuda", "mlflow"}, []string{"torchlit-cuda", "prometheus", "grafana", "mlflow"})

	all, err := loadCompose(t, file, "*")
	require.NoError(t, err)
	assert.NotEmpty(t, composeFaults(all), "the two servers share a port: only one of their profiles is to be chosen")
	cpu, cuda := all.Services["torchlit"], all.Services["torchlit-cuda"]
	assert.Equal(t, cpu.Command, cuda.Command)
	assert.Equal(t, []any{cpu.ReadOnly, cpu.CapDrop, cpu.SecurityOpt, cpu.Volumes}, []any{cuda.ReadOnly, cuda.CapDrop, cuda.SecurityOpt, cuda.Volumes})
	require.Len(t, cuda.Deploy.Resources.Reservations.Devices, 1)
	assert.Equal(t, []string{"gpu"}, cuda.Deploy.Resources.Reservations.Devices[0].Capabilities)
	assert.True(t, slices.ContainsFunc(all.Services["grafana"].Volumes, func(v composetypes.ServiceVolumeConfig) bool { return v.Target == "/var/lib/grafana/dashboards" }))
	hosts := all.Services["mlflow"].Command[len(all.Services["mlflow"].Command)-1]
	assert.Contains(t, hosts, "mlflow:5000", "runs in containers name the server so")
	assert.Contains(t, hosts, ",localhost:5000", "so do those of this machine")
}

// TestComposeFaults: what TestCompose is to find is found.
func TestComposeFaults(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "compose.yaml"))
	require.NoError(t, err)
	f := func(old, with, want string) {
		t.Helper()
		require.Contains(t, string(text), old)
		file := filepath.Join(t.TempDir(), "compose.yaml")
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), old, with, 1)), 0o600))
		p, err := loadCompose(t, file, "cpu", "mlflow")
		got := fmt.Sprint(err)
		if err == nil {
			got = strings.Join(composeFaults(p), "\n")
		}
		assert.Contains(t, got, want)
	}
	f("docker/cpu/Dockerfile", "docker/gone/Dockerfile", "no such file")
	f("./deploy/prometheus:", "./deploy/gone:", "no such file")
	f(`"mlflow:/mlflow"`, `"gone:/mlflow"`, "undefined volume gone")
	f("depends_on: [prometheus]", "depends_on: [gone]", "undefined service")
	f("  prometheus:\n    image", "  metrics:\n    image", "prometheus")
	f("  torchlit:\n    <<", "  api:\n    <<", "no service is called torchlit")
	f("grafana:12.1.0", "grafana:latest", "no exact version")
	f("grafana:12.1.0", "grafana", "no exact version")
	f("GRAFANA_PORT:-3000", "GRAFANA_PORT:-9090", "has its port 9090")
	f("127.0.0.1:${GRAFANA_PORT", "${GRAFANA_PORT", "open to the network")
	f(`"--monitor"`, `"--monitro"`, "unknown flag")
	f("healthcheck:", "x-healthcheck:", "nobody asks")
	f("services:", "servics:", "servics")
}
