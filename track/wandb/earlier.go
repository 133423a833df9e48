package wandb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A run that is killed and resumed goes on as the same run on W&B: with the same
// id, in another offline-run folder, which `wandb sync` uploads after the first
// because its run record asks to resume. The file stateName in the run folder
// says which id that is and where the logs so far are.
//
// A resumed run begins at its last checkpoint and goes once more through the steps
// that it had logged after it. W&B does not take a step twice: as its own client
// does, the tracker leaves them out, up to the last step that is in the logs. The
// logs are also what the minima, maxima and means of the summary go on from.
const stateName = "wandb-resume.json"

// state is what stateName holds.
type state struct {
	RunID string   `json:"run_id"`
	Logs  []string `json:"logs"` // .wandb files, oldest first, relative to the run folder
}

func readState(dir string) (state, error) {
	var st state
	data, err := os.ReadFile(filepath.Join(dir, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &st)
	}
	if err != nil {
		return st, fmt.Errorf("cannot resume W&B run: %w; remove %q to begin another", err, filepath.Join(dir, stateName))
	}
	return st, nil
}

// write replaces the file as a whole.
func (st state) write(dir string) error {
	data, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, stateName), append(data, '\n'))
}

// path returns a log's path from what stands in the state.
func (st state) path(dir, log string) string {
	if filepath.IsAbs(log) {
		return log
	}
	return filepath.Join(dir, log)
}

// earlier is what the logs of a run say of it.
type earlier struct {
	rows    bool
	step    int64 // the last one logged, if rows
	runtime time.Duration
}

// recall reads a log as far as it is whole, and takes its rows into the summary.
func (e *earlier) recall(path string, sum *summary) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := newLogReader(f)
	if err != nil {
		return nil // not even a header: killed at once
	}
	for {
		record, err := r.next()
		if err != nil {
			return nil // the end, or where the file was cut
		}
		for f, err := range message(record).fields() {
			if err == nil && f.number == kindHistory {
				e.row(f.bytes, sum)
			}
		}
	}
}

// row takes one HistoryRecord into account.
func (e *earlier) row(history message, sum *summary) {
	for f, err := range history.fields() {
		if err != nil {
			return
		}
		switch f.number {
		case 1:
			key, value := f.item()
			switch key {
			case "_runtime":
				if v, ok := parseNumber(value); ok {
					e.runtime = max(e.runtime, time.Duration(v*float64(time.Second)))
				}
			case "_step", "_timestamp", "":
			default:
				sum.observe(key, value)
			}
		case 2:
			for f, err := range message(f.bytes).fields() {
				if err == nil && f.number == 1 {
					e.step = max(e.step, int64(f.num))
				}
			}
		}
	}
	e.rows = true
}

// item reads a HistoryItem.
func (f field) item() (key, value string) {
	for f, err := range message(f.bytes).fields() {
		if err != nil {
			return "", ""
		}
		switch f.number {
		case itemKey, itemNestedKey:
			key = string(f.bytes)
		case itemValue:
			value = string(f.bytes)
		}
	}
	return key, value
}

// replaceFile writes a file that others may be reading.
func replaceFile(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
