// Package vision turns encoded bytes into the pixels that a model was trained on.
//
// It has two halves. Decode reads JPEG, PNG, GIF, WebP and BMP into an Image (8-bit RGB, upright), with every limit checked
// before memory is taken. Preprocess resizes and crops an Image as timm does in evaluation. Both are held to Pillow pixel by
// pixel by the goldens in testdata, because a model's accuracy is measured with Pillow and lost, quietly, without it.
//
// The package needs no libtorch: whoever has a faster resizer hands it over as a Resizer.
package vision

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
)

// Image is an 8-bit RGB picture: Pix holds Height rows of Width pixels of three bytes, R G B, without padding between rows.
//
// An Image belongs to whoever holds it and is not locked: any number of goroutines may read it at once, none may while
// another writes or releases it.
type Image struct {
	Width, Height int
	Pix           []byte // len = Width * Height * 3

	// cut is by how much less than a pixel the last column and row stand for.
	cutRight, cutBelow float64

	held hold // of Limits.Memory
	lent bool // Pix is somebody's, and not for the pool
}

// Extent is how many columns and rows the pixels stand for: Width and Height, or up to one less. A draft of 375 pixels
// at a half has 188, of which the last is half a pixel beside the picture's edge. A Resizer scales the extent, not the size; one that
// does not know of it is off by part of a pixel at the far edges.
func (m *Image) Extent() (width, height float64) {
	return float64(m.Width) - m.cutRight, float64(m.Height) - m.cutBelow
}

// SetExtent sets what Extent returns.
func (m *Image) SetExtent(width, height float64) {
	m.cutRight, m.cutBelow = float64(m.Width)-width, float64(m.Height)-height
	if !(m.cutRight >= 0 && m.cutRight < 1 && m.cutBelow >= 0 && m.cutBelow < 1) {
		panic(fmt.Sprintf("BUG: vision: an extent of %v x %v in %d x %d pixels", width, height, m.Width, m.Height))
	}
}

// FromImage copies any image.Image. Alpha is dropped, not blended, and 16-bit samples keep their high byte, as Decode does.
// The result comes from Acquire.
func FromImage(src image.Image) *Image {
	b := src.Bounds()
	m := Acquire(b.Dx(), b.Dy())
	switch src := src.(type) {
	case *image.Gray:
		copyGray(m, src.Pix, src.Stride, 1)
	case *image.Gray16:
		copyGray(m, src.Pix, src.Stride, 2) // big-endian: the high byte comes first
	case *image.RGBA:
		if !src.Opaque() {
			copyAny(m, src) // undo the multiplication by alpha
			break
		}
		copyRGB(m, src.Pix, src.Stride, 4, 1)
	case *image.NRGBA:
		copyRGB(m, src.Pix, src.Stride, 4, 1)
	case *image.RGBA64:
		if !src.Opaque() {
			copyAny(m, src)
			break
		}
		copyRGB(m, src.Pix, src.Stride, 8, 2)
	case *image.NRGBA64:
		copyRGB(m, src.Pix, src.Stride, 8, 2)
	case *image.Paletted:
		copyPaletted(m, src)
	case *image.CMYK:
		for y := range m.Height {
			cmykToRGB(m.row(y), src.Pix[y*src.Stride:][:m.Width*4], false)
		}
	case *image.YCbCr:
		copyYCbCr(m, src)
	default:
		copyAny(m, src)
	}
	return m
}

// RGBA copies m into the standard library's representation.
func (m *Image) RGBA() *image.RGBA {
	dst := image.NewRGBA(image.Rect(0, 0, m.Width, m.Height))
	for i, j := 0, 0; i < len(m.Pix); i, j = i+3, j+4 {
		dst.Pix[j], dst.Pix[j+1], dst.Pix[j+2], dst.Pix[j+3] = m.Pix[i], m.Pix[i+1], m.Pix[i+2], 255
	}
	return dst
}

func (m *Image) row(y int) []byte { return m.Pix[y*m.Width*3:][:m.Width*3] }

// copyGray spreads one sample a pixel, step bytes apart, over the three channels.
func copyGray(m *Image, pix []byte, stride, step int) {
	for y := range m.Height {
		dst, src := m.row(y), pix[y*stride:]
		for i, j := 0, 0; i < len(dst); i, j = i+3, j+step {
			dst[i], dst[i+1], dst[i+2] = src[j], src[j], src[j]
		}
	}
}

// copyRGB takes the first byte of each of three samples that lie sample bytes apart, in pixels of size bytes.
func copyRGB(m *Image, pix []byte, stride, size, sample int) {
	for y := range m.Height {
		dst, src := m.row(y), pix[y*stride:]
		for i, j := 0, 0; i < len(dst); i, j = i+3, j+size {
			dst[i], dst[i+1], dst[i+2] = src[j], src[j+sample], src[j+2*sample]
		}
	}
}

func copyPaletted(m *Image, src *image.Paletted) {
	var table [256][3]byte
	for i, c := range src.Palette {
		if i == len(table) {
			break
		}
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		table[i] = [3]byte{n.R, n.G, n.B}
	}
	for y := range m.Height {
		dst, idx := m.row(y), src.Pix[y*src.Stride:]
		for x := range m.Width {
			copy(dst[x*3:x*3+3], table[idx[x]][:])
		}
	}
}

// copyYCbCr converts full-range (JPEG) colour. Chroma is repeated, not interpolated, as Go's decoders expect.
func copyYCbCr(m *Image, src *image.YCbCr) {
	b := src.Bounds()
	for y := range m.Height {
		dst := m.row(y)
		luma := src.Y[src.YOffset(b.Min.X, b.Min.Y+y):]
		for x := range m.Width {
			c := src.COffset(b.Min.X+x, b.Min.Y+y)
			dst[x*3], dst[x*3+1], dst[x*3+2] = color.YCbCrToRGB(luma[x], src.Cb[c], src.Cr[c])
		}
	}
}

// copyAny goes through image/draw, which knows every colour model; it is for the kinds that hardly occur.
func copyAny(m *Image, src image.Image) {
	tmp := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	draw.Draw(tmp, tmp.Bounds(), src, src.Bounds().Min, draw.Src)
	copyRGB(m, tmp.Pix, tmp.Stride, 4, 1)
}

// cmykToRGB converts pixels of four bytes as Pillow does: R = (255-K) - C*(255-K)/255, rounded as Pillow rounds.
// With inverted, 255 means no ink, as Adobe's programs write it into JPEG files.
func cmykToRGB(dst, src []byte, inverted bool) {
	var flip byte
	if inverted {
		flip = 255
	}
	for i, j := 0, 0; i < len(dst); i, j = i+3, j+4 {
		paper := 255 - int(src[j+3]^flip)
		for c := range 3 {
			t := int(src[j+c]^flip)*paper + 128
			dst[i+c] = byte(max(paper-(t>>8+t)>>8, 0))
		}
	}
}
