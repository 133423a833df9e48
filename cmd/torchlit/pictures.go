package main

import (
	"context"

	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/server"
)

// pictures reads what server.Config.Pictures asks for. The log is opened each time: it may be set aside and begun anew while the server runs.
func (o *observers) pictures(ctx context.Context, model, version string, newest int) ([]server.LoggedPicture, error) {
	r, err := o.predictions.OpenReader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	stored, err := r.Pictures(ctx, predlog.Filter{Model: model, Version: version}, newest)
	if err != nil {
		return nil, err
	}
	all := make([]server.LoggedPicture, len(stored))
	for i, s := range stored {
		all[i] = pictureOf(s)
	}
	return all, nil
}

func pictureOf(s *predlog.Stored) server.LoggedPicture {
	p := server.LoggedPicture{
		RequestID: s.RequestID, Time: s.Time, Model: s.Model, Version: s.Version, Label: s.Labels[s.Class], Probability: s.Confidence, PNG: s.PNG,
	}
	if s.OOD == s.OOD {
		score := float64(s.OOD)
		p.OOD = &score
	}
	if s.TrueClass >= 0 {
		p.Truth = &s.Labels[s.TrueClass]
	}
	return p
}
