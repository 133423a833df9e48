package dvclive

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/track"
)

// writeMetrics writes metrics.json: the latest values, nested at each "/", overlaid
// with the summary.
func (t *Tracker) writeMetrics(summary map[string]float64) error {
	tree := map[string]any{}
	for _, values := range []map[string]float64{t.latest, summary} {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			var v any = values[name]
			if math.IsNaN(values[name]) || math.IsInf(values[name], 0) {
				v = number(values[name]) // JSON has no such numbers
			}
			place(tree, name, v)
		}
	}
	if len(tree) > 0 {
		tree["step"] = t.step
	}
	data, err := json.MarshalIndent(tree, "", "    ")
	if err != nil {
		return err
	}
	return track.WriteFile(t.path("metrics.json"), append(data, '\n'))
}

// place puts v into the tree at the path name, or, where a value is in the way, under
// the whole name at the top.
func place(tree map[string]any, name string, v any) {
	parts := strings.Split(name, "/")
	node := tree
	for _, p := range parts[:len(parts)-1] {
		child, ok := node[p].(map[string]any)
		if !ok {
			if node[p] != nil {
				tree[name] = v
				return
			}
			child = map[string]any{}
			node[p] = child
		}
		node = child
	}
	last := parts[len(parts)-1]
	if _, taken := node[last].(map[string]any); taken {
		tree[name+"/"] = v
		return
	}
	node[last] = v
}

// writeDVC writes dvc.yaml, which names what is there.
func (t *Tracker) writeDVC() error {
	type axis struct {
		X string `yaml:"x"`
	}
	var file struct {
		Params    []string            `yaml:"params"`
		Metrics   []string            `yaml:"metrics"`
		Plots     []any               `yaml:"plots,omitempty"`
		Artifacts map[string]artifact `yaml:"artifacts,omitempty"`
	}
	file.Params, file.Metrics, file.Artifacts = []string{"params.yaml"}, []string{"metrics.json"}, t.artifacts
	if len(t.latest) > 0 {
		file.Plots = append(file.Plots, map[string]axis{"plots/metrics": {"step"}})
	}
	if t.images {
		file.Plots = append(file.Plots, "plots/images")
	}
	data, err := yaml.Marshal(file)
	if err != nil {
		return err
	}
	return track.WriteFile(t.path("dvc.yaml"), data)
}
