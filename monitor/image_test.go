package monitor

import (
	"math"
	"testing"
)

// pattern makes pixels of a function of the place.
func pattern(width, height int, at func(x, y int) [3]byte) []byte {
	var out []byte
	for y := range height {
		for x := range width {
			c := at(x, y)
			out = append(out, c[:]...)
		}
	}
	return out
}

func near(t *testing.T, what string, got float32, want, within float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > within {
		t.Errorf("%s is %v; want %v", what, got, want)
	}
}

func TestMeasure(t *testing.T) {
	f := func(name string, brightness, contrast, saturation, sharpness float64, at func(x, y int) [3]byte) {
		t.Helper()
		for _, size := range [][2]int{{32, 32}, {224, 224}, {225, 100}} { // all pixels, and a grid of them
			m := NoImage()
			m.Measure(pattern(size[0], size[1], at), size[0], size[1])
			near(t, name+": brightness", m.Brightness, brightness, 0.004)
			near(t, name+": contrast", m.Contrast, contrast, 0.004)
			near(t, name+": saturation", m.Saturation, saturation, 0.001)
			near(t, name+": sharpness", m.Sharpness, sharpness, 0.02)
		}
	}
	grey := func(v byte) [3]byte { return [3]byte{v, v, v} }
	f("black", 0, 0, 0, 0, func(x, y int) [3]byte { return grey(0) })
	f("white", 1, 0, 0, 0, func(x, y int) [3]byte { return grey(255) })
	f("red", 0.299, 0, 1, 0, func(x, y int) [3]byte { return [3]byte{255, 0, 0} })
	f("pale blue", 127.0/255*0.886+0.114, 0, 128.0/255, 0, func(x, y int) [3]byte { return [3]byte{127, 127, 255} })
	// A chessboard of fields of one pixel: each Laplacian is 4 or -4, but for the edges.
	for _, size := range []int{32, 224} {
		m := NoImage()
		m.Measure(pattern(size, size, func(x, y int) [3]byte { return grey(byte((x + y) % 2 * 255)) }), size, size)
		near(t, "chessboard: brightness", m.Brightness, 0.5, 0.01)
		near(t, "chessboard: contrast", m.Contrast, 0.5, 0.001)
		if m.Sharpness < 14 || m.Sharpness > 16.1 {
			t.Errorf("chessboard of %d: sharpness is %v; want nearly 16", size, m.Sharpness)
		}
	}
}

// TestFlatness is the share of neighbours that are alike.
func TestFlatness(t *testing.T) {
	f := func(name string, want float64, at func(x, y int) byte) {
		t.Helper()
		for _, size := range []int{32, 224} {
			m := NoImage()
			m.Measure(pattern(size, size, func(x, y int) [3]byte { v := at(x, y); return [3]byte{v, v, v} }), size, size)
			near(t, name, m.Flatness, want, 0.02)
		}
	}
	f("plain", 1, func(x, y int) byte { return 90 })
	f("a chessboard", 0, func(x, y int) byte { return byte((x + y) % 2 * 255) })
	f("steps of one grey level", 0, func(x, y int) byte { return byte(x + y) })
	f("columns", 0.5, func(x, y int) byte { return byte(x * 3) })
	f("pixels doubled, of which the grid's are the second or the first", 0.5, func(x, y int) byte { return byte(x/2*5) ^ byte(y/2*7) })
}

// TestMeasureGrid: the grid's figures of a picture with much detail are those of all its pixels, nearly.
func TestMeasureGrid(t *testing.T) {
	at := func(x, y int) [3]byte {
		v := 128 + 60*math.Sin(float64(x)/9) + 60*math.Cos(float64(x*y)/400)
		return [3]byte{byte(v), byte(200 - v/2), byte(x)}
	}
	const size = 224
	pixels := pattern(size, size, at)
	grid := NoImage()
	grid.Measure(pixels, size, size)
	var all totals
	for i := range size * size {
		all.add(lumaAt(pixels, i), 0)
	}
	var whole Image
	all.into(&whole)
	near(t, "brightness", grid.Brightness, float64(whole.Brightness), 0.005)
	near(t, "contrast", grid.Contrast, float64(whole.Contrast), 0.005)
}

func TestMeasureOfNothing(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {-1, 5}, {5, 5}} {
		m := NoImage()
		m.Measure([]byte{1, 2, 3}, size[0], size[1])
		if m.Brightness == m.Brightness {
			t.Errorf("%v: got %+v", size, m)
		}
	}
	m := NoImage()
	m.Measure([]byte{255, 255, 255}, 1, 1)
	if m.Brightness != 1 || m.Sharpness != 0 {
		t.Errorf("one pixel: got %+v", m)
	}
	if n := testing.AllocsPerRun(10, func() { m.Measure(make([]byte, 0), 1, 1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMeasure(b *testing.B) {
	for name, size := range map[string]int{"32": 32, "224": 224} {
		b.Run(name, func(b *testing.B) {
			pixels := pattern(size, size, func(x, y int) [3]byte { return [3]byte{byte(x * y), byte(x), byte(y)} })
			m := NoImage()
			b.ReportAllocs()
			for b.Loop() {
				m.Measure(pixels, size, size)
			}
		})
	}
}
