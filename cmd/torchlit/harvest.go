package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/selection"
	"github.com/torchlit/torchlit/vision"
	"github.com/torchlit/torchlit/vision/phash"
)

// harvest makes a folder of logged pictures.
type harvest struct {
	by            predlog.Filter
	output        string
	max, distance int
	unlabelled    bool

	logged     map[int64]*loggedPicture
	classes    []string // of the newest answer's version
	choice     selection.Choice
	rows       []*loggedPicture // that were written, by priority
	unreadable int
}

// loggedPicture is what the manifest says of a picture.
type loggedPicture struct {
	id                               int64
	file                             string // in the folder; "" until it is written
	requestID, model, version, time  string
	predicted, label                 string // label is "" where it is not known
	confidence, entropy, strangeness float64
}

// class is what it is counted under.
func (p *loggedPicture) class() string {
	if p.label != "" {
		return p.label
	}
	return p.predicted
}

func (h *harvest) check() error {
	switch {
	case h.output == "":
		return errors.New("--output is missing: name a folder to make")
	case h.max < 0:
		return fmt.Errorf("--max=%d: give the most pictures, or 0 for all", h.max)
	case h.distance < -1 || h.distance > 32:
		return fmt.Errorf("--duplicates=%d: give 0 to 32 bits, or -1 to keep duplicates", h.distance)
	}
	return nil
}

// run reads the log twice, so that it holds few pictures at once: to choose, and to write.
func (h *harvest) run(ctx context.Context, r *predlog.Reader) error {
	h.by.Labelled = !h.unlabelled
	h.logged = map[int64]*loggedPicture{}
	var candidates []selection.Candidate
	err := r.Each(ctx, h.by, true, func(s *predlog.Stored) error {
		if s.PNG == nil || s.Shadow || h.unlabelled && s.TrueClass >= 0 {
			return nil
		}
		c, err := h.consider(s)
		if c != nil {
			candidates = append(candidates, *c)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(candidates) == 0 {
		return h.nothing(ctx, r)
	}
	if err := h.checkClasses(); err != nil {
		return err
	}
	h.choice = selection.Choose(candidates, selection.Options{Max: h.max, Distance: h.distance, True: !h.unlabelled})
	if len(h.choice.IDs) == 0 {
		return fmt.Errorf("cannot make a training set: all %d pictures look alike and have different true classes; correct the feedback", len(candidates))
	}
	return writeFolder(h.output, 0o700, func(tmp string) error { return h.write(ctx, r, tmp) })
}

// consider makes a candidate of an answer with its picture; nil if the picture cannot be decoded.
func (h *harvest) consider(s *predlog.Stored) (*selection.Candidate, error) {
	img, err := vision.Decode(s.PNG, vision.Limits{})
	if err != nil {
		h.unreadable++
		return nil, nil
	}
	defer img.Release()
	hash, err := phash.Of(img)
	if err != nil {
		return nil, err
	}
	p := &loggedPicture{
		id: s.ID, requestID: s.RequestID, model: s.Model, version: s.Version, time: s.Time.Format("2006-01-02T15:04:05.000Z07:00"),
		predicted: s.Labels[s.Class], confidence: s.Confidence, entropy: s.Entropy, strangeness: float64(s.OOD),
	}
	if s.TrueClass >= 0 {
		p.label = s.Labels[s.TrueClass]
	}
	h.logged[s.ID], h.classes = p, s.Labels
	return &selection.Candidate{ID: s.ID, Class: p.class(), Entropy: s.Entropy, OOD: float64(s.OOD), Hash: hash}, nil
}

// checkClasses refuses what would be no training set for one model.
func (h *harvest) checkClasses() error {
	model := ""
	for _, p := range h.logged {
		switch {
		case model != "" && p.model != model:
			return fmt.Errorf("cannot make one training set of the answers of %q and %q; name one of them with --model", min(model, p.model), max(model, p.model))
		case !slices.Contains(h.classes, p.class()):
			return fmt.Errorf("cannot use class %q of version %s of model %q: its newest answers are of a version that has no such class; choose with --version or --since",
				p.class(), p.version, p.model)
		case !h.unlabelled && (!filepath.IsLocal(p.label) || strings.ContainsAny(p.label, `/\`) || strings.HasPrefix(p.label, ".")):
			return fmt.Errorf("cannot make a folder for class %q: folders cannot have this name; rename the class in the model's config.json", p.label)
		}
		model = p.model
	}
	return nil
}

// nothing says why there is nothing to write.
func (h *harvest) nothing(ctx context.Context, r *predlog.Reader) error {
	models, _, err := r.Summary(ctx)
	if err != nil {
		return err
	}
	var answers, pictures, labels int64
	for _, m := range models {
		if (h.by.Model == "" || h.by.Model == m.Model) && (h.by.Version == "" || h.by.Version == m.Version) {
			answers, pictures, labels = answers+m.Answers, pictures+m.Pictures, labels+m.Labelled
		}
	}
	why := fmt.Sprintf("of %d answers %d have a picture and %d a true class, but none has what is wanted in the time that was asked for; see --since and --until", answers, pictures, labels)
	switch {
	case answers == 0:
		why = "the log has no answers of this model and version; 'torchlit log stats' tells what it has"
	case pictures == 0:
		why = fmt.Sprintf("the log has %d answers and no pictures; serve with --monitor-pictures 1, the share of the answers whose picture is kept", answers)
	case labels == 0 && !h.unlabelled:
		why = fmt.Sprintf("the log has %d pictures, and of none is the true class known; send feedback, and see --unlabelled for which to label first", pictures)
	case h.unreadable > 0:
		why = fmt.Sprintf("none of %d pictures can be decoded; 'torchlit log stats --check' looks for damage", h.unreadable)
	}
	return fmt.Errorf("cannot make a training set: %s", why)
}

// write puts the chosen pictures and the list of them into the folder.
func (h *harvest) write(ctx context.Context, r *predlog.Reader, dir string) error {
	chosen := map[int64]bool{}
	for _, id := range h.choice.IDs {
		chosen[id] = true
	}
	by := h.by
	by.After = slices.Min(h.choice.IDs) - 1
	err := r.Each(ctx, by, true, func(s *predlog.Stored) error {
		if !chosen[s.ID] || s.PNG == nil {
			return nil
		}
		p := h.logged[s.ID]
		folder := "pictures"
		if !h.unlabelled {
			folder = p.label
		}
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return err
		}
		p.file = folder + "/" + fmt.Sprintf("%09d.png", p.id)
		return os.WriteFile(filepath.Join(dir, p.file), s.PNG, 0o600)
	})
	if err != nil {
		return err
	}
	for _, id := range h.choice.IDs {
		if h.logged[id].file != "" {
			h.rows = append(h.rows, h.logged[id])
		}
	}
	if h.unlabelled {
		return h.writeList(filepath.Join(dir, "labels.csv"), []string{"request_id", "label", "file", "predicted", "probability"}, func(p *loggedPicture) []string {
			return []string{p.requestID, "", p.file, p.predicted, decimal(p.confidence)}
		})
	}
	header := []string{"file", "request_id", "model", "version", "time", "predicted", "confidence", "entropy", "ood", "label"}
	return h.writeList(filepath.Join(dir, "manifest.csv"), header, func(p *loggedPicture) []string {
		return []string{p.file, p.requestID, p.model, p.version, p.time, p.predicted, decimal(p.confidence), decimal(p.entropy), knownDecimal(p.strangeness), p.label}
	})
}

func (h *harvest) writeList(file string, header []string, row func(*loggedPicture) []string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	_ = w.Write(header) // an error shows at the end
	for _, p := range h.rows {
		_ = w.Write(row(p))
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}

// knownDecimal is empty for what is not known.
func knownDecimal(f float64) string {
	if math.IsNaN(f) {
		return ""
	}
	return strconv.FormatFloat(f, 'g', 6, 64)
}
