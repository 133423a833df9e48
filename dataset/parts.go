package dataset

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Parts is a data set for training.
type Parts struct {
	Form  Form
	Train Source
	// Val is the validation split: that of the data, or else its test split, or
	// else what was held out of the training images, each class in proportion.
	Val Source
	// Test is the test split where the data has one beside Val; nil otherwise.
	Test Source
	// HeldOut tells that Val was taken from the training images.
	HeldOut bool
	// Passed lists files that were left out, and why: those that cannot be read,
	// where Options allow it, those of other formats, those that have no class.
	Passed []Skipped
}

// OpenParts opens the data set at path for training, in any form that Detect
// knows. valFraction is the part of the training images to hold out where the data
// has no split for validation, by Split with the seed. All parts have the classes
// of the training split, of which there must be two. opts.Split is ignored.
func OpenParts(ctx context.Context, path string, opts Options, valFraction float64, seed uint64) (*Parts, error) {
	form, err := Detect(path)
	if err != nil {
		return nil, err
	}
	p := &Parts{Form: form}
	left := opts.spare() // memory that the parts share
	opts.Split = Train
	if p.Train, err = p.open(ctx, path, opts); err != nil {
		return nil, err
	}
	opts.Classes = p.Train.ClassNames()
	if len(opts.Classes) < 2 {
		return nil, fmt.Errorf("cannot train on data set %q: it has only one class, %q; a classifier needs at least two", path, opts.Classes[0])
	}
	for _, split := range []struct {
		name         string
		before, part *Source
	}{{Val, &p.Train, &p.Val}, {Test, &p.Val, &p.Test}} {
		left -= holds(*split.before)
		opts.Split, opts.MaxBytes = split.name, opts.shared(left)
		*split.part, err = p.open(ctx, path, opts)
		if err != nil && !errors.Is(err, errNoSplit) {
			return nil, err
		}
	}
	switch {
	case p.Val != nil:
	case p.Test != nil:
		p.Val, p.Test = p.Test, nil
	default:
		if err := p.holdOut(path, valFraction, seed); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// holdOut takes the validation images from the training images.
func (p *Parts) holdOut(path string, fraction float64, seed uint64) error {
	rest, part, err := Split(Labels(p.Train), fraction, seed)
	if err != nil {
		return fmt.Errorf("cannot hold images of %q out for validation: %w", path, err)
	}
	whole := p.Train
	if p.Train, err = Subset(whole, rest); err != nil {
		return err
	}
	p.Val, err = Subset(whole, part)
	p.HeldOut = true
	return err
}

// open opens one split and notes what was left out of it.
func (p *Parts) open(ctx context.Context, path string, opts Options) (Source, error) {
	source, passed, err := openSource(ctx, path, opts)
	p.Passed = append(p.Passed, passed...)
	return source, err
}

// OpenSource opens the data set at path, in any form that Detect knows, and keeps
// its images in memory as opts.InMemory says. Where it holds several splits,
// opts.Split picks one. ctx ends what takes long: fetching and indexing shards.
func OpenSource(ctx context.Context, path string, opts Options) (Source, error) {
	source, _, err := openSource(ctx, path, opts)
	return source, err
}

// errNoSplit says that the data has no split of the name.
var errNoSplit = errors.New("there is no such split")

func openSource(ctx context.Context, path string, opts Options) (Source, []Skipped, error) {
	if !slices.Contains([]InMemory{"", InMemoryAuto, InMemoryAlways, InMemoryNever}, opts.InMemory) {
		return nil, nil, fmt.Errorf("cannot keep images in memory %q: it is %q, %q or %q", opts.InMemory, InMemoryAuto, InMemoryAlways, InMemoryNever)
	}
	form, err := Detect(path)
	if err != nil {
		return nil, nil, err
	}
	if err := checkSplit(path, opts.Split); err != nil {
		return nil, nil, err
	}
	switch form {
	case FormSplits:
		dirs, err := splitDirs(path)
		if err != nil {
			return nil, nil, err
		}
		if opts.Split != "" && dirs[opts.Split] == "" {
			return nil, nil, fmt.Errorf("cannot open split %q of data set %q: %w", opts.Split, path, errNoSplit)
		}
		dir, err := pickSplit(path, opts.Split)
		if err != nil {
			return nil, nil, err
		}
		opts.Split = ""
		return openSource(ctx, dir, opts)
	case FormFolder:
		if opts.Split != "" && opts.Split != Train {
			return nil, nil, fmt.Errorf("cannot open split %q of data set %q: %w", opts.Split, path, errNoSplit)
		}
		return folderSource(path, opts)
	case FormShards:
		return shardSource(ctx, path, opts)
	}
	if opts.Split == Val || opts.Split == Test && isFile(path) {
		return nil, nil, fmt.Errorf("cannot open split %q of data set %q: %w", opts.Split, path, errNoSplit)
	}
	set, err := openCIFAR(path, opts)
	if err != nil {
		return nil, nil, err
	}
	return set, nil, nil
}

// folderSource opens an image folder as a Set, a Cache or a Folder.
func folderSource(path string, opts Options) (Source, []Skipped, error) {
	f, err := OpenFolder(path, opts)
	if err != nil {
		return nil, nil, err
	}
	need, uniform := opts.need(f)
	if opts.InMemory == InMemoryNever || opts.InMemory != InMemoryAlways && need > opts.spare() {
		return f, f.Passed, nil
	}
	if uniform {
		set, err := decodeFolder(path, f.Listing, opts)
		if err == nil {
			return set, slices.Concat(f.Passed, set.Skipped), nil
		}
		if !errors.As(err, new(sizesError)) { // the samples had one size, others have not
			return nil, nil, err
		}
	}
	cache, err := opts.cache(path, f, need)
	return cache, f.Passed, err
}

// shardSource opens shards, of which some may belong to one split and some to
// another by their names.
func shardSource(ctx context.Context, path string, opts Options) (Source, []Skipped, error) {
	paths, err := ShardPaths(path)
	if err != nil {
		return nil, nil, err
	}
	if paths, err = shardsOf(path, paths, opts.Split); err != nil {
		return nil, nil, err
	}
	s, err := openShards(ctx, paths, opts)
	if err != nil {
		return nil, nil, err
	}
	need, _ := opts.need(s)
	source, err := opts.cache(path, s, need)
	return source, s.Skipped, err
}

// shardsOf picks the shards of a split where their names tell splits apart, as in
// cifar10-train-000000.tar. Where no name does, all are for training.
func shardsOf(path string, paths []string, split string) ([]string, error) {
	bySplit := map[string][]string{}
	for _, p := range paths {
		name := strings.TrimSuffix(filepath.Base(p), ".tar")
		found := ""
		for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return strings.ContainsRune("-_. ", r) }) {
			if found == "" {
				found = splitOf(word)
			}
		}
		bySplit[found] = append(bySplit[found], p)
	}
	named := len(bySplit) > 1 || len(bySplit[""]) == 0
	switch {
	case !named && (split == "" || split == Train):
		return paths, nil
	case named && len(bySplit[""]) > 0:
		return nil, fmt.Errorf("cannot open shards %q: some names tell the split, that of %q does not; rename it, or give the shards of one split", path, bySplit[""][0])
	case split == "" && len(bySplit) == 1:
		return paths, nil
	case split == "":
		dirs := map[string]string{}
		for name, of := range bySplit {
			dirs[name] = of[0]
		}
		return nil, fmt.Errorf("cannot open shards %q: they are of several splits, %s; name one of them", path, quoted(dirs))
	case len(bySplit[split]) == 0:
		return nil, fmt.Errorf("cannot open split %q of shards %q: %w", split, path, errNoSplit)
	}
	return bySplit[split], nil
}

// checkSkipped fails when more of n files than allowed cannot be read.
func checkSkipped(skipped []Skipped, n int, opts Options) error {
	most := opts.MaxCorrupt
	if most == 0 {
		most = DefaultTolerance(n)
	}
	if len(skipped) <= most {
		return nil
	}
	return fmt.Errorf("cannot go on: %d of %d images cannot be read, %d may be, beginning with: %w; repair or remove them, or allow more", len(skipped), n, most, skipped[0].Err)
}
