package cifar10

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dataset/fetch"
)

// layOut makes the result's files in a folder under tmp, which it returns, and
// counts the images.
func (cfg *Config) layOut(ctx context.Context, s *source, tmp string, res *Result) (string, error) {
	dir, shared := s.path, s.isDir
	if !s.isDir {
		cfg.Log("unpacking " + s.path)
		dir = filepath.Join(tmp, "unpacked")
		if err := unpack(s.path, dir); err != nil {
			return "", err
		}
	}
	root, form, ok := cfg.findData(dir)
	if !ok {
		files, _ := dataset.CIFARFiles(cfg.Set.Forms[0])
		return "", fmt.Errorf("cannot find %s in %q: %w: it holds neither %s nor {%s,%s}/<class>/ folders",
			cfg.Set.Title, s.path, dataset.ErrNoData, files.Folder, dataset.Train, dataset.Test)
	}
	batches := form != dataset.FormSplits
	made := root
	if shared || batches {
		made = filepath.Join(tmp, cfg.Set.Name)
	}
	var err error
	switch {
	case batches:
		err = cfg.fromBatches(ctx, form, root, made)
	case shared:
		cfg.Log("copying images from " + root)
		err = copyImages(ctx, root, made)
	}
	if err != nil {
		return "", err
	}
	return made, cfg.check(made, res)
}

func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("cannot unpack archive: %w", err)
	}
	defer f.Close()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if _, err := fetch.Untar(f, dir, limits); err != nil {
		return fmt.Errorf("cannot unpack archive %q: %w; is the copy complete?", archive, err)
	}
	return nil
}

// findData looks for the data in dir and in its subfolders. root is the folder
// with the batches of a form, or, as FormSplits, the one with train/ and test/.
func (cfg *Config) findData(dir string) (root string, form dataset.Form, ok bool) {
	candidates := []string{dir}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			candidates = append(candidates, filepath.Join(dir, e.Name()))
		}
	}
	for _, form := range cfg.Set.Forms {
		files, _ := dataset.CIFARFiles(form)
		for _, d := range candidates {
			if info, err := os.Stat(filepath.Join(d, files.Test[0])); err == nil && info.Mode().IsRegular() {
				return d, form, true
			}
		}
	}
	for _, d := range candidates {
		if exists(filepath.Join(d, dataset.Train)) && exists(filepath.Join(d, dataset.Test)) {
			return d, dataset.FormSplits, true
		}
	}
	return "", "", false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// fromBatches copies the batches of root to made and writes every image of
// theirs as a PNG file, which keeps the pixels as they are.
func (cfg *Config) fromBatches(ctx context.Context, form dataset.Form, root, made string) error {
	files, _ := dataset.CIFARFiles(form)
	copied := filepath.Join(made, files.Folder)
	if err := os.MkdirAll(copied, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Concat(files.Train, files.Test, files.Meta) {
		from := filepath.Join(root, name)
		if slices.Contains(files.Meta, name) && !exists(from) {
			continue
		}
		if err := copyFile(from, filepath.Join(copied, name)); err != nil {
			return fmt.Errorf("cannot copy %s batch: %w", cfg.Set.Title, err)
		}
	}
	for _, name := range slices.Concat(files.Train, files.Test) {
		if err := cfg.checkBatch(root, copied, name, slices.Contains(files.Test, name)); err != nil {
			return err
		}
	}
	for _, split := range []string{dataset.Train, dataset.Test} {
		set, err := dataset.Open(copied, dataset.Options{Split: split})
		if err != nil {
			return err
		}
		cfg.Log(fmt.Sprintf("writing %d %s images", set.Len(), split))
		if err := writePNGs(ctx, set, filepath.Join(made, split)); err != nil {
			return fmt.Errorf("cannot write images: %w", err)
		}
	}
	return nil
}

// checkBatch holds a batch to the number of images that was published.
func (cfg *Config) checkBatch(root, copied, name string, test bool) error {
	set, err := dataset.Open(filepath.Join(copied, name), dataset.Options{})
	if err != nil {
		return err
	}
	want := cfg.Set.records
	switch {
	case cfg.batchRecords != 0:
		want = cfg.batchRecords
	case test:
		want = 10_000
	}
	if set.Len() != want {
		return fmt.Errorf("cannot use %s batch %q: it has %d images, expected %d", cfg.Set.Title, filepath.Join(root, name), set.Len(), want)
	}
	return nil
}

// writePNGs writes image i of class c to dir/c/<i>.png, five digits. Sorted by
// name, a class is in the order of the set.
func writePNGs(ctx context.Context, set *dataset.Set, dir string) error {
	for _, class := range set.Classes {
		if err := os.MkdirAll(filepath.Join(dir, class), 0o755); err != nil {
			return err
		}
	}
	encoder := png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: new(bufferPool)}
	return forEach(ctx, set.Len(), func(i int) error {
		img := image.NewNRGBA(image.Rect(0, 0, set.Width, set.Height))
		src := set.Image(i)
		for p := range set.Width * set.Height {
			copy(img.Pix[4*p:], src[3*p:3*p+3])
			img.Pix[4*p+3] = 255
		}
		name := filepath.Join(dir, set.Classes[set.Labels[i]], fmt.Sprintf("%05d.png", i))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		if err := encoder.Encode(f, img); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	})
}

// bufferPool shares the encoder's work memory between images.
type bufferPool struct{ sync.Pool }

func (p *bufferPool) Get() *png.EncoderBuffer {
	b, _ := p.Pool.Get().(*png.EncoderBuffer)
	return b
}

func (p *bufferPool) Put(b *png.EncoderBuffer) { p.Pool.Put(b) }

// copyImages copies the image files of both splits.
func copyImages(ctx context.Context, root, made string) error {
	for _, split := range []string{dataset.Train, dataset.Test} {
		from, to := filepath.Join(root, split), filepath.Join(made, split)
		list, err := dataset.List(from, nil)
		if err != nil {
			return err
		}
		for _, class := range list.Classes {
			if err := os.MkdirAll(filepath.Join(to, class), 0o755); err != nil {
				return err
			}
		}
		err = forEach(ctx, len(list.Files), func(i int) error {
			name := filepath.Join(to, list.Classes[list.Labels[i]], filepath.Base(list.Files[i]))
			return copyFile(list.Files[i], name)
		})
		if err != nil {
			return fmt.Errorf("cannot copy images: %w", err)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// forEach calls do(i) for i in [0, n) from a few goroutines.
func forEach(ctx context.Context, n int, do func(i int) error) error {
	g, running := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // they wait for the disk as well
	for i := 0; i < n && running.Err() == nil; i++ {
		g.Go(func() error { return do(i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// check counts the images of both splits and that the classes are the set's.
func (cfg *Config) check(dir string, res *Result) error {
	for _, split := range []struct {
		name  string
		count *int
	}{{dataset.Train, &res.Train}, {dataset.Test, &res.Test}} {
		list, err := dataset.List(filepath.Join(dir, split.name), nil)
		if err != nil {
			return err
		}
		if !slices.Equal(list.Classes, cfg.Set.Classes) {
			return fmt.Errorf("cannot use %s images: their classes are %v, %s has %v; any other folder of images needs no `make data`: give it to train and eval as it is",
				split.name, list.Classes, cfg.Set.Title, cfg.Set.Classes)
		}
		*split.count = len(list.Files)
	}
	return nil
}
