package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor/predlog"
)

func logCompareCommand(place *logPlace) *cobra.Command {
	var by predlog.Filter
	var since, until string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compare VERSION OTHER",
		Short: "Compare two versions on the images that both answered",
		Long: `Compare two versions of a model on the images that both answered, one of them as a shadow
(see docs/source/repository.md): how often they agree, and where the true class is known, which of
them was right. McNemar's test says how likely they would differ so much if they were equally good.`,
		Example: "  torchlit log compare 1 2 --model cifar10-resnet18 --since 168h",
		Args:    argsNamed("VERSION", "OTHER"),
		RunE: func(cmd *cobra.Command, versions []string) (err error) {
			if by.Model == "" {
				return usageError{errors.New("name the model with --model")}
			}
			if versions[0] == versions[1] {
				return usageError{errors.New("name two versions")}
			}
			if by.Since, by.Until, err = parsePeriod(since, until); err != nil {
				return usageError{err}
			}
			r, err := place.open(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			c, err := r.Compare(cmd.Context(), by, versions[0], versions[1])
			if err != nil {
				return err
			}
			if c.Images == 0 {
				return fmt.Errorf("there is no image that both version %q and version %q of model %q answered, one as the other's shadow; set one with serve --shadow or PUT /v1/models/%s/traffic",
					versions[0], versions[1], by.Model, by.Model)
			}
			if asJSON {
				return writeIndented(cmd.OutOrStdout(), struct {
					predlog.Comparison
					P *float64 `json:"p"` // of McNemar's test; null without labels
				}{c, pOf(&c)})
			}
			return printComparison(cmd.OutOrStdout(), &c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&by.Model, "model", "", "the model")
	f.StringVar(&since, "since", "", "only answers from then on: 24h for the last 24 hours, or a time such as 2026-11-27T10:00:00Z")
	f.StringVar(&until, "until", "", "only answers before, written likewise")
	f.BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

// pOf is the p-value of McNemar's test; nil without labels.
func pOf(c *predlog.Comparison) *float64 {
	if c.Labelled == 0 {
		return nil
	}
	p := evaluate.McNemar(int(c.OnlyOne), int(c.OnlyOther))
	return &p
}

func printComparison(w io.Writer, c *predlog.Comparison) error {
	share := func(n, of int64) string { return fmt.Sprintf("%d\t%.2f %%", n, 100*float64(n)/float64(of)) }
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "images that both answered\t%d\n", c.Images)
	fmt.Fprintf(t, "same class\t%s\n", share(c.Agreed, c.Images))
	fmt.Fprintf(t, "true class known\t%s\n", share(c.Labelled, c.Images))
	if c.Labelled == 0 {
		return t.Flush()
	}
	fmt.Fprintf(t, "both right\t%s\n", share(c.Both, c.Labelled))
	fmt.Fprintf(t, "only %s right\t%s\n", c.Version, share(c.OnlyOne, c.Labelled))
	fmt.Fprintf(t, "only %s right\t%s\n", c.Other, share(c.OnlyOther, c.Labelled))
	fmt.Fprintf(t, "neither\t%s\n", share(c.Neither, c.Labelled))
	fmt.Fprintf(t, "accuracy of %s\t%.4f\n", c.Version, float64(c.Both+c.OnlyOne)/float64(c.Labelled))
	fmt.Fprintf(t, "accuracy of %s\t%.4f\n", c.Other, float64(c.Both+c.OnlyOther)/float64(c.Labelled))
	fmt.Fprintf(t, "McNemar's test\tp = %.3g\n", *pOf(c))
	return t.Flush()
}
