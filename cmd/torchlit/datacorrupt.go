package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/vision"
	"github.com/torchlit/torchlit/vision/corrupt"
)

// corruption is what data corrupt is asked for.
type corruption struct {
	data, output, kind string
	severity, side     int
	seed               uint64
}

func dataCorruptCommand() *cobra.Command {
	var c corruption
	cmd := &cobra.Command{
		Use:   "corrupt --data DIR --output DIR --kind KIND",
		Short: "Copy a folder of images, spoilt in a known measure",
		Long: `Copy a folder of images, each spoilt by one corruption, in one of five severities: those
of CIFAR-10-C for images of at most 64 pixels, those of ImageNet-C for larger ones
(Hendrycks and Dietterich 2019). Send the copy to a server with --monitor and see whether an
alarm comes; or measure on it what a model loses.

Subfolders and names stay; every file becomes a PNG. ImageNet-C is made of images of 224
pixels: larger ones are shrunk first, to --side, as a blur of a few pixels is nothing to a
photo of 4,000. What is random depends on the seed and on the file's name.

Kinds: ` + strings.Join(corrupt.Names(), ", ") + ".",
		Example: `  torchlit data corrupt --data data/processed/cifar10/test --output foggy --kind fog --severity 3
  torchlit eval --data foggy`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.check(); err != nil {
				return usageError{err}
			}
			if err := checkFree(c.output); err != nil {
				return err
			}
			n, err := c.run(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d images in %s: %s of severity %d\n", n, c.output, c.kind, c.severity)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.data, "data", "", "folder of images, with or without subfolders")
	f.StringVarP(&c.output, "output", "o", "", "folder to make")
	f.StringVar(&c.kind, "kind", "", "corruption: "+strings.Join(corrupt.Names(), ", "))
	f.IntVar(&c.severity, "severity", 3, "1 to 5")
	f.IntVar(&c.side, "side", 256, "shrink images whose shorter side is longer, in pixels; 0: never")
	f.Uint64Var(&c.seed, "seed", 1, "of what is random")
	return cmd
}

func (c *corruption) check() error {
	switch {
	case c.data == "":
		return errors.New("--data is missing: name a folder of images")
	case c.output == "":
		return errors.New("--output is missing: name a folder to make")
	case c.kind == "":
		return fmt.Errorf("--kind is missing: it is one of %s", strings.Join(corrupt.Names(), ", "))
	case c.side < 0:
		return fmt.Errorf("--side=%d: give the shorter side in pixels, or 0 to shrink nothing", c.side)
	}
	return corrupt.Check(c.kind, c.severity)
}

// run writes the copy and returns how many images it has.
func (c *corruption) run(ctx context.Context) (int, error) {
	files, err := imageFiles([]string{c.data})
	if err != nil {
		return 0, err
	}
	files = slices.DeleteFunc(files, func(file string) bool { return !dataset.IsImageName(file) })
	if len(files) == 0 {
		return 0, fmt.Errorf("cannot corrupt %q: it holds no images", c.data)
	}
	names := map[string]string{}
	for _, file := range files {
		name, err := c.name(file)
		if err != nil {
			return 0, err
		}
		if other, twice := names[name]; twice {
			return 0, fmt.Errorf("cannot corrupt %q: %q and %q would both become %q; rename one of them", c.data, other, file, name)
		}
		names[name] = file
	}
	return len(names), writeFolder(c.output, 0o755, func(tmp string) error {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(inFlight)
		for name, file := range names {
			group.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return c.one(file, name, filepath.Join(tmp, name))
			})
		}
		return group.Wait()
	})
}

// name is what a file is called in the copy.
func (c *corruption) name(file string) (string, error) {
	name, err := filepath.Rel(c.data, file)
	if err != nil {
		return "", err
	}
	if name == "." { // --data is a file itself
		name = filepath.Base(file)
	}
	return strings.TrimSuffix(name, filepath.Ext(name)) + ".png", nil
}

func (c *corruption) one(file, name, to string) error {
	img, err := readShrunk(file, c.side)
	if err != nil {
		return err
	}
	defer img.Release()
	h := fnv.New64a()
	h.Write([]byte(filepath.ToSlash(name)))
	pixels, err := corrupt.Apply(c.kind, c.severity, img.Pix, img.Width, img.Height, h.Sum64()^c.seed)
	if err != nil {
		return fmt.Errorf("cannot corrupt %q: %w", file, err)
	}
	return writePNG(to, &vision.Image{Width: img.Width, Height: img.Height, Pix: pixels})
}

// readShrunk decodes a file, and shrinks it so that its shorter side is no longer than side.
func readShrunk(file string, side int) (*vision.Image, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read image: %w", err)
	}
	img, err := vision.Decode(data, vision.Limits{})
	if err != nil {
		return nil, fmt.Errorf("cannot decode %q: %w", file, err)
	}
	shorter := min(img.Width, img.Height)
	if side == 0 || shorter <= side {
		return img, nil
	}
	defer img.Release()
	small, err := vision.PillowResizer(img, img.Width*side/shorter, img.Height*side/shorter, vision.Bicubic)
	if err != nil {
		return nil, fmt.Errorf("cannot shrink %q: %w", file, err)
	}
	return small, nil
}

// writePNG writes an image to a file, and makes its folder.
func writePNG(file string, img *vision.Image) error {
	var out bytes.Buffer
	if err := png.Encode(&out, img.RGBA()); err != nil {
		return fmt.Errorf("cannot write %q: %w", file, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}
