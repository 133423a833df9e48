package predlog

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/torchlit/torchlit/monitor"
)

// model is a row of the table of models, with its labels by name.
type model struct {
	id            int64
	name, version string
	labels        []string
	classes       map[string]int
}

func newModel(id int64, name, version string, labels []string) *model {
	m := &model{id: id, name: name, version: version, labels: labels, classes: make(map[string]int, len(labels))}
	for i, l := range slices.Backward(labels) { // of equal names the first counts
		m.classes[l] = i
	}
	return m
}

// readModel is newModel with labels as they are stored.
func readModel(id int64, name, version, labels string) (*model, error) {
	var l []string
	if err := json.Unmarshal([]byte(labels), &l); err != nil {
		return nil, fmt.Errorf("cannot read the labels of model %d: %w", id, err)
	}
	return newModel(id, name, version, l), nil
}

// models are the rows that a writer knows.
type models struct {
	byKey map[modelKey]*model
	byID  map[int64]*model
}

// modelKey tells models apart without comparing their labels: the same loading of a model has the same slice.
type modelKey struct {
	name, version string
	labels        *string
}

func keyOf(a *monitor.Answer) modelKey {
	key := modelKey{name: a.Model, version: a.Version}
	if len(a.Labels) > 0 {
		key.labels = &a.Labels[0]
	}
	return key
}

const mostModels = 1024

func newModels() models { return models{map[modelKey]*model{}, map[int64]*model{}} }

func (c *models) add(key modelKey, m *model) {
	if len(c.byKey) >= mostModels { // each reload of a version brings another slice of labels
		clear(c.byKey)
	}
	c.byKey[key], c.byID[m.id] = m, m
}

// forget is called when a transaction has failed: some may have been of it.
func (c *models) forget() {
	clear(c.byKey)
	clear(c.byID)
}
