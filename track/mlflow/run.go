package mlflow

import (
	"context"
	"fmt"
	"net/url"

	"github.com/torchlit/torchlit/track"
)

type keyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type runInfo struct {
	Info struct {
		RunID       string `json:"run_id"`
		ArtifactURI string `json:"artifact_uri"`
	} `json:"info"`
	Data struct {
		Params []keyValue `json:"params"`
	} `json:"data"`
}

// ensureRun makes the experiment and the run if this was not done before. Its errors
// are never refusals: nothing can be sent without a run.
func (s *sink) ensureRun(ctx context.Context, e *track.Event) error {
	if s.state.RunID != "" {
		return nil
	}
	if err := s.ensureExperiment(ctx); err != nil {
		return err
	}
	run, err := s.findRun(ctx)
	if err != nil {
		return err
	}
	if run == nil {
		s.state.Creating = true
		if err := s.state.save(); err != nil {
			return err
		}
		var answer struct{ Run runInfo }
		err := s.c.post(ctx, "runs/create", map[string]any{
			"experiment_id": s.state.ExperimentID, "run_name": e.Name, "start_time": e.Time,
			"tags": []keyValue{{keyTag, s.state.Key}},
		}, &answer)
		if err != nil {
			return err
		}
		run = &answer.Run
	}
	s.state.RunID, s.state.ArtifactURI, s.state.Creating = run.Info.RunID, run.Info.ArtifactURI, false
	return s.state.save()
}

const keyTag = "torchlit.run_key"

// findRun looks for the run whose creation was tried before. It returns nil if there
// is none.
func (s *sink) findRun(ctx context.Context) (*runInfo, error) {
	if !s.state.Creating {
		return nil, nil
	}
	var answer struct{ Runs []runInfo }
	err := s.c.post(ctx, "runs/search", map[string]any{
		"experiment_ids": []string{s.state.ExperimentID}, "max_results": 1,
		"filter": fmt.Sprintf("tags.`%s` = '%s'", keyTag, s.state.Key),
	}, &answer)
	if err != nil || len(answer.Runs) == 0 {
		return nil, err
	}
	return &answer.Runs[0], nil
}

func (s *sink) ensureExperiment(ctx context.Context) error {
	if s.state.ExperimentID != "" {
		return nil
	}
	byName := func() error {
		var answer struct {
			Experiment struct {
				ID    string `json:"experiment_id"`
				Stage string `json:"lifecycle_stage"`
			}
		}
		err := s.c.get(ctx, "experiments/get-by-name", url.Values{"experiment_name": {s.state.ExperimentName}}, &answer)
		if err != nil {
			return err
		}
		if answer.Experiment.Stage == "deleted" {
			return fmt.Errorf("the experiment %q is deleted there: restore it, or set track.mlflow.experiment_name to another", s.state.ExperimentName)
		}
		s.state.ExperimentID = answer.Experiment.ID
		return nil
	}
	err := byName()
	if !hasCode(err, "RESOURCE_DOES_NOT_EXIST") {
		return err
	}
	var answer struct {
		ID string `json:"experiment_id"`
	}
	err = s.c.post(ctx, "experiments/create", map[string]any{"name": s.state.ExperimentName}, &answer)
	if hasCode(err, "RESOURCE_ALREADY_EXISTS") { // another run was faster
		return byName()
	}
	s.state.ExperimentID = answer.ID
	return err
}
