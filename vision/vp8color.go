package vision

import "image"

// VP8's colours, as libwebp shows them and therefore as Pillow does.
//
// Go's decoder returns the right Y, Cb and Cr samples but labels them as JPEG's: full range, chroma to be repeated. VP8 means
// BT.601 in studio range (black is 16, white 235), and libwebp interpolates chroma. Converted with JPEG's formula every WebP
// photo loses contrast, which a classifier notices. So the conversion here follows libwebp's integer arithmetic to the bit.
//
// Chroma has half the resolution; its samples lie between four pixels. Each pixel weights its nearest four samples 9:3:3:1.
// libwebp computes that in two steps with a rounding in each, which chroma repeats.

// fromVP8 converts a 4:2:0 picture.
func fromVP8(src *image.YCbCr) *Image {
	m := Acquire(src.Rect.Dx(), src.Rect.Dy())
	chroma := func(y int) (u, v []byte) {
		y = min(max(y, 0), (m.Height+1)/2-1)
		n := (m.Width + 1) / 2
		return src.Cb[y*src.CStride:][:n], src.Cr[y*src.CStride:][:n]
	}
	for y := range m.Height {
		// An even row lies just below the middle between chroma rows y/2-1 and y/2, an odd row just above the next.
		nearU, nearV := chroma(y / 2)
		farU, farV := chroma(y/2 - 1 + y%2*2)
		vp8Row(m.row(y), src.Y[y*src.YStride:][:m.Width], nearU, nearV, farU, farV)
	}
	return m
}

// vp8Row converts one row. near is the chroma row closer to it, far the one on its other side.
func vp8Row(dst, luma, nearU, nearV, farU, farV []byte) {
	last := len(luma) - 1
	vp8Pixel(dst, luma[0], edge(nearU[0], farU[0]), edge(nearV[0], farV[0]))
	for x := 1; x < last; x += 2 {
		c := (x + 1) / 2
		uLeft, uRight := between(nearU[c-1], nearU[c], farU[c-1], farU[c])
		vLeft, vRight := between(nearV[c-1], nearV[c], farV[c-1], farV[c])
		vp8Pixel(dst[x*3:], luma[x], uLeft, vLeft)
		vp8Pixel(dst[x*3+3:], luma[x+1], uRight, vRight)
	}
	if last%2 == 1 {
		c := last / 2
		vp8Pixel(dst[last*3:], luma[last], edge(nearU[c], farU[c]), edge(nearV[c], farV[c]))
	}
}

// edge is the chroma of a pixel in the first or last column: only two samples are near.
func edge(near, far byte) int { return (3*int(near) + int(far) + 2) >> 2 }

// between is the chroma of the two pixels that lie between two columns of samples.
func between(nearLeft, nearRight, farLeft, farRight byte) (left, right int) {
	nl, nr, fl, fr := int(nearLeft), int(nearRight), int(farLeft), int(farRight)
	sum := nl + nr + fl + fr + 8
	return (((sum + 2*(fl+nr)) >> 3) + nl) >> 1, (((sum + 2*(nl+fr)) >> 3) + nr) >> 1
}

// vp8Pixel is BT.601 from studio range in fixed point: 14 bits of fraction, of which 8 are dropped in the products.
func vp8Pixel(dst []byte, luma byte, u, v int) {
	y := int(luma) * 19077 >> 8
	dst[0] = clip6(y + v*26149>>8 - 14234)
	dst[1] = clip6(y - u*6419>>8 - v*13320>>8 + 8708)
	dst[2] = clip6(y + u*33050>>8 - 17685)
}

func clip6(v int) byte { return byte(min(max(v>>6, 0), 255)) }
