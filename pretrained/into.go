package pretrained

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// The classifier's tensors, by the names that networks have for them here.
const (
	headWeight = "fc.weight"
	headBias   = "fc.bias"
)

// counter is whether a tensor is PyTorch's count of a normalisation's steps, which has no
// use here.
func counter(name string) bool { return strings.HasSuffix(name, ".num_batches_tracked") }

func equal(a, b []int64) bool { return slices.Equal(a, b) }

// Into puts the weights into net, which belongs to the calling goroutine. Values are
// converted to the network's own dtype and device. Nothing is changed when it fails.
func (s *Source) Into(net *resnet.Net) (*Report, error) {
	p, err := s.plan(net.Spec())
	if err == nil {
		err = s.carryOut(p, net)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot load %q into %s: %w", s.ID, net.Spec().Architecture, err)
	}
	return &p.Report, nil
}

// plan is what will happen to each tensor.
type plan struct {
	Report
	from map[string]string // name in the network, to name in the file
}

// plan compares the file's tensors with the network's.
func (s *Source) plan(spec resnet.Spec) (*plan, error) {
	p := &plan{
		Report: Report{ID: s.ID, Path: s.Path, Section: s.file.Section(), Prefix: s.file.Prefix(), Folder: s.folder},
		from:   map[string]string{},
	}
	firstConv := spec.StemConvs()[0].Conv + ".weight"
	used := map[string]bool{}
	var missing, misshapen []string
	for _, t := range spec.Tensors() {
		name := s.nameInFile(t.Name)
		shape, ok := s.file.Shape(name)
		used[name] = ok
		head := t.Name == headWeight || t.Name == headBias
		switch {
		case head && (s.options.FreshHead || !s.hasHead(spec)):
			p.Fresh = append(p.Fresh, t.Name)
		case !ok:
			missing = append(missing, t.Name)
		case equal(shape, t.Shape):
			p.Loaded = append(p.Loaded, t.Name)
			p.from[t.Name] = name
		case t.Name == firstConv && adaptable(shape, t.Shape):
			p.Adapted = append(p.Adapted, Adaptation{t.Name, shape, t.Shape})
			p.from[t.Name] = name
		default:
			misshapen = append(misshapen, fmt.Sprintf("%q is %v, not %v", t.Name, shape, t.Shape))
		}
	}
	var left []string
	for _, name := range s.file.Names() {
		switch {
		case used[name] || counter(name):
		case resnet.Owns(name):
			left = append(left, name)
		default:
			p.Unused = append(p.Unused, name)
		}
	}
	return p, s.mismatch(missing, misshapen, left)
}

// nameInFile is where the classifier is under the name that the configuration gives it.
func (s *Source) nameInFile(name string) string {
	if rest, ok := strings.CutPrefix(name, "fc."); ok && s.folder != nil {
		return s.folder.Config.Pretrained.Classifier + "." + rest
	}
	return name
}

// hasHead is whether the file has a classifier of as many classes.
func (s *Source) hasHead(spec resnet.Spec) bool {
	weight, ok1 := s.file.Shape(s.nameInFile(headWeight))
	bias, ok2 := s.file.Shape(s.nameInFile(headBias))
	return ok1 && ok2 && equal(weight, []int64{spec.NumClasses, spec.Features()}) && equal(bias, []int64{spec.NumClasses})
}

// mismatch is the error about tensors that do not fit, nil when there are none.
func (s *Source) mismatch(missing, misshapen, left []string) error {
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, "it lacks "+some(missing))
	}
	if len(misshapen) > 0 {
		parts = append(parts, "of another shape: "+strings.Join(misshapen[:min(len(misshapen), 3)], ", ")+more(misshapen))
	}
	if len(left) > 0 {
		parts = append(parts, "it has, and the network has not, "+some(left))
	}
	if len(parts) == 0 {
		return nil
	}
	advice := "give weights of this architecture"
	if spec, ok := s.fits(); ok {
		advice = "the weights are of " + spec.Architecture
	} else if s.folder != nil {
		advice = "the weights are of " + s.folder.Config.Architecture
	}
	return fmt.Errorf("%s; %s", strings.Join(parts, "; "), advice)
}

// some names the first of many.
func some(names []string) string {
	return fmt.Sprintf("%q", names[:min(len(names), 3)]) + more(names)
}

func more(list []string) string {
	if len(list) <= 3 {
		return ""
	}
	return fmt.Sprintf(" and %d more", len(list)-3)
}

// carryOut reads all values, and only then changes the network.
func (s *Source) carryOut(p *plan, net *resnet.Net) error {
	values := map[string][]float32{}
	for name, from := range p.from {
		v, err := s.file.Tensor(from)
		if err != nil {
			return err
		}
		x, err := safetensors.Float32(v)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(x, func(x float32) bool { return x-x != 0 }); i >= 0 {
			return fmt.Errorf("tensor %q holds %v at element %d; such weights learn nothing", from, x[i], i)
		}
		values[name] = x
	}
	for _, a := range p.Adapted {
		values[a.Name] = adapt(values[a.Name], a.From, a.To)
	}
	return torch.Try(func() {
		torch.NoGrad(func() {
			for name, t := range net.StateDict() {
				x, ok := values[name]
				if !ok {
					continue
				}
				value := torch.FromSlice(x, t.Shape()...)
				t.CopyI(value)
				value.Close()
			}
		})
	})
}
