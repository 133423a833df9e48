package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/server"
)

// traffic reads the rules of --canary and --shadow, by model.
func (s *serveSettings) traffic() (map[string]server.Traffic, error) {
	rules := map[string]server.Traffic{}
	for _, f := range []struct {
		flag, text string
		put        func(*server.Traffic, *server.Share) bool // false when there is one already
	}{
		{"--canary", s.Canary, func(t *server.Traffic, v *server.Share) bool { had := t.Canary != nil; t.Canary = v; return !had }},
		{"--shadow", s.Shadow, func(t *server.Traffic, v *server.Share) bool { had := t.Shadow != nil; t.Shadow = v; return !had }},
	} {
		for part := range strings.SplitSeq(f.text, ";") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			name, share, err := parseShare(part)
			if err != nil {
				return nil, fmt.Errorf("cannot use %s %s: %w", f.flag, part, err)
			}
			t := rules[name]
			t.Sticky = s.Sticky
			if !f.put(&t, share) {
				return nil, fmt.Errorf("cannot use %s %s: model %q has one already", f.flag, part, name)
			}
			if err := t.Validate(); err != nil {
				return nil, fmt.Errorf("cannot use %s %s: %w", f.flag, part, err)
			}
			rules[name] = t
		}
	}
	return rules, nil
}

// parseShare reads name:version=percent%.
func parseShare(text string) (name string, share *server.Share, err error) {
	model, percent, ok := strings.Cut(text, "=")
	name, version, versioned := strings.Cut(model, ":")
	if !ok || !versioned || name == "" || version == "" {
		return "", nil, errors.New("write name:version=5%")
	}
	p, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(percent), "%"), 64)
	if err != nil {
		return "", nil, fmt.Errorf("%q is no percentage", percent)
	}
	return strings.TrimSpace(name), &server.Share{Version: strings.TrimSpace(version), Percent: p}, nil
}
