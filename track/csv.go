package track

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// CSV writes metrics.csv as Lightning's CSVLogger lays it out, so that tools
// made for that read it: the header has the metric keys and "step", sorted;
// each call of Log is a row, with empty cells where a metric was not logged.
//
// A row is in the file before Log returns, so a run that is killed keeps all
// its rows. Rows are appended; only a metric that was never seen before makes
// the file be written anew, under another name and then renamed, so that
// whoever reads it meanwhile never sees half.
type CSV struct {
	path string
	file *os.File // nil before the first row and after a failed write
	keys []string // header
}

const stepKey = "step"

// NewCSV begins the file at path for a new run: an older file is replaced
// with the first row.
func NewCSV(path string) (*CSV, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("cannot write metrics: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot begin metrics: %w", err)
	}
	return &CSV{path: path}, nil
}

// ResumeCSV goes on with the file at path after a resume from step: rows up to
// and with that step stay, later ones, which the resumed run will log again,
// go, as does a last line cut short. A file that does not exist begins empty.
func ResumeCSV(path string, step int64) (*CSV, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return NewCSV(path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot resume metrics: %w", err)
	}
	header, rows, err := parseRows(data)
	if err != nil {
		return nil, fmt.Errorf("cannot resume metrics %q: %w; move the file away to begin another", path, err)
	}
	c := &CSV{path: path, keys: header}
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.step > step })
	if len(rows) == 0 {
		return NewCSV(path)
	}
	if err := c.rewrite(header, rows); err != nil {
		return nil, err
	}
	return c, nil
}

// Log appends a row. Non-finite values are written as NaN, +Inf and -Inf, which
// pandas reads. A metric may not be called "step". After an error the row may
// be logged again.
func (c *CSV) Log(step int64, metrics map[string]float64) error {
	if _, ok := metrics[stepKey]; ok {
		return fmt.Errorf("cannot log a metric called %q: the column is taken", stepKey)
	}
	if err := c.widen(metrics); err != nil {
		return err
	}
	cells := make([]string, len(c.keys))
	for i, key := range c.keys {
		if v, ok := metrics[key]; ok {
			cells[i] = strconv.FormatFloat(v, 'g', -1, 64)
		} else if key == stepKey {
			cells[i] = strconv.FormatInt(step, 10)
		}
	}
	if _, err := c.file.Write(encode([][]string{cells})); err != nil {
		c.file.Close()
		c.file = nil                                       // the line may be cut short: the next row rewrites the file without it
		return fmt.Errorf("cannot write metrics: %w", err) // names the file
	}
	return nil
}

// Histogram does nothing: a table has no place for it.
func (c *CSV) Histogram(int64, string, []float32) error { return nil }

// Image does nothing: a table has no place for it.
func (c *CSV) Image(int64, string, []byte, string) error { return nil }

// Artifact does nothing: a table has no place for it.
func (c *CSV) Artifact(string, string, string) error { return nil }

// Finish closes the file. Finishing twice is harmless.
func (c *CSV) Finish(Status, map[string]float64) error {
	if c.file == nil {
		return nil
	}
	err := c.file.Close()
	c.file = nil
	return err
}

// widen makes sure that the file is open and its header has every metric.
func (c *CSV) widen(metrics map[string]float64) error {
	keys := slices.Concat(c.keys, []string{stepKey}, slices.Collect(maps.Keys(metrics)))
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if c.file != nil && len(keys) == len(c.keys) {
		return nil
	}
	var rows []row
	if c.keys != nil {
		data, err := os.ReadFile(c.path)
		if err != nil {
			return fmt.Errorf("cannot add columns to metrics: %w", err)
		}
		if _, rows, err = parseRows(data); err != nil {
			return fmt.Errorf("cannot add columns to metrics %q: %w", c.path, err)
		}
	}
	if err := c.rewrite(keys, rows); err != nil {
		return err
	}
	c.keys = keys
	return nil
}

// rewrite replaces the file by the header and rows, and opens it to append.
func (c *CSV) rewrite(keys []string, rows []row) error {
	table := [][]string{keys}
	for _, r := range rows {
		cells := make([]string, len(keys))
		for i, key := range keys {
			cells[i] = r.cells[key]
		}
		table = append(table, cells)
	}
	if err := WriteFile(c.path, encode(table)); err != nil {
		return fmt.Errorf("cannot write metrics: %w", err)
	}
	if c.file != nil {
		c.file.Close() // of the file replaced; its rows are in the new one
		c.file = nil
	}
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("cannot write metrics: %w", err)
	}
	c.file = f
	return nil
}

func encode(table [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.WriteAll(table) // a bytes.Buffer takes everything
	return b.Bytes()
}

// row is one line of a metrics file, by column.
type row struct {
	step  int64
	cells map[string]string
}

// parseRows reads a metrics file. A last line without its newline was cut
// short by a crash and is left out.
func parseRows(data []byte) (header []string, rows []row, err error) {
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	r := csv.NewReader(bytes.NewReader(data))
	header, err = r.Read()
	if err == io.EOF {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(header, stepKey) {
		return nil, nil, fmt.Errorf("its header has no column %q", stepKey)
	}
	for {
		cells, err := r.Read() // refuses lines of another length
		if err == io.EOF {
			return header, rows, nil
		}
		if err != nil {
			return nil, nil, err
		}
		line := row{cells: make(map[string]string, len(header))}
		for i, key := range header {
			line.cells[key] = cells[i]
		}
		if line.step, err = strconv.ParseInt(line.cells[stepKey], 10, 64); err != nil {
			return nil, nil, fmt.Errorf("cannot read a step: %w", err)
		}
		rows = append(rows, line)
	}
}
