package bench

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Images are encoded images to send. They are read once and shared by all requests: nobody may change them.
type Images struct {
	Files [][]byte
	About string // where they are from, for people
}

// How much of a folder is read: enough that no cache of a server holds all of it by accident, little enough for any machine.
const (
	imagesLimit = 2000
	bytesLimit  = 256 << 20
)

// extensions are of the files that are taken from a folder.
var extensions = []string{".jpg", ".jpeg", ".png", ".webp"}

// ReadImages reads the images below a folder, or the one file of that name: all of them up to 2000 and 256 MiB, of more a choice
// that depends on seed alone. They are told by their names' endings and not decoded.
func ReadImages(path string, seed uint64) (Images, error) {
	files, err := imageFiles(path)
	if err != nil {
		return Images{}, fmt.Errorf("cannot read the images: %w", err)
	}
	if len(files) == 0 {
		return Images{}, fmt.Errorf("cannot find an image below %q: no name ends in %s", path, strings.Join(extensions, ", "))
	}
	random := rand.New(rand.NewPCG(seed, 0x66696c65))
	random.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	var out Images
	size := 0
	for _, f := range files {
		if len(out.Files) == imagesLimit || size > bytesLimit {
			break
		}
		data, err := os.ReadFile(f)
		if err != nil {
			return Images{}, fmt.Errorf("cannot read the images: %w", err)
		}
		out.Files = append(out.Files, data)
		size += len(data)
	}
	out.About = fmt.Sprintf("%d files of %s", len(out.Files), path)
	if n := len(files); n > len(out.Files) {
		out.About = fmt.Sprintf("%d of the %d files of %s", len(out.Files), n, path)
	}
	return out, nil
}

func imageFiles(path string) (files []string, err error) {
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != path && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.IsDir() && (name == path || slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))):
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

// Synthetic makes n JPEGs of 500×375 pixels, the size of ImageNet's photos, that compress like them: smooth shapes and some grain.
func Synthetic(n int, seed uint64) Images {
	random := rand.New(rand.NewPCG(seed, 0x70686f74))
	out := Images{About: fmt.Sprintf("%d synthetic JPEGs of 500×375", n)}
	for range n {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, drawing(500, 375, random), &jpeg.Options{Quality: 90}); err != nil {
			panic("BUG: " + err.Error()) // a buffer takes everything
		}
		out.Files = append(out.Files, b.Bytes())
	}
	return out
}

func drawing(width, height int, random *rand.Rand) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	a, b, grain := random.Float64()*6, random.Float64()*6, 8+random.IntN(24)
	for y := range height {
		for x := range width {
			u, v := float64(x)/float64(width), float64(y)/float64(height)
			wave := 0.5 + 0.5*math.Sin(a+9*u+4*v)*math.Cos(b+7*v)
			noise := uint8(random.IntN(grain))
			img.SetRGBA(x, y, color.RGBA{R: uint8(200*wave) + noise, G: uint8(150*(1-wave)) + noise, B: uint8(180*v) + noise, A: 255})
		}
	}
	return img
}
