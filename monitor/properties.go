package monitor

import "math"

// NumProperties is how many figures describe what an image looks like.
const NumProperties = 7

// PropertyNames names them, in the order of Image.Properties.
var PropertyNames = [NumProperties]string{"brightness", "contrast", "saturation", "sharpness", "flatness", "size", "aspect"}

// Properties are the figures that images are compared by. Size is the side of a square of as many pixels as the file has, aspect its width
// over its height. NaN stands for what is not known.
func (m *Image) Properties() [NumProperties]float32 {
	size, aspect := float32(math.NaN()), float32(math.NaN())
	if m.Width > 0 && m.Height > 0 {
		size, aspect = float32(math.Sqrt(float64(m.Width)*float64(m.Height))), float32(m.Width)/float32(m.Height)
	}
	return [NumProperties]float32{m.Brightness, m.Contrast, m.Saturation, m.Sharpness, m.Flatness, size, aspect}
}
