package repository

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Policy chooses which of a model's versions are loaded. The zero value is the latest one.
type Policy struct {
	latest int // so many of the newest; 0 for 1
	all    bool
	listed []string // only these; nil for none of this kind
}

// ParsePolicy reads "latest:2", "latest" (one), "all" or "list:1,3".
func ParsePolicy(text string) (Policy, error) {
	kind, rest, has := strings.Cut(strings.TrimSpace(text), ":")
	switch {
	case kind == "all" && !has:
		return Policy{all: true}, nil
	case kind == "latest" && !has:
		return Policy{latest: 1}, nil
	case kind == "latest":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 {
			return Policy{}, fmt.Errorf("cannot use version policy %q: after latest: comes a whole number from 1", text)
		}
		return Policy{latest: n}, nil
	case kind == "list" && has:
		p := Policy{listed: []string{}}
		for v := range strings.SplitSeq(rest, ",") {
			if err := p.add(strings.TrimSpace(v)); err != nil {
				return Policy{}, fmt.Errorf("cannot use version policy %q: %w", text, err)
			}
		}
		return p, nil
	}
	return Policy{}, fmt.Errorf("cannot use version policy %q: write latest:2, all or list:1,3", text)
}

func (p *Policy) add(version string) error {
	n, err := strconv.ParseUint(version, 10, 63)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is no version: versions are whole numbers from 1", version)
	}
	p.listed = append(p.listed, strconv.FormatUint(n, 10))
	return nil
}

// ParsePolicies reads policies separated by semicolons, of which at most one stands for all models and the others begin
// with a model's name: "latest:1; cats=all; dogs=list:1,3".
func ParsePolicies(text string) (general Policy, byName map[string]Policy, err error) {
	byName = map[string]Policy{}
	had := false
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, policy, named := strings.Cut(part, "=")
		if !named {
			name, policy = "", part
		}
		p, err := ParsePolicy(policy)
		if err != nil {
			return Policy{}, nil, err
		}
		name = strings.TrimSpace(name)
		if _, twice := byName[name]; twice || !named && had {
			return Policy{}, nil, fmt.Errorf("cannot use version policies %q: one of them is given twice", text)
		}
		if !named {
			general, had = p, true
			continue
		}
		byName[name] = p
	}
	return general, byName, nil
}

// UnmarshalJSON reads the form that [ParsePolicy] reads, as a string, or Triton's: {"latest": {"num_versions": 2}},
// {"all": {}} or {"specific": {"versions": [1, 3]}}.
func (p *Policy) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		parsed, err := ParsePolicy(text)
		*p = parsed
		return err
	}
	var v struct {
		Latest *struct {
			NumVersions int `json:"num_versions"`
		} `json:"latest"`
		All      *struct{} `json:"all"`
		Specific *struct {
			Versions []json.Number `json:"versions"`
		} `json:"specific"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("cannot read version_policy: %w", err)
	}
	*p = Policy{}
	switch {
	case v.Latest != nil && v.All == nil && v.Specific == nil && v.Latest.NumVersions >= 0:
		p.latest = max(1, v.Latest.NumVersions)
	case v.All != nil && v.Latest == nil && v.Specific == nil:
		p.all = true
	case v.Specific != nil && v.Latest == nil && v.All == nil:
		p.listed = []string{}
		for _, n := range v.Specific.Versions {
			if err := p.add(n.String()); err != nil {
				return fmt.Errorf("cannot read version_policy: %w", err)
			}
		}
	default:
		return errors.New(`cannot read version_policy: it is one of {"latest": {"num_versions": 2}}, {"all": {}} and {"specific": {"versions": [1, 3]}}`)
	}
	return nil
}

// String returns the form that [ParsePolicy] reads.
func (p Policy) String() string {
	switch {
	case p.all:
		return "all"
	case p.listed != nil:
		return "list:" + strings.Join(p.listed, ",")
	}
	return fmt.Sprintf("latest:%d", max(1, p.latest))
}

// choose returns the chosen ones of versions, which are ordered from the newest.
func (p Policy) choose(versions []string) []string {
	switch {
	case p.all:
		return versions
	case p.listed != nil:
		return slices.DeleteFunc(slices.Clone(versions), func(v string) bool { return !slices.Contains(p.listed, v) })
	}
	return versions[:min(max(1, p.latest), len(versions))]
}
