package train

import (
	"fmt"
	"strings"

	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// Summary describes a network layer by layer, for an image of one size.
type Summary struct {
	Layers     []Layer
	Parameters int64
	Trainable  int64 // of Parameters, those not frozen
	FLOPs      int64 // of the forward pass of one image; a multiplication with its addition is two
}

// Layer is a part of a network.
type Layer struct {
	Name       string
	Kind       string
	Output     [3]int64 // channels, height, width
	Parameters int64
	FLOPs      int64
}

// summary describes the run's network at the data's own size.
func (r *run) summary() Summary {
	s := Summarize(r.net.Spec(), r.data.side, r.data.side)
	s.Trainable = s.Parameters
	for i, stage := range r.net.Stages() {
		if i >= r.cfg.Freeze.Stages {
			break
		}
		for _, p := range stage.Parameters() {
			s.Trainable -= p.Numel()
		}
	}
	return s
}

// Summarize describes a network for images of height×width pixels.
func Summarize(spec resnet.Spec, height, width int) Summary {
	t := tracer{height: int64(height), width: int64(width)}
	t.begin("stem", "convolution")
	for _, c := range spec.StemConvs() {
		t.conv(c)
	}
	if spec.StemPool() {
		t.begin("pool", "max pool 3×3")
		t.height, t.width = (t.height+1)/2, (t.width+1)/2
		t.out(t.channels)
	}
	stage := 0
	kind := "basic blocks"
	if spec.Bottleneck {
		kind = "bottlenecks"
	}
	for _, b := range spec.Blocks() {
		if b.Stage != stage {
			stage = b.Stage
			t.begin(fmt.Sprintf("layer%d", stage), fmt.Sprintf("%d %s", spec.Layers[stage-1], kind))
		}
		t.block(b)
	}
	t.begin("fc", "linear")
	t.height, t.width = 1, 1
	t.last().Parameters = (spec.Features() + 1) * spec.NumClasses
	t.last().FLOPs = 2 * spec.Features() * spec.NumClasses
	t.out(spec.NumClasses)
	s := Summary{Layers: t.layers}
	for _, l := range s.Layers {
		s.Parameters += l.Parameters
		s.FLOPs += l.FLOPs
	}
	s.Trainable = s.Parameters
	return s
}

// tracer follows an image through a network.
type tracer struct {
	layers                  []Layer
	channels, height, width int64 // of the activation at hand
}

func (t *tracer) begin(name, kind string) { t.layers = append(t.layers, Layer{Name: name, Kind: kind}) }
func (t *tracer) last() *Layer            { return &t.layers[len(t.layers)-1] }

func (t *tracer) out(channels int64) {
	t.channels = channels
	t.last().Output = [3]int64{channels, t.height, t.width}
}

// conv counts a convolution with its batch normalisation.
func (t *tracer) conv(c resnet.Conv) {
	size := func(n int64) int64 { return (n+2*c.Padding-c.Kernel)/c.Stride + 1 }
	t.height, t.width = size(t.height), size(t.width)
	weights := c.Out * c.In / max(1, c.Groups) * c.Kernel * c.Kernel
	t.last().Parameters += weights + 2*c.Out
	t.last().FLOPs += 2 * weights * t.height * t.width
	t.out(c.Out)
}

func (t *tracer) block(b resnet.Block) {
	height, width := t.height, t.width
	for _, c := range b.Convs {
		t.conv(c)
	}
	if b.Shortcut == nil {
		return
	}
	after := *t
	t.height, t.width = height, width
	if b.Pool {
		t.height, t.width = (height+1)/2, (width+1)/2
	}
	t.conv(*b.Shortcut)
	t.height, t.width = after.height, after.width
}

// String is a table, as Lightning prints it.
func (s Summary) String() string {
	var b strings.Builder
	line := func(name, kind, output, parameters, flops string) {
		fmt.Fprintf(&b, "%-7s %-18s %-16s %12s %12s\n", name, kind, output, parameters, flops)
	}
	line("layer", "kind", "output", "parameters", "MFLOPs")
	for _, l := range s.Layers {
		line(l.Name, l.Kind, fmt.Sprintf("%d×%d×%d", l.Output[0], l.Output[1], l.Output[2]), thousands(l.Parameters), fmt.Sprintf("%.1f", float64(l.FLOPs)/1e6))
	}
	line("", "", "", thousands(s.Parameters), fmt.Sprintf("%.1f", float64(s.FLOPs)/1e6))
	if frozen := s.Parameters - s.Trainable; frozen > 0 {
		fmt.Fprintf(&b, "%s parameters are frozen\n", thousands(frozen))
	}
	return b.String()
}

// thousands writes n in groups of three digits.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}
