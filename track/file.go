package track

import (
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// WriteFile writes a file so that a reader, and a crash, meets the old one or the new
// one, but no half.
func WriteFile(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		os.Remove(tmp)
		return err // names the file
	}
	return os.Rename(tmp, path)
}

// WriteHParams writes the settings of a run to hparams.yaml in the folder dir, as
// Lightning's CSVLogger leaves them beside metrics.csv.
func WriteHParams(dir string, config map[string]any) error {
	if config == nil {
		config = map[string]any{} // yaml's null is no set of settings
	}
	data, err := yaml.Marshal(config)
	if err != nil {
		return fmt.Errorf("cannot write hparams.yaml: %w", err)
	}
	if err := WriteFile(filepath.Join(dir, "hparams.yaml"), data); err != nil {
		return fmt.Errorf("cannot write hparams.yaml: %w", err)
	}
	return nil
}
