package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/torchlit/torchlit/train"
)

// progress shows a training run: on a terminal a bar for the epoch at hand with
// loss, accuracy, images/s and the time left, and everywhere a line for each
// epoch that has ended.
type progress struct {
	out  *os.File
	bars *mpb.Progress // nil when out is no terminal
	bar  *mpb.Bar
	step train.Step
}

func newProgress(out *os.File) *progress {
	p := &progress{out: out}
	if term.IsTerminal(int(out.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(28), mpb.WithRefreshRate(250*time.Millisecond))
	}
	return p
}

func (p *progress) events() train.Events {
	return train.Events{Started: p.started, Step: p.stepped, Validated: p.validated, Epoch: p.epoch, Notice: p.notice}
}

func (p *progress) started(s train.Started) {
	if s.FirstEpoch >= s.Epochs {
		p.line("all %d epochs of the run are done", s.Epochs)
		return
	}
	p.line("%s", s.Summary)
	on := s.Device
	if s.Ranks > 1 {
		on = fmt.Sprintf("%d ranks, each on %s", s.Ranks, s.Device)
	}
	p.line("training on %d images of %d classes, validating on %d, on %s; epochs %d to %d of %d batches",
		s.TrainSize, len(s.Classes), s.ValSize, on, s.FirstEpoch+1, s.Epochs, s.StepsPerEpoch)
}

func (p *progress) stepped(s train.Step) {
	p.step = s
	if p.bars == nil {
		return
	}
	if p.bar == nil {
		p.bar = p.newBar(s)
	}
	p.bar.SetCurrent(int64(s.Index))
}

func (p *progress) newBar(s train.Step) *mpb.Bar {
	figures := func(decor.Statistics) string {
		s := p.step
		return fmt.Sprintf(" loss %.3f  accuracy %5.2f %%  %4.0f images/s", s.Loss, 100*s.Accuracy, s.ImagesPerSecond)
	}
	return p.bars.New(int64(s.Steps), mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("─").Rbound(""),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(fmt.Sprintf("epoch %2d  %d px ", s.Epoch+1, s.Side))),
		mpb.AppendDecorators(decor.Any(figures), decor.Name("  left "), decor.AverageETA(decor.ET_STYLE_MMSS)))
}

func (p *progress) epoch(e train.Epoch) {
	p.dropBar()
	p.line("epoch %2d  %2d px  loss %.3f  accuracy %5.2f %%  %4.0f images/s  %s%s",
		e.Epoch+1, p.step.Side, e.TrainLoss, 100*e.TrainAccuracy, e.ImagesPerSecond, e.Duration.Round(time.Second), waiting(e))
}

// waiting says so when the data did not keep up with the training.
func waiting(e train.Epoch) string {
	if share := e.LoaderWait / max(e.Duration.Seconds(), 1e-9); share > 0.1 {
		return fmt.Sprintf(", %.0f %% of it waiting for data", 100*share)
	}
	return ""
}

func (p *progress) validated(v train.Validation) {
	of := ""
	if v.Of != "" {
		of = " of the " + strings.ToUpper(v.Of) + " weights"
	}
	extra := ""
	if v.Extra != nil {
		extra = fmt.Sprintf(", on extra images loss %.3f  accuracy %5.2f %%", v.Extra.Loss, 100*v.Extra.Accuracy)
	}
	p.line("          validation loss %.3f  accuracy %5.2f %%%s%s", v.Loss, 100*v.Accuracy, of, extra)
}

func (p *progress) notice(text string) { p.line("%s", text) }

func (p *progress) dropBar() {
	if p.bar == nil {
		return
	}
	p.bar.SetTotal(p.bar.Current(), true)
	p.bar.Wait()
	p.bar = nil
}

func (p *progress) line(format string, args ...any) {
	text := fmt.Sprintf(format+"\n", args...)
	if p.bars != nil {
		fmt.Fprint(p.bars, text)
		return
	}
	fmt.Fprint(p.out, text)
}

func (p *progress) close() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar = nil
	}
	if p.bars != nil {
		p.bars.Wait()
		p.bars = nil
	}
}
