package reference

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/accuracy"
	"github.com/torchlit/torchlit/monitor/drift"
	"github.com/torchlit/torchlit/torch/safetensors"
)

// FileName is what the reference is called in a model's folder, unless its torchlit.json says otherwise.
const FileName = "drift.safetensors"

// metadataKey is where the file's metadata has what is no tensor, as JSON.
const metadataKey = "torchlit.drift"

// fileVersion changes when an older program would misread a file.
const fileVersion = 1

// maxCoordinates is what a drift.Mahalanobis takes.
const maxCoordinates = 1024

type metadata struct {
	Version     int                `json:"version"`
	Source      string             `json:"source"`
	Labels      []string           `json:"labels"`
	Images      int                `json:"images"`
	Accuracy    float64            `json:"accuracy"`
	Properties  []string           `json:"properties"`
	Calibration *accuracy.Isotonic `json:"calibration"`
	Classes     []int              `json:"classes,omitempty"` // that have a row of space.means
	Shrinkage   float64            `json:"shrinkage,omitempty"`
}

// The tensors of a file.
const (
	tensorProbabilities = "probabilities"         // [samples, classes] float16
	tensorProperties    = "properties"            // [samples, NumProperties] float32
	tensorCoordinates   = "coordinates"           // [samples, dims+1] float32
	tensorMean          = "projection.mean"       // [1, embedding] float32
	tensorComponents    = "projection.components" // [dims, embedding]
	tensorOffsets       = "projection.offsets"    // [1, dims]
	tensorClassMeans    = "space.means"           // [classes with images, dims+1]
	tensorWhitening     = "space.whitening"       // [dims+1, dims+1]
)

// Write makes the file, whole or not at all.
func (r *Reference) Write(path string) error {
	m := metadata{
		Version: fileVersion, Source: r.Source, Labels: r.Labels, Images: r.Images, Accuracy: r.Accuracy,
		Properties: monitor.PropertyNames[:], Calibration: r.Calibration,
	}
	if r.Space != nil {
		m.Classes, m.Shrinkage = r.Space.Classes, r.Space.Shrinkage
	}
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("cannot write reference %q: %w", path, err)
	}
	w := tensorWriter{}
	w.add(tensorProbabilities, safetensors.F16, r.Probabilities)
	w.add(tensorProperties, safetensors.F32, rowsOf(r.Properties))
	if r.Projection != nil {
		w.add(tensorCoordinates, safetensors.F32, r.Embeddings)
		w.addFlat(tensorMean, 1, r.Projection.Mean)
		w.addFlat(tensorComponents, r.Projection.Dims, r.Projection.Components)
		w.addFlat(tensorOffsets, 1, r.Projection.Offsets)
		w.addFlat(tensorClassMeans, len(r.Space.Classes), r.Space.Means)
		w.addFlat(tensorWhitening, r.Space.Dims, r.Space.Whitening)
	}
	if w.err != nil {
		return fmt.Errorf("cannot write reference %q: %w", path, w.err)
	}
	return safetensors.Write(path, w.entries, map[string]string{metadataKey: string(text)}) // names the file
}

type tensorWriter struct {
	entries []safetensors.Entry
	err     error
}

func (w *tensorWriter) add(name string, dtype safetensors.DType, rows [][]float32) {
	w.matrix(name, dtype, len(rows), slices.Concat(rows...))
}

func (w *tensorWriter) addFlat(name string, rows int, flat []float32) {
	w.matrix(name, safetensors.F32, rows, flat)
}

func (w *tensorWriter) matrix(name string, dtype safetensors.DType, rows int, flat []float32) {
	if w.err != nil {
		return
	}
	var e safetensors.Entry
	if e, w.err = safetensors.FromFloat32(name, dtype, []int64{int64(rows), int64(len(flat) / max(1, rows))}, flat); w.err == nil {
		w.entries = append(w.entries, e)
	}
}

func rowsOf(properties [][monitor.NumProperties]float32) [][]float32 {
	rows := make([][]float32, len(properties))
	for i := range properties {
		rows[i] = properties[i][:]
	}
	return rows
}

// Read reads a file that Write made. What it returns fits together: every length has been checked.
func Read(path string) (*Reference, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err // names the file
	}
	defer f.Close()
	r, err := parse(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read reference %q: %w; make it anew with torchlit export --reference", path, err)
	}
	return r, nil
}

func parse(f *safetensors.File) (*Reference, error) {
	var m metadata
	if err := json.Unmarshal([]byte(f.Metadata()[metadataKey]), &m); err != nil {
		return nil, fmt.Errorf("its metadata has no %s: %w", metadataKey, err)
	}
	if m.Version != fileVersion {
		return nil, fmt.Errorf("it is of version %d, known is %d", m.Version, fileVersion)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	r := &Reference{Source: m.Source, Labels: m.Labels, Images: m.Images, Accuracy: m.Accuracy, Calibration: m.Calibration}
	t := tensorReader{file: f}
	r.Probabilities = t.rows(tensorProbabilities, -1, len(m.Labels))
	n := len(r.Probabilities)
	for _, row := range t.rows(tensorProperties, n, monitor.NumProperties) {
		r.Properties = append(r.Properties, [monitor.NumProperties]float32(row))
	}
	if _, ok := f.Tensor(tensorCoordinates); ok {
		r.readEmbeddings(&t, &m)
	}
	if t.err == nil && (n < minSamples || r.Embeddings != nil && len(r.Embeddings) < minSamples) {
		t.err = fmt.Errorf("it has %d and %d samples; a reference has at least %d", n, len(r.Embeddings), minSamples)
	}
	return r, t.err
}

func (m *metadata) check() error {
	if len(m.Labels) == 0 || m.Calibration == nil {
		return errors.New("it lacks labels or a calibration")
	}
	if !(m.Accuracy >= 0 && m.Accuracy <= 1) {
		return fmt.Errorf("its accuracy is %v; it lies between 0 and 1", m.Accuracy)
	}
	if fmt.Sprint(m.Properties) != fmt.Sprint(monitor.PropertyNames) {
		return fmt.Errorf("its images have other properties: %q", m.Properties)
	}
	return checkBlocks(m.Calibration.Blocks)
}

// checkBlocks wants them to be what FitIsotonic makes.
func checkBlocks(blocks []accuracy.Block) error {
	if len(blocks) == 0 {
		return errors.New("its calibration is empty")
	}
	before, share := math.Inf(-1), 0.0
	for _, b := range blocks {
		at := float64(b.Right) / float64(b.N)
		if b.N < 1 || b.Right < 0 || b.Right > b.N || !(b.Low > before) || !(b.High >= b.Low) || at < share {
			return errors.New("its calibration is not ascending")
		}
		before, share = b.High, at
	}
	return nil
}

func (r *Reference) readEmbeddings(t *tensorReader, m *metadata) {
	r.Embeddings = t.rows(tensorCoordinates, -1, -1)
	if t.err != nil {
		return
	}
	width := len(r.Embeddings[0])
	if width > maxCoordinates {
		t.err = fmt.Errorf("its embeddings have %d coordinates; at most %d can be compared", width, maxCoordinates)
		return
	}
	mean := t.flat(tensorMean, 1, -1)
	r.Projection = &drift.Projection{
		Dims: width - 1, Mean: mean, Components: t.flat(tensorComponents, width-1, len(mean)), Offsets: t.flat(tensorOffsets, 1, width-1),
	}
	r.Space = &drift.Mahalanobis{
		Dims: width, Classes: m.Classes, Shrinkage: m.Shrinkage,
		Means: t.flat(tensorClassMeans, len(m.Classes), width), Whitening: t.flat(tensorWhitening, width, width),
	}
}

// tensorReader reads tensors until the first error.
type tensorReader struct {
	file *safetensors.File
	err  error
}

// flat reads a matrix of such a size, row by row; -1 stands for any of 1 and up. NaN is for properties alone.
func (t *tensorReader) flat(name string, n, width int) []float32 {
	if t.err != nil {
		return nil
	}
	v, ok := t.file.Tensor(name)
	if !ok {
		t.err = fmt.Errorf("it has no tensor %q", name)
		return nil
	}
	if len(v.Shape) != 2 || n >= 0 && v.Shape[0] != int64(n) || width >= 0 && v.Shape[1] != int64(width) || v.Shape[0] < 1 || v.Shape[1] < 1 {
		t.err = fmt.Errorf("its tensor %q has shape %v", name, v.Shape)
		return nil
	}
	values, err := safetensors.Float32(v)
	if err != nil {
		t.err = err
		return nil
	}
	for _, x := range values {
		if math.IsInf(float64(x), 0) || x != x && name != tensorProperties {
			t.err = fmt.Errorf("its tensor %q holds %v", name, x)
			return nil
		}
	}
	return values
}

// rows is flat, cut into rows.
func (t *tensorReader) rows(name string, n, width int) [][]float32 {
	flat := t.flat(name, n, width)
	if t.err != nil {
		return nil
	}
	v, _ := t.file.Tensor(name)
	return slices.Collect(slices.Chunk(flat, int(v.Shape[1])))
}
