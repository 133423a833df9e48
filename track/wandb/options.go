package wandb

import (
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/torchlit/torchlit/track"
)

// Options say where a run goes on W&B. As with wandb.init, an option that is left
// empty is taken from the environment variable named with it, and one that is set
// goes before the variable.
type Options struct {
	Project string   `yaml:"project"`  // WANDB_PROJECT; "torchlit" when neither is set
	Entity  string   `yaml:"entity"`   // WANDB_ENTITY: a team or user; empty: the API key's own
	Name    string   `yaml:"name"`     // WANDB_NAME; the run's own name when neither is set
	ID      string   `yaml:"id"`       // WANDB_RUN_ID; random, and the same again when a run is resumed
	Group   string   `yaml:"group"`    // WANDB_RUN_GROUP
	JobType string   `yaml:"job_type"` // WANDB_JOB_TYPE
	Tags    []string `yaml:"tags"`     // WANDB_TAGS, with commas; the run's own tags come on top
	Notes   string   `yaml:"notes"`    // WANDB_NOTES

	// Mode is "online" (also the default), "offline" or "disabled": WANDB_MODE. A
	// run is written to disk in either of the first two; online, the command `wandb
	// sync --live` uploads it while it is written, if it is installed.
	Mode string `yaml:"mode"`
	// LogModel says which artifacts of the kind "model" are uploaded, in the words
	// of Lightning's WandbLogger: "false" (the default) none, "true" at the end of
	// the run the last one of each name, "all" each.
	LogModel string `yaml:"log_model"`
	// Summary says what the summary keeps of a metric, as define_metric does: some of
	// min, max, mean, first, last, none, with commas. The default is the last value.
	Summary map[string]string `yaml:"summary"`
	// StatsInterval is the time between two samples of the system metrics: 15 s when
	// 0, none when negative.
	StatsInterval time.Duration `yaml:"stats_interval"`
	// UploadTimeout bounds how long Finish waits for an upload: 5 min when 0. The run
	// stays on disk and can be uploaded later.
	UploadTimeout time.Duration `yaml:"upload_timeout"`
}

// The modes.
const (
	modeOnline   = "online"
	modeOffline  = "offline"
	modeDisabled = "disabled"
)

// settings are the options with everything filled in.
type settings struct {
	project, entity, name, group, jobType, notes string
	id                                           string // empty: not chosen by anybody
	tags                                         []string
	mode                                         string
	logModel                                     string // "false", "true" or "all"
	summary                                      map[string]aggregates
	resume                                       bool
	dir                                          string // the folder that holds wandb/
	host                                         string
	git                                          bool
	statsInterval, uploadTimeout                 time.Duration
}

// settle fills o in from the environment and the run.
func (o Options) settle(run track.Run, getenv func(string) string) (*settings, error) {
	pick := func(option, variable, otherwise string) string {
		for _, s := range []string{option, getenv(variable)} {
			if s != "" {
				return s
			}
		}
		return otherwise
	}
	s := &settings{
		project:       pick(o.Project, "WANDB_PROJECT", "torchlit"),
		entity:        pick(o.Entity, "WANDB_ENTITY", ""),
		name:          pick(o.Name, "WANDB_NAME", run.Name),
		id:            pick(o.ID, "WANDB_RUN_ID", ""),
		group:         pick(o.Group, "WANDB_RUN_GROUP", ""),
		jobType:       pick(o.JobType, "WANDB_JOB_TYPE", ""),
		notes:         pick(o.Notes, "WANDB_NOTES", ""),
		logModel:      pick(o.LogModel, "", "false"),
		dir:           pick("", "WANDB_DIR", run.Dir),
		git:           !truthy(getenv("WANDB_DISABLE_GIT")),
		statsInterval: o.StatsInterval,
		uploadTimeout: o.UploadTimeout,
	}
	s.tags = o.Tags
	if env := getenv("WANDB_TAGS"); len(s.tags) == 0 && env != "" {
		s.tags = strings.Split(env, ",")
	}
	s.tags = clean(slices.Concat(s.tags, run.Tags))
	s.resume = run.Resumed || slices.Contains([]string{"allow", "must", "auto"}, getenv("WANDB_RESUME"))
	if s.statsInterval == 0 {
		s.statsInterval = 15 * time.Second
	}
	if s.uploadTimeout == 0 {
		s.uploadTimeout = 5 * time.Minute
	}
	s.host = getenv("WANDB_HOST")
	if s.host == "" {
		s.host, _ = os.Hostname() // empty is as good
	}
	if err := s.settleMode(o.Mode, getenv); err != nil {
		return nil, err
	}
	return s, s.check(o)
}

func (s *settings) settleMode(option string, getenv func(string) string) error {
	s.mode = option
	if s.mode == "" {
		s.mode = getenv("WANDB_MODE")
		if truthy(getenv("WANDB_DISABLED")) {
			s.mode = modeDisabled
		}
	}
	switch strings.ToLower(s.mode) {
	case "", modeOnline, "run": // "run" and "dryrun" are older words
		s.mode = modeOnline
	case modeOffline, "dryrun":
		s.mode = modeOffline
	case modeDisabled:
		s.mode = modeDisabled
	default:
		return fmt.Errorf("cannot track with W&B in mode %q: choose from online, offline, disabled", s.mode)
	}
	return nil
}

// check refuses what W&B would refuse, long after, and fills in the summary.
func (s *settings) check(o Options) error {
	const noName = "/\\#?%:\r\n" // W&B puts these names into URLs
	for what, name := range map[string]string{"project": s.project, "entity": s.entity, "run id": s.id} {
		if i := strings.IndexAny(name, noName); i >= 0 || len(name) > 128 {
			return fmt.Errorf("cannot track with W&B under %s %q: it may have 128 characters, but none of /\\#?%%: and no line breaks", what, name)
		}
	}
	for _, tag := range s.tags {
		if len([]rune(tag)) > 64 {
			return fmt.Errorf("cannot track with W&B under tag %q: it may have 64 characters", tag)
		}
	}
	if strings.Trim(s.id, ".") != s.id {
		return fmt.Errorf("cannot track with W&B under run id %q: it becomes a file name, so it may not begin or end with a dot", s.id)
	}
	if !slices.Contains([]string{"false", "true", "all"}, s.logModel) {
		return fmt.Errorf("cannot track with W&B and log_model %q: choose from false, true, all", s.logModel)
	}
	s.summary = map[string]aggregates{}
	for _, metric := range slices.Sorted(maps.Keys(o.Summary)) {
		ops, err := parseAggregates(metric, o.Summary[metric])
		if err != nil {
			return err
		}
		s.summary[metric] = ops
	}
	return nil
}

// folder is where run folders go.
func (s *settings) folder() string { return filepath.Join(s.dir, "wandb") }

// clean removes blanks, empty words and repetitions.
func clean(words []string) []string {
	var cleaned []string
	for _, w := range words {
		if w = strings.TrimSpace(w); w != "" && !slices.Contains(cleaned, w) {
			cleaned = append(cleaned, w)
		}
	}
	return cleaned
}

func truthy(s string) bool {
	return slices.Contains([]string{"1", "true", "yes", "on"}, strings.ToLower(s))
}

// randomID returns n random letters and digits, as W&B's client makes its ids.
func randomID(n int) string {
	const digits = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	rand.Read(b) // never fails
	for i := range b {
		b[i] = digits[int(b[i])%len(digits)] // not quite even: an id is no secret
	}
	return string(b)
}
