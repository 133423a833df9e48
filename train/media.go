package train

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"strings"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/torch"
)

// sheetSide is how many images the sheet of a batch has in a row and in a column, at most.
const sheetSide = 8

// showBatch records what the network sees of the first batch of a run, augmented and
// mixed: a wrong transform is seen at a glance, and in no figure.
func (r *run) showBatch(b *dataset.Batch) {
	if r.log == nil || r.at.Step > 0 || r.at.Batch > 0 {
		return
	}
	picture, err := sheet(b)
	if err == nil {
		err = r.log.Image(0, "first_batch", picture, fmt.Sprintf("the first training batch, %d×%d pixels", b.Width, b.Height))
	}
	if err != nil {
		r.notice(err.Error())
	}
}

// sheet lays images of a batch out in rows, as a PNG.
func sheet(b *dataset.Batch) ([]byte, error) {
	n := min(b.N, sheetSide*sheetSide)
	columns := min(n, sheetSide)
	rows := (n + columns - 1) / columns
	img := image.NewRGBA(image.Rect(0, 0, columns*b.Width, rows*b.Height))
	for i := range n {
		pixels := b.Images[i*b.Height*b.Width*3:]
		left, top := i%columns*b.Width, i/columns*b.Height
		for y := range b.Height {
			out := img.Pix[img.PixOffset(left, top+y):]
			for x := range b.Width {
				copy(out[4*x:], pixels[3*(y*b.Width+x):][:3])
				out[4*x+3] = 255
			}
		}
	}
	var encoded bytes.Buffer
	err := png.Encode(&encoded, img)
	return encoded.Bytes(), err
}

// logHistograms records how the weights of convolutions and of the classifier are
// distributed.
func (r *run) logHistograms() {
	if r.log == nil || !r.cfg.Trainer.LogHistograms {
		return
	}
	state := r.net.StateDict()
	for _, t := range r.net.Spec().Tensors() {
		if len(t.Shape) < 2 {
			continue
		}
		name := "weights/" + strings.TrimSuffix(t.Name, ".weight")
		if err := r.log.Histogram(int64(r.at.Step), name, torch.Slice[float32](state[t.Name])); err != nil {
			r.notice(err.Error())
			return
		}
	}
}
