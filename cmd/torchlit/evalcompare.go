package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/evaluate"
)

// answerNo is a result that says no, as opposed to a failure: a script can tell it by its exit code.
type answerNo struct{ error }

// promotion is the question whether one model may take another's place.
type promotion struct {
	newer, older string // model folders
	precision    string
	keep, gain   []string // folders of images: not to lose on, to be better on
	maxLoss      float64
	skipCorrupt  bool
}

// comparison is what is known of one folder. Its JSON is part of what --json prints.
type comparison struct {
	Data string `json:"data"`
	evaluate.Comparison
	Gain    bool   `json:"gain"` // the new model has to be better
	Passed  bool   `json:"passed"`
	Verdict string `json:"verdict"`
}

// comparisons is what --json prints.
type comparisons struct {
	Model    string       `json:"model"`
	Compared string       `json:"compared_with"`
	MaxLoss  float64      `json:"max_loss"`
	Promote  bool         `json:"promote"`
	Data     []comparison `json:"data"`
}

func (p *promotion) check() error {
	switch {
	case p.newer == "":
		return errors.New("--model is missing: name the new model's folder")
	case len(p.keep) == 0:
		return errors.New("--data is missing: name a folder of labelled images on which the new model may not lose")
	case !(p.maxLoss >= 0 && p.maxLoss < 1):
		return fmt.Errorf("--max-loss=%v: give a share of the images, such as 0.01 for one in a hundred", p.maxLoss)
	}
	return nil
}

// run has both models answer, one after the other.
func (p *promotion) run(cmd *cobra.Command) (comparisons, error) {
	out := comparisons{Model: p.newer, Compared: p.older, MaxLoss: p.maxLoss, Promote: true}
	folders := slices.Concat(p.keep, p.gain)
	newer, err := p.answers(cmd, p.newer, folders)
	if err != nil {
		return out, err
	}
	older, err := p.answers(cmd, p.older, folders)
	if err != nil {
		return out, err
	}
	for i, dir := range folders {
		if !slices.Equal(newer[i].files, older[i].files) {
			return out, fmt.Errorf("cannot compare on %q: its files changed meanwhile; try again", dir)
		}
		c := comparison{Data: dir, Comparison: evaluate.Compare(newer[i].Answers, older[i].Answers), Gain: i >= len(p.keep)}
		c.judge(p.maxLoss)
		out.Promote = out.Promote && c.Passed
		out.Data = append(out.Data, c)
	}
	return out, nil
}

func (p *promotion) answers(cmd *cobra.Command, model string, folders []string) ([]answered, error) {
	opened, err := openOne(model, p.precision, 0)
	if err != nil {
		return nil, err
	}
	defer opened.close(context.Background())
	var out []answered
	for _, dir := range folders {
		a, err := answerFolder(cmd.Context(), opened, dir, p.skipCorrupt)
		if err != nil {
			return nil, fmt.Errorf("model %q: %w", modelName(opened.folder.Dir), err)
		}
		for _, skipped := range a.passed {
			fmt.Fprintf(cmd.ErrOrStderr(), "torchlit: left out %q: %v\n", skipped.File, skipped.Err)
		}
		out = append(out, a)
	}
	return out, nil
}

// judge goes by the lower end of the interval: what is not excluded may be so. That no difference is significant would prove
// nothing; of few images it says the same of any two models.
func (c *comparison) judge(maxLoss float64) {
	low, high := c.Interval[0], c.Interval[1]
	switch {
	case c.Gain && low > 0:
		c.Passed, c.Verdict = true, fmt.Sprintf("it is better, by %.2f points at least", 100*low)
	case c.Gain && high < 0:
		c.Verdict = "it is worse"
	case c.Gain:
		c.Verdict = "that it is better is not shown; give more images, or train further"
	case low >= -maxLoss:
		c.Passed, c.Verdict = true, fmt.Sprintf("it loses no more than the %.2f points that are allowed", 100*maxLoss)
	case high < -maxLoss:
		c.Verdict = fmt.Sprintf("it loses more than the %.2f points that are allowed", 100*maxLoss)
	default:
		c.Verdict = fmt.Sprintf("it may lose %.2f points, %.2f are allowed; give more images, or a larger --max-loss", -100*low, 100*maxLoss)
	}
}

func (c *comparisons) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, d := range c.Data {
		fmt.Fprintf(out, "%s: %d images\n", d.Data, d.N)
		fmt.Fprintf(out, "accuracy %.2f %%, before %.2f %%: %+.2f points (%+.2f to %+.2f), McNemar's p %.2g\n",
			100*d.NewAccuracy, 100*d.OldAccuracy, 100*d.Difference, 100*d.Interval[0], 100*d.Interval[1], d.P)
		fmt.Fprintf(out, "right by the new model alone %d, by the old one alone %d\n", d.OnlyNew, d.OnlyOld)
		fmt.Fprintln(w, "class\timages\trecall\tbefore\tchange\tgained\tlost\t")
		for _, k := range d.PerClass {
			fmt.Fprintf(w, "%s\t%d\t%.1f %%\t%.1f %%\t%+.1f\t%d\t%d\t\n", k.Label, k.N, 100*k.NewRecall, 100*k.OldRecall, 100*(k.NewRecall-k.OldRecall), k.OnlyNew, k.OnlyOld)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n\n", passed(d.Passed), d.Verdict)
	}
	_, err := fmt.Fprintf(out, "promote %s in the place of %s: %s\n", c.Model, c.Compared, passed(c.Promote))
	return err
}

func passed(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

// compare prints the comparison and returns an answerNo when the new model may not take the old one's place.
func (p *promotion) compare(cmd *cobra.Command, asJSON bool) error {
	c, err := p.run(cmd)
	if err != nil {
		return err
	}
	if asJSON {
		err = writeIndented(cmd.OutOrStdout(), c)
	} else {
		err = c.print(cmd.OutOrStdout())
	}
	if err == nil && !c.Promote {
		err = answerNo{errors.New("the new model is not to be promoted")}
	}
	return err
}
