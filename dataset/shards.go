package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/torchlit/torchlit/vision"
)

// Shards is a set of WebDataset shards: tar archives in which the files of one
// sample have a common name up to the first dot and follow each other, such as
// 000017.jpg and 000017.cls. It is read at random, by an index of where each image
// lies, which opening makes in one pass over the archives' headers. So an epoch is
// a true shuffle and resumes at any batch, and no shuffle buffer is needed.
//
// An image is the first of the sample's .jpg, .jpeg, .png, .webp, .gif and .bmp
// files; its label is a number or a class name in its .cls file, or else the value
// of "label", "cls" or "class" in its .json file. Numbers are named by a
// classes.txt or classnames.txt beside the shards, one name a line, or else by
// themselves. Format: github.com/webdataset/webdataset, tariterators.py.
type Shards struct {
	paths   []string
	samples []sample
	classes []string
	opts    Options

	// Skipped lists the samples and ends of shards that could not be indexed, when
	// Options.SkipCorrupt allowed to go on without them.
	Skipped []Skipped
}

// sample says where an image lies.
type sample struct {
	shard  int32
	label  int32
	offset int64 // of the image's first byte in the shard
	size   int64
	name   string // in the archive
}

// OpenShards indexes the shards that a pattern stands for (see ShardPaths). Of
// the options it takes Classes, Size, Resize, MinSide, SkipCorrupt, Workers and
// CacheDir, which shards from the network are fetched into; ctx ends fetching and
// indexing. No file stays open.
func OpenShards(ctx context.Context, pattern string, opts Options) (*Shards, error) {
	paths, err := ShardPaths(pattern)
	if err != nil {
		return nil, err
	}
	return openShards(ctx, paths, opts)
}

func openShards(ctx context.Context, paths []string, opts Options) (*Shards, error) {
	paths, err := localShards(ctx, paths, opts)
	if err != nil {
		return nil, err
	}
	s := &Shards{paths: paths, opts: opts}
	indexes := make([]index, len(paths))
	err = parallel(ctx, len(paths), opts.Workers, func(i int) error {
		indexes[i] = indexShard(paths[i])
		if !opts.SkipCorrupt && len(indexes[i].broken) > 0 {
			return indexes[i].broken[0].Err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var found []indexed
	for i, x := range indexes {
		for k := range x.samples {
			x.samples[k].shard = int32(i)
		}
		found = append(found, x.samples...)
		s.Skipped = append(s.Skipped, x.broken...)
	}
	if err := checkSkipped(s.Skipped, len(found)+len(s.Skipped), opts); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("cannot open %s: %w: they hold no sample with an image and a label", describeShards(paths), ErrNoData)
	}
	return s, s.label(found)
}

// label turns the samples' labels, as they are written, into indexes of classes.
func (s *Shards) label(found []indexed) error {
	named := slices.ContainsFunc(found, func(x indexed) bool { return x.number < 0 })
	var err error
	if s.classes, err = s.classNames(found, named); err != nil {
		return err
	}
	place := make(map[string]int32, len(s.classes))
	for i, name := range s.classes {
		place[name] = int32(i)
	}
	s.samples = make([]sample, len(found))
	for i, x := range found {
		s.samples[i] = x.sample
		label, ok := place[x.text]
		if !named {
			label, ok = int32(x.number), x.number < int64(len(s.classes))
		}
		if !ok {
			return fmt.Errorf("cannot use sample %q: its label %q is not among the %d known classes (%s)",
				s.Name(i), x.text, len(s.classes), abbreviate(s.classes))
		}
		s.samples[i].label = label
	}
	return nil
}

// maxLabel bounds a number that stands for a class.
const maxLabel = 1 << 20

// classNames returns the classes asked for, or those that a file names, or those
// that there are.
func (s *Shards) classNames(found []indexed, named bool) ([]string, error) {
	if s.opts.Classes != nil {
		return s.opts.Classes, nil
	}
	for _, name := range []string{"classes.txt", "classnames.txt"} {
		path := filepath.Join(filepath.Dir(s.paths[0]), name)
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read class names: %w", err)
		}
		names := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n")), "\n")
		if len(names) == 1 && names[0] == "" {
			return nil, fmt.Errorf("cannot read class names in %q: it is empty", path)
		}
		return names, nil
	}
	if named {
		var names []string
		seen := map[string]bool{}
		for _, x := range found {
			if !seen[x.text] {
				seen[x.text] = true
				names = append(names, x.text)
			}
		}
		slices.Sort(names)
		return names, nil
	}
	most := int64(0)
	for _, x := range found {
		most = max(most, x.number)
	}
	if most > maxLabel {
		return nil, fmt.Errorf("cannot open %s: a label is %d, which is more than classes can be", describeShards(s.paths), most)
	}
	names := make([]string, most+1)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names, nil
}

func describeShards(paths []string) string {
	if len(paths) == 1 {
		return fmt.Sprintf("shard %q", paths[0])
	}
	return fmt.Sprintf("%d shards, %q the first", len(paths), paths[0])
}

// Len returns the number of images.
func (s *Shards) Len() int { return len(s.samples) }

// Label returns the label of image i.
func (s *Shards) Label(i int) int64 { return int64(s.samples[i].label) }

// ClassNames returns the classes in the order of their labels.
func (s *Shards) ClassNames() []string { return s.classes }

// Name names image i: its shard, and its name in there.
func (s *Shards) Name(i int) string {
	x := &s.samples[i]
	return s.paths[x.shard] + ":" + x.name
}

// Load reads and decodes image i. It belongs to the caller until Release.
func (s *Shards) Load(i int) (*vision.Image, error) {
	x := &s.samples[i]
	f, err := os.Open(s.paths[x.shard])
	if err != nil {
		return nil, fmt.Errorf("cannot read shard: %w", err) // names the file
	}
	defer f.Close()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = slices.Grow((*buf)[:0], int(x.size))[:x.size]
	if _, err := f.ReadAt(*buf, x.offset); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("it has become shorter since it was indexed: %w", io.ErrUnexpectedEOF)
		}
		return nil, fmt.Errorf("cannot read image %q at byte %d: %w", s.Name(i), x.offset, err)
	}
	return decodeImage(*buf, s.Name(i), s.opts)
}

// buffers hold an image's file while it is decoded.
var buffers = sync.Pool{New: func() any { return new([]byte) }}
