package mlflow

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/torchlit/torchlit/track"
)

// The tracker's own folder in the run folder.
const (
	folder    = "mlflow"
	stateName = "run.json"
	spoolName = "spool"
)

// state is what a resumed run, and one whose records are sent later, have to know. It
// holds no credentials.
type state struct {
	TrackingURI         string `json:"tracking_uri"`
	ExperimentName      string `json:"experiment_name"`
	RegisteredModelName string `json:"registered_model_name,omitempty"`
	// Key is a tag of the run: it finds the run when the answer to its creation was
	// lost. Creating says that the creation has been tried.
	Key          string `json:"key"`
	Creating     bool   `json:"creating,omitempty"`
	ExperimentID string `json:"experiment_id,omitempty"`
	RunID        string `json:"run_id,omitempty"`
	ArtifactURI  string `json:"artifact_uri,omitempty"`

	path string
}

func newState(dir string) *state {
	return &state{path: filepath.Join(dir, folder, stateName), Key: rand.Text()}
}

// readState returns nil without an error when the run folder dir has no state.
func readState(dir string) (*state, error) {
	s := &state{path: filepath.Join(dir, folder, stateName)}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the MLflow run of %q: %w", dir, err)
	}
	return s, nil
}

// save writes s so that a crash leaves the old or the new state.
func (s *state) save() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("BUG: the state has no JSON form: " + err.Error())
	}
	if err := track.WriteFile(s.path, append(data, '\n')); err != nil {
		return fmt.Errorf("cannot note the MLflow run: %w", err)
	}
	return nil
}
