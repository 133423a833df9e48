package digits

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
)

// glyphs are the digits on a grid of 5×7 cells.
var glyphs = [10][7]string{
	{".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."},
	{"..#..", ".##..", "..#..", "..#..", "..#..", "..#..", ".###."},
	{".###.", "#...#", "....#", "...#.", "..#..", ".#...", "#####"},
	{".###.", "#...#", "....#", "..##.", "....#", "#...#", ".###."},
	{"...#.", "..##.", ".#.#.", "#..#.", "#####", "...#.", "...#."},
	{"#####", "#....", "####.", "....#", "....#", "#...#", ".###."},
	{"..##.", ".#...", "#....", "####.", "#...#", "#...#", ".###."},
	{"#####", "....#", "...#.", "..#..", ".#...", ".#...", ".#..."},
	{".###.", "#...#", "#...#", ".###.", "#...#", "#...#", ".###."},
	{".###.", "#...#", "#...#", ".####", "....#", "...#.", ".##.."},
}

// Draw makes n pictures. Each depends on the seed and on its place alone, so a longer
// set begins as a shorter one does, and another seed makes an independent set.
func Draw(n int, seed uint64) *Set {
	s := &Set{Pixels: make([]byte, n*area), Labels: make([]byte, n)}
	workers := runtime.GOMAXPROCS(0)
	var tasks sync.WaitGroup
	for w := range workers {
		tasks.Go(func() {
			for i := w; i < n; i += workers {
				lots := rand.New(rand.NewPCG(seed, uint64(i)))
				s.Labels[i] = byte(lots.IntN(10))
				newHand(lots).draw(s.Picture(i), int(s.Labels[i]), lots)
			}
		})
	}
	tasks.Wait()
	return s
}

// hand is the way one digit is written: where it stands, how large, slanted, turned
// and wavy, how thick and bright the pen is.
//
// A picture is drawn backwards: for each pixel, hand says which point of the grid of
// cells it shows, and the ink there comes from the four cells around that point.
type hand struct {
	centerX, centerY float64    // in pixels
	toCells          [4]float64 // from pixels around the center to columns and rows
	wave, phase      float64    // in cells; in radians
	threshold        float64    // coverage where ink begins: the finer the pen, the higher
	ink              float64    // 0 to 1
}

func newHand(lots *rand.Rand) hand {
	between := func(low, high float64) float64 { return low + (high-low)*lots.Float64() }
	width, height := between(2.2, 3.1), between(2.3, 2.9) // pixels per cell
	sin, cos := math.Sincos(between(-0.3, 0.3))
	slant := between(-0.4, 0.3)
	return hand{
		centerX:   (Side-1)/2.0 + between(-3, 3),
		centerY:   (Side-1)/2.0 + between(-2, 2),
		toCells:   [4]float64{(cos + slant*sin) / width, (sin - slant*cos) / width, -sin / height, cos / height},
		wave:      between(0, 0.6),
		phase:     between(0, 2*math.Pi),
		threshold: between(0.25, 0.5),
		ink:       between(0.75, 1),
	}
}

// noise is the standard deviation of the pixels' noise, in steps of 255.
const noise = 8

func (h hand) draw(pixels []byte, digit int, lots *rand.Rand) {
	for y := range Side {
		for x := range Side {
			dx, dy := float64(x)-h.centerX, float64(y)-h.centerY
			column := h.toCells[0]*dx + h.toCells[1]*dy + 2
			row := h.toCells[2]*dx + h.toCells[3]*dy + 3
			column += h.wave * math.Sin(row+h.phase)
			v := 255*h.ink*h.stroke(coverage(digit, column, row)) + noise*lots.NormFloat64()
			pixels[y*Side+x] = byte(min(max(v, 0), 255))
		}
	}
}

// stroke sharpens what the interpolation has blurred.
func (h hand) stroke(coverage float64) float64 {
	return min(max((coverage-h.threshold)*4, 0), 1)
}

// coverage interpolates between the four cells around a point.
func coverage(digit int, column, row float64) float64 {
	left, top := math.Floor(column), math.Floor(row)
	fx, fy := column-left, row-top
	c, r := int(left), int(top)
	upper := cell(digit, c, r)*(1-fx) + cell(digit, c+1, r)*fx
	lower := cell(digit, c, r+1)*(1-fx) + cell(digit, c+1, r+1)*fx
	return upper*(1-fy) + lower*fy
}

func cell(digit, column, row int) float64 {
	if column < 0 || column > 4 || row < 0 || row > 6 || glyphs[digit][row][column] != '#' {
		return 0
	}
	return 1
}
