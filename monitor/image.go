package monitor

import "math"

// Image is what is kept of an image when the picture is not. Which values are known depends on how it came: NaN and 0 stand for
// "not known" in the second and the first half.
type Image struct {
	Width, Height int // of the file, upright, in pixels
	Bytes         int // of the file

	// Of the pixels that the model saw. All are 0 to 1 but Sharpness, which is 0 and up.
	Brightness float32 // mean luma (Rec. 601)
	Contrast   float32 // standard deviation of luma: RMS contrast, Peli 1990
	Saturation float32 // mean of HSV's S
	Sharpness  float32 // variance of luma's Laplacian, Pech-Pacheco et al. 2000
	Flatness   float32 // share of pixels whose luma is that of the next one, right or below: enlarged and posterised images have many, noisy ones few
}

// NoImage is the Image of which nothing is known.
func NoImage() Image {
	nan := float32(math.NaN())
	return Image{Brightness: nan, Contrast: nan, Saturation: nan, Sharpness: nan, Flatness: nan}
}

// maxSites bounds the pixels that Measure looks at. They lie on a grid, so a picture's mean is met much more closely than by as
// many drawn at random; of an image of 32×32 all are looked at.
const maxSites = 1024

// Measure sets the values that are of pixels: width×height×3 uint8 RGB, row-major. It allocates nothing.
func (m *Image) Measure(pixels []byte, width, height int) {
	if width <= 0 || height <= 0 || len(pixels) < 3*width*height {
		return
	}
	step := 1
	for ((width+step-1)/step)*((height+step-1)/step) > maxSites {
		step++
	}
	var t totals
	for y := step / 2; y < height; y += step {
		above, below := max(y-1, 0)*width, min(y+1, height-1)*width
		for x := step / 2; x < width; x += step {
			i := 3 * (y*width + x)
			r, g, b := int(pixels[i]), int(pixels[i+1]), int(pixels[i+2])
			l := luma(r, g, b)
			under, right := lumaAt(pixels, below+x), lumaAt(pixels, y*width+min(x+1, width-1))
			neighbours := lumaAt(pixels, above+x) + under + lumaAt(pixels, y*width+max(x-1, 0)) + right
			t.add(l, neighbours-4*l)
			if x+1 < width {
				t.compare(l, right)
			}
			if y+1 < height {
				t.compare(l, under)
			}
			if most := max(r, g, b); most > 0 {
				t.saturation += float64(most-min(r, g, b)) * reciprocals[most]
			}
		}
	}
	t.into(m)
}

// reciprocals spare a division for each pixel.
var reciprocals = func() (t [256]float64) {
	for i := range t {
		t[i] = 1 / float64(max(i, 1))
	}
	return t
}()

// Lumas are in 1/65280: 255 times 256.
const lumaOne = 255 * 256

func luma(r, g, b int) int { return 77*r + 150*g + 29*b }

func lumaAt(pixels []byte, i int) int {
	return luma(int(pixels[3*i]), int(pixels[3*i+1]), int(pixels[3*i+2]))
}

// totals are sums over sites. At most maxSites squares of at most 8 lumaOne fit into 64 bits many times.
type totals struct {
	n, sum, squares, edges, edgeSquares int64
	pairs, alike                        int64 // neighbours
	saturation                          float64
}

func (t *totals) add(luma, laplacian int) {
	t.n++
	t.sum += int64(luma)
	t.squares += int64(luma) * int64(luma)
	t.edges += int64(laplacian)
	t.edgeSquares += int64(laplacian) * int64(laplacian)
}

// compare counts two neighbours. They are alike when no more than rounding of a grey level is between them.
func (t *totals) compare(a, b int) {
	t.pairs++
	if d := a - b; -lumaOne/510 < d && d < lumaOne/510 {
		t.alike++
	}
}

func (t *totals) into(m *Image) {
	if t.n == 0 {
		return
	}
	mean, variance := moments(t.n, t.sum, t.squares)
	_, sharpness := moments(t.n, t.edges, t.edgeSquares)
	m.Brightness, m.Contrast = float32(mean), float32(math.Sqrt(variance))
	m.Saturation, m.Sharpness = float32(t.saturation/float64(t.n)), float32(sharpness)
	m.Flatness = float32(float64(t.alike) / float64(max(t.pairs, 1)))
}

// moments are mean and variance, with lumaOne as 1.
func moments(n, sum, squares int64) (mean, variance float64) {
	mean = float64(sum) / float64(n) / lumaOne
	return mean, max(float64(squares)/float64(n)/(lumaOne*lumaOne)-mean*mean, 0)
}
