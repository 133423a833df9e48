// Package wandb tracks a run with Weights & Biases without Python: it writes the
// offline run folder that W&B's own client writes, which `wandb sync` uploads and
// `wandb leet` shows in a terminal.
//
//	<run folder>/wandb/            or $WANDB_DIR/wandb/
//	  latest-run                   a link to the newest of:
//	  offline-run-20260131_235959-<id>/
//	    run-<id>.wandb             all records, in the order of their making
//	    files/                     config.yaml, wandb-summary.json, wandb-metadata.json, media/
//	    artifacts/                 what `wandb sync` will upload as artifacts, and remove
//	    logs/                      what `wandb sync` said
//
// Every record is with the system before a call returns, so that a run that is
// killed loses at most the row of the step that it was in, and of that the
// summary has the values within a few seconds.
package wandb

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/torchlit/torchlit/track"
	"gopkg.in/yaml.v3"
)

// New begins a run on disk, or goes on with the one that run.Dir resumes, and in
// the mode "online" begins to upload it. The tracker is for one goroutine. In the
// mode "disabled" it takes everything and does nothing.
func New(opts Options, run track.Run) (track.Tracker, error) {
	s, err := opts.settle(run, os.Getenv)
	if err != nil {
		return nil, err
	}
	if s.mode == modeDisabled {
		return track.Multi(), nil
	}
	r, err := begin(s, run)
	if err != nil {
		return nil, err
	}
	r.startUpload()
	r.startSampling()
	return r, nil
}

// begin makes the folder, and writes the records that a run begins with.
func begin(s *settings, info track.Run) (*run, error) {
	r := &run{settings: s, info: info, started: time.Now(), sum: newSummary(s.summary)}
	st, err := r.goOn()
	if err != nil {
		return nil, err
	}
	if err := r.makeFolder(); err != nil {
		return nil, fmt.Errorf("cannot begin W&B run: %w; set WANDB_DIR to a folder that can be written", err)
	}
	if r.log, err = createLog(filepath.Join(r.dir, "run-"+s.id+".wandb")); err != nil {
		return nil, fmt.Errorf("cannot begin W&B run: %w", err)
	}
	if err := r.introduce(); err != nil {
		r.log.close()
		return nil, err
	}
	st.RunID = s.id
	st.Logs = append(st.Logs, r.logName())
	if err := st.write(info.Dir); err != nil {
		r.log.close()
		return nil, fmt.Errorf("cannot begin W&B run: %w", err)
	}
	r.link()
	return r, nil
}

// goOn settles which run this is, and what it came to so far.
func (r *run) goOn() (state, error) {
	var st state
	if r.info.Resumed {
		var err error
		if st, err = readState(r.info.Dir); err != nil {
			return st, err
		}
	}
	if r.settings.id != "" && r.settings.id != st.RunID {
		st = state{} // the option or WANDB_RUN_ID names another
	}
	if st.RunID == "" {
		st.RunID = r.settings.id
	}
	if st.RunID == "" {
		st.RunID = randomID(8)
	}
	r.settings.id = st.RunID
	for _, log := range st.Logs {
		path := st.path(r.info.Dir, log)
		r.older = append(r.older, filepath.Dir(path))
		if err := r.before.recall(path, r.sum); err != nil {
			r.info.Warnf("cannot read what the W&B run logged before: %v; its summary begins anew", err)
		}
	}
	return st, nil
}

// makeFolder makes the folder of this part of the run, which is named by the
// second.
func (r *run) makeFolder() error {
	if err := os.MkdirAll(r.settings.folder(), 0o755); err != nil {
		return err
	}
	folder, err := filepath.Abs(r.settings.folder())
	if err != nil {
		return err
	}
	for at := r.started; ; at = at.Add(time.Second) {
		r.dir = filepath.Join(folder, "offline-run-"+at.Format("20060102_150405")+"-"+r.settings.id)
		err := os.Mkdir(r.dir, 0o755)
		if os.IsExist(err) {
			continue // resumed within the second
		}
		if err != nil {
			return err
		}
		break
	}
	for _, name := range []string{"files", "logs"} {
		if err := os.Mkdir(filepath.Join(r.dir, name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// logName is the log's path as the state has it.
func (r *run) logName() string {
	if dir, err := filepath.Abs(r.info.Dir); err == nil {
		if name, err := filepath.Rel(dir, r.log.file.Name()); err == nil && filepath.IsLocal(name) {
			return name
		}
	}
	return r.log.file.Name()
}

// link makes latest-run point to this part of the run; a file system without
// links does without.
func (r *run) link() {
	latest := filepath.Join(filepath.Dir(r.dir), "latest-run")
	tmp := latest + "." + r.settings.id
	if os.Symlink(filepath.Base(r.dir), tmp) == nil {
		if os.Rename(tmp, latest) != nil {
			os.Remove(tmp)
		}
	}
}

// introduce writes what is known before the first step.
func (r *run) introduce() error {
	config, err := configPairs(r.info.Config)
	if err != nil {
		return err
	}
	env := survey(r.settings, r.info.Overrides, r.started)
	r.hasGPU = len(env.gpus) > 0
	if err := r.writeConfig(); err != nil {
		return err
	}
	if err := r.writeJSON("wandb-metadata.json", env.metadata()); err != nil {
		return err
	}
	r.put(kindHeader, headerRecord(producer()))
	r.put(kindRun, runRecord(r.settings, config, r.settings.host, r.started, env.git))
	r.put(kindEnvironment, env.record())
	r.put(kindTelemetry, telemetryRecord(r.settings))
	for _, name := range sortedKeys(r.settings.summary) {
		r.put(kindMetric, metricRecord(name, r.settings.summary[name]))
	}
	if r.before.rows {
		r.writeSummary() // that of the parts before: W&B replaces it as a whole
	}
	return r.failed()
}

// producer names this program in the log's header.
func producer() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return "torchlit " + info.Main.Version
	}
	return "torchlit"
}

// configPairs is the configuration as W&B keeps it: a value for each key of the
// top, "_wandb" being W&B's own.
func configPairs(config map[string]any) ([]pair, error) {
	pairs := []pair{{"_wandb", "{}"}}
	for _, key := range sortedKeys(config) {
		if key == "_wandb" {
			continue
		}
		value, err := encodeJSON(config[key])
		if err != nil {
			return nil, fmt.Errorf("cannot track configuration %q: %w", key, err)
		}
		pairs = append(pairs, pair{key, value})
	}
	return pairs, nil
}

// writeConfig writes config.yaml in W&B's form of it.
func (r *run) writeConfig() error {
	config := map[string]any{"wandb_version": 1}
	for key, value := range r.info.Config {
		config[key] = map[string]any{"desc": nil, "value": value}
	}
	data, err := yaml.Marshal(config)
	if err == nil {
		err = replaceFile(r.file("config.yaml"), data)
	}
	if err != nil {
		return fmt.Errorf("cannot write the configuration of the W&B run: %w", err)
	}
	return nil
}
