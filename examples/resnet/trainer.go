package main

import (
	"context"
	"fmt"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/lrscheduler"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/tool/tgz"
	"github.com/torchlit/torchlit/torch/vision/imageloader"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// trainer is all that a training consists of.
type trainer struct {
	settings
	vocab     map[string]int // label of each class
	pictures  int
	net       *resnet.Net
	opt       torch.Optimizer
	scheduler *lrscheduler.Scheduler
	criterion *nn.CrossEntropyLossModule
	epoch     int // epochs that are done
}

func newTrainer(s settings) (t *trainer, err error) {
	t = &trainer{settings: s, criterion: nn.CrossEntropyLoss(nn.ClassLossOptions{LabelSmoothing: 0.1})}
	if t.vocab, err = imageloader.BuildLabelVocabularyFromTgz(s.data); err != nil {
		return nil, err
	}
	files, err := tgz.ListFile(s.data)
	if err != nil {
		return nil, err
	}
	if t.pictures = len(files); t.pictures == 0 {
		return nil, fmt.Errorf("cannot train with %q: there are no files in it", s.data)
	}
	t.net = resnet.New(t.spec())
	t.net.To(s.device)
	t.opt = newOptimizer(t.net, s.lr, s.decay)
	if t.scheduler, err = lrscheduler.New(t.opt, t.schedule()); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// spec describes the network. Small pictures get a stem that keeps their size: that of
// ImageNet would leave nothing to look at after its first two layers.
func (t *trainer) spec() resnet.Spec {
	stem := resnet.ImageNetStem
	if t.size <= 64 {
		stem = resnet.CIFARStem
	}
	return resnet.Spec{
		Architecture: "resnet",
		Layers:       [4]int{t.blocks, t.blocks, t.blocks, t.blocks},
		Stem:         stem,
		NumClasses:   int64(len(t.vocab)),
	}
}

// newOptimizer pulls weights towards zero, but neither biases nor the scales and shifts
// of normalisations, which have one dimension: decay would only hold these back.
func newOptimizer(net *resnet.Net, lr, decay float64) torch.Optimizer {
	var weights, others []torch.Tensor
	for _, p := range net.Parameters() {
		if p.Dim() > 1 {
			weights = append(weights, p)
		} else {
			others = append(others, p)
		}
	}
	opt := torch.SGD(lr, 0.9, 0, decay, true)
	opt.AddParameters(weights)
	opt.AddParameterGroup(others).WeightDecay = 0
	return opt
}

// schedule climbs for a tenth of the steps and falls along a cosine for the others.
func (t *trainer) schedule() lrscheduler.Schedule {
	stepsPerEpoch := (t.pictures + t.batch - 1) / t.batch
	steps := t.epochs * stepsPerEpoch
	warmup := max(steps/10, 1)
	return lrscheduler.SequentialLR{
		Schedules: []lrscheduler.Schedule{
			lrscheduler.LinearLR{StartFactor: 0.1, EndFactor: 1, TotalIters: warmup},
			lrscheduler.CosineAnnealingLR{TMax: max(steps-warmup, 1)},
		},
		Milestones: []int{warmup},
	}
}

func (t *trainer) close() {
	t.opt.Close()
	nn.Close(t.net)
}

// trainEpoch takes a step per batch and returns the mean loss.
func (t *trainer) trainEpoch(ctx context.Context) (meanLoss float64, err error) {
	t.net.Train(true)
	// Each epoch has an order and crops of its own, which depend on nothing before it:
	// a resumed training sees what an uninterrupted one would have seen.
	seed := int64(t.seed) + int64(t.epoch)
	steps := 0
	err = t.eachBatch(ctx, t.data, t.augmented(), shuffleBuffer, seed, func(x, y torch.Tensor) {
		if y.Numel() == 1 {
			return // left over: batch normalisation has nothing to compare it with
		}
		meanLoss += t.step(x, y)
		steps++
	})
	return meanLoss / float64(max(steps, 1)), err
}

// step learns from pictures x [N, 3, size, size] with labels y [N].
func (t *trainer) step(x, y torch.Tensor) float64 {
	loss := t.criterion.Forward(t.forward(x), y)
	loss.Backward()
	torch.ClipGradNorm(t.net.Parameters(), t.clip, 2)
	t.opt.Step()
	t.opt.ZeroGrad()
	t.scheduler.Step()
	return loss.Float64()
}

// forward returns the logits [N, classes] in float32, whatever they are computed in.
func (t *trainer) forward(x torch.Tensor) (logits torch.Tensor) {
	if !t.bf16 {
		return t.net.Forward(x)
	}
	torch.Autocast(t.device, torch.BFloat16, func() { logits = t.net.Forward(x) })
	return logits.CastTo(torch.Float)
}

// accuracy returns the share of the test's pictures whose class the network finds.
func (t *trainer) accuracy(ctx context.Context) (float64, error) {
	t.net.Train(false)
	correct, all := 0.0, 0.0
	err := t.eachBatch(ctx, t.test, t.plain(), 0, 0, func(x, y torch.Tensor) {
		torch.NoGrad(func() {
			correct += t.forward(x).Argmax(1).Eq(y).Sum().Float64()
			all += float64(y.Numel())
		})
	})
	return correct / max(all, 1), err
}
