package wandb

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image/png"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// picture is an image that stands below files/.
type picture struct {
	path          string // below files/, with slashes
	sha256        string // of the PNG, in hex
	size          int    // of the PNG, bytes
	width, height int
	caption       string
}

// savePicture writes an encoded PNG to media/images/ below files, under the name
// that W&B's client gives it: key, step and the start of its checksum.
func savePicture(files, key string, step int64, encoded []byte, caption string) (picture, error) {
	config, err := png.DecodeConfig(bytes.NewReader(encoded))
	if err != nil {
		return picture{}, fmt.Errorf("cannot log image %q: %w", key, err)
	}
	sum := sha256.Sum256(encoded)
	p := picture{
		sha256: hex.EncodeToString(sum[:]), size: len(encoded),
		width: config.Width, height: config.Height, caption: caption,
	}
	p.path = path.Join("media", "images", fmt.Sprintf("%s_%d_%s.png", mediaKey(key), step, p.sha256[:20]))
	at := filepath.Join(files, filepath.FromSlash(p.path))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return picture{}, fmt.Errorf("cannot log image: %w", err)
	}
	if err := os.WriteFile(at, encoded, 0o644); err != nil {
		return picture{}, fmt.Errorf("cannot log image: %w", err)
	}
	return p, nil
}

// mediaKey makes a file name of a metric's name: a slash goes on to mean a
// folder, but none of the names leads out of the folder, and all of them are
// names on every system.
func mediaKey(key string) string {
	var parts []string
	for part := range strings.SplitSeq(key, "/") {
		part = strings.Map(func(r rune) rune {
			if r < ' ' || strings.ContainsRune(`<>:"\|?*`, r) {
				return '-'
			}
			return r
		}, part)
		if part = strings.Trim(part, ". "); part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "image"
	}
	return strings.Join(parts, "/")
}

// pictures is the value of a metric in a row of the history: W&B has one form for
// a picture and another for several.
func pictures(ps []picture) string {
	first := ps[0]
	value := map[string]any{"format": "png", "width": first.width, "height": first.height}
	if len(ps) == 1 {
		value["_type"] = "image-file"
		value["path"] = first.path
		value["sha256"] = first.sha256
		value["size"] = first.size
		if first.caption != "" {
			value["caption"] = first.caption
		}
	} else {
		filenames, captions, captioned := make([]any, len(ps)), make([]any, len(ps)), false
		for i, p := range ps {
			filenames[i], captions[i] = p.path, p.caption
			captioned = captioned || p.caption != ""
		}
		value["_type"] = "images/separated"
		value["count"] = len(ps)
		value["filenames"] = filenames
		if captioned {
			value["captions"] = captions
		}
	}
	s, _ := encodeJSON(value) // strings and integers are never refused
	return s
}

// histogramBins is how many bins wandb.Histogram has unless told otherwise.
const histogramBins = 64

// histogram is the value of a metric that is a distribution: counts in bins of
// equal width over the range of the finite values, with the edges that
// numpy.histogram gives. It reports false when no value is finite.
func histogram(values []float32) (string, bool) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			low, high = min(low, float64(v)), max(high, float64(v))
		}
	}
	if low > high {
		return "", false
	}
	if low == high {
		low, high = low-0.5, high+0.5
	}
	edges := make([]any, histogramBins+1)
	edge := func(i int) float64 { return low + float64(i)*((high-low)/histogramBins) }
	for i := range edges {
		edges[i] = edge(i)
	}
	edges[histogramBins] = high
	counts := make([]int, histogramBins)
	for _, v := range values {
		if finite(v) {
			counts[bin(float64(v), low, high, edge)]++
		}
	}
	bins := make([]any, histogramBins)
	for i, n := range counts {
		bins[i] = n
	}
	s, _ := encodeJSON(map[string]any{"_type": "histogram", "values": bins, "bins": edges})
	return s, true
}

// bin finds the bin of v: computed, then moved by one where rounding put it on
// the other side of an edge. The last bin has its upper edge, too.
func bin(v, low, high float64, edge func(int) float64) int {
	i := min(int((v-low)/(high-low)*histogramBins), histogramBins-1)
	if v < edge(i) {
		return i - 1
	}
	if i < histogramBins-1 && v >= edge(i+1) {
		return i + 1
	}
	return i
}

func finite(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }
