package dataset

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
)

// index is what a shard holds.
type index struct {
	samples []indexed
	broken  []Skipped // samples without an image or a label; the shard, where it is damaged
}

// indexed is a sample with its label as it is written.
type indexed struct {
	sample
	text   string
	number int64 // text as a number, -1: it is a name
}

// maxImage and maxLabelFile bound what a header may announce.
const (
	maxImage     = 1 << 30
	maxLabelFile = 1 << 20
)

// imageOrder lists the extensions of images; the first that a sample has counts.
var imageOrder = []string{"jpg", "jpeg", "png", "webp", "gif", "bmp"}

// indexShard reads the headers of a shard and its label files. A damaged shard
// gives the samples before the damage.
func indexShard(shard string) index {
	f, err := os.Open(shard)
	if err != nil {
		return index{broken: []Skipped{{shard, fmt.Errorf("cannot open shard: %w", err)}}} // names the file
	}
	defer f.Close()
	x := indexer{shard: shard}
	if err := x.read(f); err != nil {
		at, _ := f.Seek(0, io.SeekCurrent)
		err = fmt.Errorf("cannot index shard %q, at byte %d: %w", shard, at, err)
		x.broken = append(x.broken, Skipped{shard, err})
	}
	return x.index
}

// indexer collects the files of a sample until the next one begins.
type indexer struct {
	shard string
	index
	key     string
	current indexed
	rank    int // of the image in imageOrder
	fromCls bool
	err     error // of the label
}

func (x *indexer) read(f io.ReadSeeker) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := checkPlain(f); err != nil {
		return err
	}
	r := tar.NewReader(f) // reads whole blocks and seeks over what is not asked for
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return x.end(f, size)
		}
		if err != nil {
			return damaged(err)
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if at+h.Size > size {
			return fmt.Errorf("%q ends beyond the end of the file; is the copy complete?", h.Name)
		}
		if err := x.add(h, at, r); err != nil {
			return damaged(err)
		}
	}
}

// end takes the last sample if the archive's end mark is there, blocks of zeros:
// without it, files are missing that nobody else would miss.
func (x *indexer) end(f io.ReadSeeker, size int64) error {
	last := make([]byte, 512)
	if size%512 == 0 {
		if _, err := f.Seek(size-512, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.ReadFull(f, last); err != nil {
			return err
		}
	}
	if size%512 != 0 || strings.Trim(string(last), "\x00") != "" {
		return errors.New("the archive has no end mark; is the copy complete?")
	}
	x.finish()
	return nil
}

func damaged(err error) error {
	return fmt.Errorf("%w; the archive is damaged or incomplete, copy it again", err)
}

// checkPlain refuses compressed archives.
func checkPlain(f io.ReadSeeker) error {
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch head = head[:n]; {
	case n == 0:
		return errors.New("it is empty")
	case strings.HasPrefix(string(head), "\x1f\x8b"):
		return errors.New("it is compressed with gzip, so its images cannot be read at random; unpack it with `gunzip` (compressing JPEG images again saves next to nothing)")
	case string(head) == "\x28\xb5\x2f\xfd":
		return errors.New("it is compressed with zstd, so its images cannot be read at random; unpack it with `unzstd`")
	}
	return nil
}

// add takes in one file of the archive, whose content begins at byte at.
func (x *indexer) add(h *tar.Header, at int64, content io.Reader) error {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	key, ext, ok := sampleName(h.Name)
	if !ok {
		return nil
	}
	if key != x.key {
		x.finish()
		x.key = key
	}
	switch rank := imageRank(ext); {
	case rank >= 0:
		if h.Size > maxImage {
			return fmt.Errorf("%q has %d bytes, which is no image", h.Name, h.Size)
		}
		if x.current.name == "" || rank < x.rank {
			x.rank = rank
			x.current.name, x.current.offset, x.current.size = h.Name, at, h.Size
		}
	case ext == "cls" || ext == "json":
		if h.Size > maxLabelFile {
			x.err = fmt.Errorf("its %s file has %d bytes", ext, h.Size)
			return nil
		}
		text, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		x.readLabel(ext, text)
	}
	return nil
}

// sampleName divides a name at the first dot of its last part, as WebDataset does.
func sampleName(name string) (key, ext string, ok bool) {
	dir, base := path.Split(name)
	stem, ext, ok := strings.Cut(base, ".")
	if !ok || stem == "" || strings.HasPrefix(base, "__") && strings.HasSuffix(base, "__") {
		return "", "", false
	}
	return dir + stem, strings.ToLower(ext), true
}

func imageRank(ext string) int {
	for i, known := range imageOrder {
		if ext == known {
			return i
		}
	}
	return -1
}

// readLabel takes a label from a .cls file, or, where that is missing, a .json file.
func (x *indexer) readLabel(ext string, content []byte) {
	if ext == "json" && x.fromCls {
		return
	}
	text, err := strings.TrimSpace(string(content)), error(nil)
	if ext == "json" {
		if text, err = jsonLabel(content); err == nil && text == "" {
			return // other facts of the sample
		}
	}
	if err == nil && text == "" {
		err = errors.New("its cls file is empty")
	}
	x.fromCls, x.err = ext == "cls", err
	x.current.text, x.current.number = text, -1
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if x.current.number = n; n < 0 {
			x.err = fmt.Errorf("its label is %d", n)
		}
	}
}

// jsonLabel returns the label in a JSON object, a whole number or a name; "" where
// it has none.
func jsonLabel(content []byte) (string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(content, &fields); err != nil {
		return "", fmt.Errorf("its json file is no JSON object: %w", err)
	}
	for _, key := range []string{"label", "cls", "class"} {
		raw, ok := fields[key]
		if !ok {
			continue
		}
		var name string
		if json.Unmarshal(raw, &name) == nil {
			return strings.TrimSpace(name), nil
		}
		var number int64
		if json.Unmarshal(raw, &number) == nil {
			return strconv.FormatInt(number, 10), nil
		}
		return "", fmt.Errorf("the %q of its json file is neither a whole number nor a name", key)
	}
	return "", nil
}

// finish ends a sample. What has neither image nor label is something else, such
// as a README.
func (x *indexer) finish() {
	hasLabel := x.current.text != "" || x.err != nil
	err := x.err
	switch hasImage := x.current.name != ""; {
	case hasImage && !hasLabel:
		err = errors.New("it has no label: a .cls file, or a .json file with \"label\"")
	case hasLabel && !hasImage:
		err = fmt.Errorf("it has no image: a file ending in .%s", strings.Join(imageOrder, ", ."))
	}
	switch {
	case err != nil:
		name := x.shard + ":" + x.key
		x.broken = append(x.broken, Skipped{name, fmt.Errorf("cannot use sample %q: %w", name, err)})
	case hasLabel:
		x.samples = append(x.samples, x.current)
	}
	x.key, x.current, x.rank, x.fromCls, x.err = "", indexed{}, 0, false, nil
}
