package main

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/config"
	"github.com/torchlit/torchlit/config/hydra"
	"github.com/torchlit/torchlit/internal/memlimit"
	"github.com/torchlit/torchlit/internal/reference"
	"github.com/torchlit/torchlit/internal/supervise"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/watch"
	"github.com/torchlit/torchlit/monitor/webhook"
	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/server/openapi"
	"github.com/torchlit/torchlit/train"
)

var writeReference = flag.Bool("write-reference", false, "write docs/source/reference (make reference)")

// TestReference: the pages of docs/source/reference say what the program says of itself.
func TestReference(t *testing.T) {
	api, err := reference.API(openapi.JSON())
	require.NoError(t, err)
	for name, text := range map[string]string{
		"cli.md":     reference.CLI(rootCommand(), config.Group),
		"config.md":  settingsPage(t),
		"metrics.md": reference.MetricsPage(allMetrics(t)),
		"api.md":     api,
	} {
		file := filepath.Join("..", "..", "docs", "source", "reference", name)
		if *writeReference {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
			continue
		}
		there, err := os.ReadFile(file)
		require.NoError(t, err)
		if string(there) != text { // all of both would be said, by assert
			t.Errorf("%s is stale: make reference", file)
		}
	}
}

func settingsPage(t *testing.T) string {
	t.Helper()
	folder := filepath.Join("..", "..", "configs")
	loader := &hydra.Loader{Job: "train", Name: "train", Sources: []hydra.Source{hydra.Dir("main", folder)}}
	base := train.Default()
	base.Data.Dir = ""
	loader.Base = config.Base(base)
	cfg, err := loader.Compose(nil, hydra.Run)
	require.NoError(t, err)
	text, err := cfg.Show("job", "", false)
	require.NoError(t, err)
	page, err := reference.Config(reference.Settings{Group: "server", Values: defaultServeSettings()}, reference.Composition{
		Text: text, Keys: reflect.TypeFor[train.Config](), Folder: folder, Primary: "train.yaml", Source: filepath.Join("..", ".."), Module: "github.com/torchlit/torchlit",
	})
	require.NoError(t, err)
	return page
}

// allMetrics are those of servers that were started in every way, with something in each that has no kind without.
func allMetrics(t *testing.T) []reference.MetricGroup {
	t.Helper()
	var groups []reference.MetricGroup
	group := func(heading, intro string, register func(r *reference.Registry)) {
		r := reference.NewRegistry()
		register(r)
		all, err := r.Metrics()
		require.NoError(t, err)
		require.NotEmpty(t, all, heading)
		groups = append(groups, reference.MetricGroup{Heading: heading, Intro: intro, Metrics: all})
	}
	group("Of every server", "", func(r *reference.Registry) {
		metrics := server.NewMetrics(r)
		metrics.Model("m", "1")
		s, err := server.Open(server.Config{Metrics: metrics, Build: map[string]string{"version": "", "commit": "", "libtorch": ""}})
		require.NoError(t, err)
		s.Close()
		registerNativeMetrics(r)
		d, err := openDoors(&serveSettings{}, nil)
		require.NoError(t, err)
		r.MustRegister(d.reloads)
	})
	group("Under a memory limit", "Where the container has one, or `--memory-limit` is given.", func(r *reference.Registry) {
		registerMemoryMetrics(r, new(memlimit.Gate))
	})
	group("With --monitor", "", func(r *reference.Registry) {
		registerLogMetrics(r, new(predlog.Log))
		strange := 0.0
		r.MustRegister(newDriftMetrics(func() []watch.Status {
			return []watch.Status{{
				Model: "m", Version: "1", Reference: &watch.ReferenceView{}, Accuracy: &watch.Accuracy{},
				Windows: []*detector.Result{{Strange: &strange, Tests: []detector.Test{{Detector: "bbsd"}}}},
			}}
		}))
	})
	group("With --drift-webhook", "", func(r *reference.Registry) {
		h, err := webhook.New("http://localhost/", webhook.Config{})
		require.NoError(t, err)
		defer closeWebhook(h)
		registerWebhook(r, h)
	})
	group("With --access-log", "", func(r *reference.Registry) {
		(&observers{access: &accessLog{}}).register(r)
	})
	group("With --decode-isolation=process", "", func(r *reference.Registry) {
		r.MustRegister(newDecoderRestarts(), newDecoderGauge(func() int { return 0 }))
	})
	group("With --supervise", "", func(r *reference.Registry) {
		(&lifecycle{orders: &supervise.Orders{}}).register(r)
	})
	return groups
}

// TestReferenceHasAllMetrics: the registries above lack no metric that the source names.
func TestReferenceHasAllMetrics(t *testing.T) {
	known := map[string]bool{}
	for _, g := range allMetrics(t) {
		for _, m := range g.Metrics {
			known[m.Name] = true
		}
	}
	named := regexp.MustCompile(`(?:Name: |counter\(|gauge\(|histogram\()"(torchlit_[a-z_]+[a-z])"`)
	found := 0
	for _, dir := range []string{".", filepath.Join("..", "..", "server")} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range named.FindAllStringSubmatch(string(text), -1) {
				found++
				assert.True(t, known[m[1]], "%s has the metric %s, which allMetrics does not register", file, m[1])
			}
		}
	}
	assert.Greater(t, found, 30, "this test does not see where metrics are named")
}
