package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/torchlit/torchlit/evaluate"
)

// Write makes the report of an evaluation in the folder dir, which is made, and in
// which older files of the same names are replaced:
//
//	index.html                        the page; needs no other file
//	figures/                          its figures as .png and .svg
//	metrics.json                      the figures as numbers
//	per_class.csv                     precision, recall, F1, areas of each class
//	predictions.csv                   file, actual, predicted, probability of each image
//	confusion.json                    [{"actual", "predicted"}] of each image, as DVC plots them
//	roc.csv, precision_recall.csv     a mean curve: macro of ROC, micro of precision
//	roc_classes.csv, …_classes.csv    all curves: class, x, y, threshold
//	calibration.csv                   the bins of confidence that have images, as served
//	calibration_refitted.csv          the same at the fitted temperature
//
// Tables that DVC plots hold one line each: it would draw several as one.
//
// index.html is written last. The answers must have as many rows as truths, and
// Files as many names where there are any.
func Write(dir string, e Evaluation) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("cannot report: %w", err)
	}
	m := measure(e)
	page, err := m.render()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "figures"), 0o755); err != nil {
		return fmt.Errorf("cannot make the report's folder: %w", err)
	}
	for _, f := range m.figures() {
		if err := f.write(filepath.Join(dir, "figures", f.name)); err != nil {
			return err
		}
	}
	for _, file := range []struct {
		name string
		data []byte
	}{
		{"metrics.json", m.metrics()},
		{"per_class.csv", m.perClass()},
		{"predictions.csv", m.predictions()},
		{"confusion.json", m.confusion()},
		{"roc.csv", curveCSV(m.roc.Macro, "false_positive_rate", "true_positive_rate")},
		{"roc_classes.csv", curvesCSV(m.roc, "false_positive_rate", "true_positive_rate")},
		{"precision_recall.csv", curveCSV(m.pr.Micro, "recall", "precision")},
		{"precision_recall_classes.csv", curvesCSV(m.pr, "recall", "precision")},
		{"calibration.csv", binsCSV(m.recalibration.AsServed)},
		{"calibration_refitted.csv", binsCSV(m.recalibration.Refitted)},
		{"index.html", page},
	} {
		if err := os.WriteFile(filepath.Join(dir, file.name), file.data, 0o644); err != nil {
			return fmt.Errorf("cannot write the report: %w", err) // names the file
		}
	}
	return nil
}

func (e Evaluation) check() error {
	a := e.Answers
	if len(a.Truth) != len(a.Probabilities) || e.Files != nil && len(e.Files) != len(a.Truth) {
		return fmt.Errorf("there are %d answers, %d true labels and %d files", len(a.Probabilities), len(a.Truth), len(e.Files))
	}
	for i, row := range a.Probabilities {
		if len(row) != len(a.Labels) || a.Truth[i] < 0 || a.Truth[i] >= len(a.Labels) {
			return fmt.Errorf("image %d has label %d and %d probabilities for %d classes", i, a.Truth[i], len(row), len(a.Labels))
		}
		for _, p := range row {
			if !(p >= 0 && p <= 1.001) {
				return fmt.Errorf("image %d has a probability of %v; the weights or the preprocessing are wrong", i, p)
			}
		}
	}
	return nil
}

func (m measured) figures() []figure {
	return append(confusionFigures(m.report),
		classFigure(m.report), reliabilityFigure(m.recalibration), coverageFigure(m.coverage),
		rocFigure(m.roc), precisionRecallFigure(m.pr), distributionFigure(m.report))
}

// headline is what metrics.json has: the figures, flat. One that cannot be known is
// left out.
type headline struct {
	N                int      `json:"n"`
	Accuracy         float64  `json:"accuracy"`
	AccuracyLow      float64  `json:"accuracy_low"` // 95 %
	AccuracyHigh     float64  `json:"accuracy_high"`
	BalancedAccuracy float64  `json:"balanced_accuracy"`
	Top5Accuracy     float64  `json:"top_5_accuracy"`
	MacroPrecision   float64  `json:"macro_precision"`
	MacroRecall      float64  `json:"macro_recall"`
	MacroF1          float64  `json:"macro_f1"`
	WeightedF1       float64  `json:"weighted_f1"`
	LogLoss          float64  `json:"log_loss"`
	BrierScore       float64  `json:"brier_score"`
	ECE              float64  `json:"ece"`
	AdaptiveECE      float64  `json:"adaptive_ece"`
	ROCAUCMacro      *float64 `json:"roc_auc_macro,omitempty"`
	ROCAUCMicro      *float64 `json:"roc_auc_micro,omitempty"`
	APMacro          *float64 `json:"average_precision_macro,omitempty"`
	APMicro          *float64 `json:"average_precision_micro,omitempty"`

	Temperature           float64 `json:"temperature"`        // as served
	FittedTemperature     float64 `json:"fitted_temperature"` // that fits these images best
	RecalibratedECE       float64 `json:"recalibrated_ece"`   // at fitted temperatures, cross-fitted
	RecalibratedLogLoss   float64 `json:"recalibrated_log_loss"`
	UncalibratedECE       float64 `json:"uncalibrated_ece"` // at a temperature of 1
	ConfidenceAsServed    float64 `json:"mean_confidence"`
	LargestErrorOfOneBin  float64 `json:"max_calibration_error"`
	ConfusedPairs         int     `json:"confused_pairs"`
	ClassesWithoutImages  int     `json:"classes_without_images"`
	ClassesNeverPredicted int     `json:"classes_never_predicted"`
}

func (m measured) metrics() []byte {
	r, c := m.report, m.recalibration
	out := headline{
		N: r.N, Accuracy: r.Accuracy, AccuracyLow: r.AccuracyInterval[0], AccuracyHigh: r.AccuracyInterval[1],
		BalancedAccuracy: r.BalancedAccuracy, Top5Accuracy: r.Top5Accuracy,
		MacroPrecision: r.Macro.Precision, MacroRecall: r.Macro.Recall, MacroF1: r.Macro.F1, WeightedF1: r.Weighted.F1,
		LogLoss: r.LogLoss, BrierScore: r.BrierScore, ECE: r.ECE, AdaptiveECE: r.AdaptiveECE,
		ROCAUCMacro: known(m.roc.Macro), ROCAUCMicro: known(m.roc.Micro), APMacro: known(m.pr.Macro), APMicro: known(m.pr.Micro),
		Temperature: c.Served, FittedTemperature: c.Temperature,
		RecalibratedECE: c.Refitted.ECE, RecalibratedLogLoss: c.Refitted.LogLoss, UncalibratedECE: c.Plain.ECE,
		ConfidenceAsServed: c.AsServed.Confidence, LargestErrorOfOneBin: c.AsServed.MaxError, ConfusedPairs: len(r.Confused),
	}
	for _, class := range r.PerClass {
		if class.N == 0 {
			out.ClassesWithoutImages++
		}
		if class.Predicted == 0 {
			out.ClassesNeverPredicted++
		}
	}
	return encodeJSON(out, "  ")
}

func known(c evaluate.Curve) *float64 {
	if math.IsNaN(c.Area) {
		return nil
	}
	return &c.Area
}

func encodeJSON(v any, indent string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		panic("BUG: " + err.Error()) // plain finite numbers and strings
	}
	return b.Bytes()
}

func encodeCSV(header []string, rows [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write(header)
	w.WriteAll(rows) // a bytes.Buffer takes everything
	return b.Bytes()
}

func (m measured) perClass() []byte {
	var rows [][]string
	for i, c := range m.report.PerClass {
		rows = append(rows, []string{
			c.Label, strconv.Itoa(c.N), strconv.Itoa(c.Predicted), decimal(c.Precision), decimal(c.Recall), decimal(c.F1),
			decimal(m.roc.PerClass[i].Area), decimal(m.pr.PerClass[i].Area),
		})
	}
	return encodeCSV([]string{"class", "n", "predicted", "precision", "recall", "f1", "roc_auc", "average_precision"}, rows)
}

// decimal is a number for a table; what is not known is an empty cell.
func decimal(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', 9, 64)
}

func (m measured) predictions() []byte {
	var rows [][]string
	for i, p := range m.Answers.Probabilities {
		file, best := "", evaluate.Best(p)
		if m.Files != nil {
			file = m.Files[i]
		}
		rows = append(rows, []string{file, m.report.Labels[m.Answers.Truth[i]], m.report.Labels[best],
			strconv.FormatFloat(float64(p[best]), 'g', 7, 32), strconv.FormatBool(best == m.Answers.Truth[i])})
	}
	return encodeCSV([]string{"file", "actual", "predicted", "probability", "correct"}, rows)
}

func (m measured) confusion() []byte {
	type answer struct {
		Actual    string `json:"actual"`
		Predicted string `json:"predicted"`
	}
	answers := make([]answer, len(m.Answers.Truth))
	for i, p := range m.Answers.Probabilities {
		answers[i] = answer{m.report.Labels[m.Answers.Truth[i]], m.report.Labels[evaluate.Best(p)]}
	}
	return encodeJSON(answers, "")
}

func curveCSV(c evaluate.Curve, x, y string) []byte {
	rows := make([][]string, len(c.X))
	for i := range c.X {
		rows[i] = []string{decimal(c.X[i]), decimal(c.Y[i])}
	}
	return encodeCSV([]string{x, y}, rows)
}

// curvesCSV has the averages and, unless they are too many to plot, the classes.
func curvesCSV(set evaluate.CurveSet, x, y string) []byte {
	curves := []evaluate.Curve{set.Micro, set.Macro}
	if len(set.PerClass) <= 10*backgroundCurves {
		curves = append(curves, set.PerClass...)
	}
	var rows [][]string
	for _, c := range curves {
		for i := range c.X {
			threshold := ""
			if c.Threshold != nil && !math.IsInf(c.Threshold[i], 1) {
				threshold = decimal(c.Threshold[i])
			}
			rows = append(rows, []string{c.Label, decimal(c.X[i]), decimal(c.Y[i]), threshold})
		}
	}
	return encodeCSV([]string{"class", x, y, "threshold"}, rows)
}

func binsCSV(c evaluate.Calibration) []byte {
	var rows [][]string
	for _, b := range c.Bins {
		if b.N > 0 {
			rows = append(rows, []string{decimal(b.Low), decimal(b.High), strconv.Itoa(b.N), decimal(b.Confidence), decimal(b.Accuracy)})
		}
	}
	return encodeCSV([]string{"low", "high", "n", "confidence", "accuracy"}, rows)
}
