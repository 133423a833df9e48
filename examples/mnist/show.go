package main

import (
	"fmt"
	"io"

	"github.com/torchlit/torchlit/examples/internal/digits"
	"github.com/torchlit/torchlit/torch"
)

// show prints a picture and what the network takes it for.
func show(w io.Writer, net *classifier, set *digits.Set, place int, device torch.Device) {
	net.Train(false)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		torch.NoGrad(func() {
			x, _ := set.Batch([]int{place}, device)
			probabilities := torch.Slice[float32](torch.Softmax(net.Forward(x), 1))
			best := 0
			for digit, p := range probabilities {
				if p > probabilities[best] {
					best = digit
				}
			}
			fmt.Fprint(w, drawing(set.Picture(place)))
			fmt.Fprintf(w, "This is a %d, says the network (probability %.3f). Its label is %d.\n",
				best, probabilities[best], set.Labels[place])
		})
	})
}

// shades are characters from no ink to full ink.
const shades = " .:-=+*#%@"

// drawing renders a picture in characters. These are about twice as high as wide, so
// two rows of pixels share one of characters.
func drawing(pixels []byte) string {
	var out []byte
	for y := 0; y < digits.Side; y += 2 {
		for x := range digits.Side {
			ink := (int(pixels[y*digits.Side+x]) + int(pixels[(y+1)*digits.Side+x])) / 2
			out = append(out, shades[ink*len(shades)/256])
		}
		out = append(out, '\n')
	}
	return string(out)
}
