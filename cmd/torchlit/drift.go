package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/reference"
	"github.com/torchlit/torchlit/monitor/watch"
)

// driftFlags are the flags of drift.
type driftFlags struct {
	model, data      string
	place            logPlace
	since, until     string
	name, version    string
	precision        string
	window, inRow    int
	alpha            float64
	ignore           string
	report           string
	asJSON, exitCode bool
}

func driftCommand() *cobra.Command {
	var f driftFlags
	cmd := &cobra.Command{
		Use:   "drift (--data DIR | --dir LOG | --dsn DATABASE)",
		Short: "Compare a folder of images, or logged traffic, with what a model was measured on",
		Long: `Compare images with the reference that 'torchlit export --reference' stored with a model: those
of a folder, whatever its subfolders, or those that 'torchlit serve --monitor' answered. They are
taken in windows, those of a folder in a fixed random order and those of a log in the order of time,
and each window is tested. Several in a row that drift make an alarm. What the tests mean, and what to do, is in docs/source/drift.md.

With --exit-code the status is 3 when there is an alarm, or where there are too few windows for
one, when the last window drifts.`,
		Example: `  torchlit drift --data uploads/
  torchlit drift --dir predictions --since 24h --report reports/drift
  torchlit drift --dir predictions --model models/photos/3 --json | jq .alarm`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout())
		},
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if f.data != "" && !cmd.Flags().Changed("dir") {
				f.place.dir = ""
				return nil
			}
			return f.place.find(cmd.Flags())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.model, "model", "", "model folder with a reference (default: the bundled model)")
	flags.StringVar(&f.data, "data", "", "folder of images")
	flags.StringVar(&f.precision, "precision", "fp32", "with --data: "+precisionHelp)
	f.place.addFlags(flags)
	flags.StringVar(&f.name, "name", "", "of a log: the model's name in the log (default: that of its folder)")
	flags.StringVar(&f.version, "version", "", "of a log: its version there (default: that of its folder)")
	flags.StringVar(&f.since, "since", "", "of a log: only from then on: 24h for the last 24 hours, or a time such as 2026-11-27T10:00:00Z")
	flags.StringVar(&f.until, "until", "", "of a log: only before, written likewise")
	flags.IntVar(&f.window, "window", 500, fmt.Sprintf("images of a window, %d at least; 0 for one window of all", detector.MinWindow))
	flags.IntVar(&f.inRow, "in-row", 3, "windows in a row that make an alarm")
	flags.Float64Var(&f.alpha, "alpha", 0.05, "how often a window may drift by chance")
	flags.StringVar(&f.ignore, "ignore", "", "tests and properties to leave out, such as classes,size,aspect")
	flags.StringVar(&f.report, "report", "", "folder for a report: index.html with figures")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	flags.BoolVar(&f.exitCode, "exit-code", false, "exit with 3 when there is drift")
	return cmd
}

// errDrift makes drift's exit status.
var errDrift = answerNo{errors.New("the images have drifted from the model's reference")}

func (f *driftFlags) check() error {
	switch {
	case f.data != "" && (f.place.dir != "" || f.place.dsn != ""):
		return errors.New("give either --data with a folder of images, or --dir or --dsn with a prediction log")
	case f.data != "" && (f.since != "" || f.until != "" || f.name != "" || f.version != ""):
		return errors.New("--since, --until, --name and --version choose from a log: leave out --data")
	case f.window != 0 && f.window < detector.MinWindow:
		return fmt.Errorf("--window must be at least %d, or 0 for one window of all", detector.MinWindow)
	case f.inRow < 1:
		return errors.New("--in-row must be at least 1")
	case !(f.alpha > 0):
		return errors.New("--alpha must be above 0")
	}
	o := f.options()
	return o.Validate()
}

func (f *driftFlags) options() detector.Options {
	return detector.Options{Alpha: f.alpha, Ignore: splitList(f.ignore)}
}

// splitList are the words between commas.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func (f *driftFlags) run(ctx context.Context, out io.Writer) error {
	if err := f.check(); err != nil {
		return usageError{err}
	}
	entry, err := oneEntry(f.model)
	if err != nil {
		return err
	}
	folder, err := modeldir.Open(entry.Dir)
	if err != nil {
		return err
	}
	ref, err := referenceOf(folder)
	if err != nil {
		return err
	}
	if ref == nil {
		return fmt.Errorf("cannot find drift: model folder %q has no reference to compare with; make one: torchlit export --model %s --reference VALIDATION --output %s",
			folder.Dir, folder.Dir, folder.Dir)
	}
	d := &driftRun{detector: detector.New(ref, f.options()), window: f.window}
	if f.report != "" { // rather now than after an hour
		if err := os.MkdirAll(f.report, 0o755); err != nil {
			return fmt.Errorf("cannot make the report's folder: %w", err)
		}
	}
	if f.data != "" {
		err = f.readFolder(ctx, d, entry)
	} else {
		err = f.readLog(ctx, d, entry)
	}
	if err != nil {
		return err
	}
	if d.rest > 0 && f.window == 0 || len(d.results) == 0 {
		return fmt.Errorf("cannot find drift in %d answers: a window has at least %d; give more images, or a longer time", d.read, detector.MinWindow)
	}
	return f.tell(out, d.status(entry, ref, f), d)
}

// driftRun tests windows as they fill up.
type driftRun struct {
	detector *detector.Detector
	window   int
	waiting  []*monitor.Answer
	results  []*detector.Result
	read     int
	rest     int // answers that filled no window

	newest    []*monitor.Answer // of the newest window
	strangest strange
}

func (d *driftRun) add(a *monitor.Answer) error {
	d.read++
	d.waiting = append(d.waiting, a)
	if d.window > 0 && len(d.waiting) == d.window {
		return d.test()
	}
	return nil
}

func (d *driftRun) test() error {
	r, err := d.detector.Test(d.waiting)
	if err != nil {
		return err
	}
	d.results, d.newest, d.waiting = append(d.results, r), d.waiting, nil
	return nil
}

// end tests what is left, where it is enough.
func (d *driftRun) end() error {
	if len(d.waiting) >= detector.MinWindow && (d.window == 0 || len(d.results) == 0 || 2*len(d.waiting) >= d.window) {
		return d.test()
	}
	d.rest = len(d.waiting)
	return nil
}

func (f *driftFlags) readFolder(ctx context.Context, d *driftRun, entry modeldir.Entry) error {
	files, err := imageFiles([]string{f.data})
	if err != nil {
		return err
	}
	// A folder is sorted by class as a rule: then each window would have another mix of classes.
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	p, err := openEmbedding(entry.Dir, f.precision)
	if err != nil {
		return err
	}
	defer p.close(context.Background())
	answers, err := p.answerAll(ctx, files)
	if err != nil {
		return err
	}
	for i, a := range answers {
		a.RequestID = relativeName(f.data, files[i])
		if f.report != "" {
			d.strangest.add(a, d.detector.Score(a), func() []byte { picture, _ := thumbnail(files[i]); return picture })
		}
		if err := d.add(a); err != nil {
			return err
		}
	}
	return d.end()
}

func (f *driftFlags) readLog(ctx context.Context, d *driftRun, entry modeldir.Entry) error {
	by := predlog.Filter{Model: f.name, Version: f.version, Vectors: true}
	if by.Model == "" {
		by.Model = entry.Name
	}
	if by.Version == "" {
		by.Version = entry.Version
	}
	var err error
	if by.Since, err = parseWhen(f.since); err == nil {
		by.Until, err = parseWhen(f.until)
	}
	if err != nil {
		return usageError{err}
	}
	r, err := f.place.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	err = r.Each(ctx, by, f.report != "", func(a *predlog.Stored) error {
		if f.report != "" {
			d.strangest.add(&a.Answer, d.detector.Score(&a.Answer), func() []byte { return a.PNG })
		}
		return d.add(&a.Answer)
	})
	if err != nil {
		return err
	}
	return d.end()
}

// status is what a server would tell of the same windows.
func (d *driftRun) status(entry modeldir.Entry, ref *reference.Reference, f *driftFlags) *watch.Status {
	s := &watch.Status{
		Model: entry.Name, Version: entry.Version, Reference: watch.View(ref), Window: f.window, InRow: f.inRow, Alpha: f.alpha,
		Windows: d.results, Waiting: d.rest,
	}
	for _, r := range d.results {
		s.Alarm.Step(r.Drifted, r.Until, f.inRow)
	}
	return s
}

func (f *driftFlags) tell(out io.Writer, s *watch.Status, d *driftRun) error {
	if f.report != "" {
		if err := f.writeDriftReport(s, d); err != nil {
			return err
		}
	}
	var err error
	switch {
	case f.asJSON:
		err = writeIndented(out, s)
	default:
		err = printDrift(out, s)
		if err == nil && f.report != "" {
			_, err = fmt.Fprintf(out, "report: %s\n", filepath.Join(f.report, "index.html"))
		}
	}
	if err != nil {
		return err
	}
	drifted := s.Alarm.Raised || len(s.Windows) < f.inRow && s.Newest().Drifted
	if f.exitCode && drifted {
		return errDrift
	}
	return nil
}

func printDrift(out io.Writer, s *watch.Status) error {
	fmt.Fprintf(out, "reference: %s, accuracy %.1f %%\n\n", s.Reference.Source, 100*s.Reference.Accuracy)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "from\timages\tdrift\tby\tp\tmoved\testimated accuracy\t")
	for _, r := range s.Windows {
		t := r.Test(r.Detector)
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.2g\t%s\t%s\t\n", r.From.Local().Format(time.DateTime), r.Answers, yesNo(r.Drifted), r.Detector, r.P, t.Part, estimated(r))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	last := s.Newest()
	fmt.Fprintln(w, "test\tscore\tp\tdrift\tmoved most\t")
	for _, t := range last.Tests {
		if t.Skipped != "" {
			fmt.Fprintf(w, "%s\t\t\t\t%s\t\n", t.Detector, t.Skipped)
			continue
		}
		fmt.Fprintf(w, "%s\t%.3f\t%.2g\t%s\t%s\t\n", t.Detector, t.Score, t.Adjusted, yesNo(t.Drifted), t.Part)
	}
	fmt.Fprintln(w, "\nproperty\treference\tnow\tPSI\tp\t")
	for _, m := range last.Properties {
		fmt.Fprintf(w, "%s\t%.3g\t%.3g\t%.3f\t%.2g\t\n", m.Property, m.Reference, m.Window, m.PSI, m.P)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s\n", driftVerdict(s))
	return err
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func estimated(r *detector.Result) string {
	e := r.Estimate
	text := fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*e.Accuracy, 100*e.Low, 100*e.High)
	if e.Unsure {
		text += " unsure"
	}
	return text
}

// driftVerdict is the alarm in a sentence.
func driftVerdict(s *watch.Status) string {
	drifted := 0
	for _, r := range s.Windows {
		if r.Drifted {
			drifted++
		}
	}
	switch {
	case s.Alarm.Raised:
		return fmt.Sprintf("Alarm: %d windows in a row drifted; %d of all %d did.", s.InRow, drifted, len(s.Windows))
	case len(s.Windows) < s.InRow && s.Newest().Drifted:
		return fmt.Sprintf("Drift in the last window; an alarm takes %d in a row, and there are %d.", s.InRow, len(s.Windows))
	}
	return fmt.Sprintf("No alarm: %d of %d windows drifted; by chance %.1f would.", drifted, len(s.Windows), s.Alpha*float64(len(s.Windows)))
}
