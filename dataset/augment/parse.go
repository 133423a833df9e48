package augment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
)

// section is a part of a policy's string: a key and a number, as in "mstd0.5".
type section struct {
	text, key string
	value     float64
}

// splitPolicy takes "rand-m9-mstd0.5" apart. A section of letters only has the value NaN.
func splitPolicy(text string) (name string, sections []section, err error) {
	name, rest, _ := strings.Cut(text, "-")
	if rest == "" {
		return name, nil, nil
	}
	for _, t := range strings.Split(rest, "-") {
		digits := strings.IndexAny(t, "0123456789.")
		if digits < 0 {
			sections = append(sections, section{text: t, key: t, value: math.NaN()})
			continue
		}
		s := section{text: t, key: t[:digits], value: math.NaN()}
		if s.key != "t" { // the name of a list follows, which may begin with a digit
			if s.value, err = strconv.ParseFloat(t[digits:], 64); err != nil {
				return "", nil, fmt.Errorf("%q is not a key and a number", t)
			}
		}
		sections = append(sections, s)
	}
	return name, sections, nil
}

// number reads a section's value within bounds; whole asks for a whole number.
func (s section) number(least, most float64, whole bool) (float64, error) {
	switch {
	case math.IsNaN(s.value):
		return 0, fmt.Errorf("%q lacks a number, as in %q", s.text, s.key+"1")
	case s.value < least || s.value > most:
		return 0, fmt.Errorf("%q: %v is not from %v to %v", s.text, s.value, least, most)
	case whole && s.value != math.Trunc(s.value):
		return 0, fmt.Errorf("%q: %v is not a whole number", s.text, s.value)
	}
	return s.value, nil
}

// numbers reads a policy's sections into variables by key.
type numbers map[string]numberInto

type numberInto struct {
	into        *float64
	least, most float64
	whole       bool
}

func (n numbers) read(sections []section) error {
	for _, s := range sections {
		to, ok := n[s.key]
		if !ok {
			keys := make([]string, 0, len(n))
			for k := range n {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			return fmt.Errorf("section %q is not known; sections begin with %s", s.text, strings.Join(keys, ", "))
		}
		v, err := s.number(to.least, to.most, to.whole)
		if err != nil {
			return err
		}
		*to.into = v
	}
	return nil
}

// policyNames is for messages.
const policyNames = `"rand-m9-mstd0.5-inc1", "augmix-m3-w3", "original", "originalr", "v0", "v0r" and "3a" (timm's), ` +
	`"randaugment", "trivial", "autoaugment-cifar10", "autoaugment-imagenet" and "autoaugment-svhn" (torchvision's)`

// parsePolicy makes the stage of a policy's string. interpolation is the pipeline's: timm's policies use it for geometry, where
// torchvision's take the nearest pixel.
func parsePolicy(text string, interpolation string, mean [3]float64) (stage, error) {
	made, err := parseSections(text, interpolation, mean)
	if err != nil {
		return nil, fmt.Errorf("cannot use auto_augment %q: %w", text, err)
	}
	return made, nil
}

func parseSections(text string, interpolation string, mean [3]float64) (stage, error) {
	if name, ok := strings.CutPrefix(text, "autoaugment-"); ok && tvPolicies[name] != nil {
		return &auto{policy: &tvAuto{name: name, pairs: tvPolicies[name]}}, nil
	}
	name, sections, err := splitPolicy(text)
	if err != nil {
		return nil, err
	}
	tuning := timmTuning{most: levels, translate: 0.45, filters: filtersOf(interpolation)}
	fill := colourOf(mean)
	switch name {
	case "rand":
		p, err := parseRand(text, sections, tuning)
		return &auto{policy: p, fill: fill}, err
	case "augmix":
		tuning.translate = 0.3
		return parseAugMix(text, sections, tuning, fill)
	case "v0", "v0r", "original", "originalr", "3a":
		p, err := parseTimmAuto(text, name, sections, tuning)
		return &auto{policy: p, fill: fill}, err
	case "randaugment", "ra":
		layers, magnitude, bins := 2.0, 9.0, 31.0
		err := numbers{"n": {&layers, 1, maxLayers, true}, "m": {&magnitude, 0, 1000, true}, "b": {&bins, 2, 1000, true}}.read(sections)
		if err == nil && magnitude >= bins {
			err = fmt.Errorf("magnitude %v is not below the number of bins, %v", magnitude, bins)
		}
		return &auto{policy: &tvRand{layers: int(layers), magnitude: int(magnitude), bins: int(bins)}}, err
	case "trivial", "ta_wide":
		bins := 31.0
		err := numbers{"b": {&bins, 2, 1000, true}}.read(sections)
		return &auto{policy: &trivial{bins: int(bins)}}, err
	}
	return nil, fmt.Errorf("known are %s", policyNames)
}

func filtersOf(interpolation string) []imageops.Filter {
	switch interpolation {
	case "bilinear":
		return []imageops.Filter{imageops.Bilinear}
	case "bicubic":
		return []imageops.Filter{imageops.Bicubic}
	}
	return []imageops.Filter{imageops.Bilinear, imageops.Bicubic}
}

func parseRand(text string, sections []section, tuning timmTuning) (*randAugment, error) {
	a := &randAugment{text: text, tuning: tuning}
	list := ""
	sections = slices.DeleteFunc(slices.Clone(sections), func(s section) bool {
		rest, ok := strings.CutPrefix(s.text, "t")
		if ok {
			list = rest
		}
		return ok
	})
	magnitude, layers, probability, increasing := 10.0, 2.0, 0.5, 0.0
	err := numbers{
		"m": {&magnitude, 0, 100, true}, "n": {&layers, 1, maxLayers, true}, "p": {&probability, 0, 1, false},
		"mstd": {&a.tuning.std, 0, math.Inf(1), false}, "mmax": {&a.tuning.most, 1, 100, true}, "inc": {&increasing, 0, 1, true},
	}.read(sections)
	if err != nil {
		return nil, err
	}
	if a.tuning.std > 100 {
		a.tuning.std = math.Inf(1)
	}
	names, weights := randOps, []weighted(nil)
	switch list {
	case "":
		if increasing != 0 {
			names = randIncreasingOps
		}
	case "3a":
		names = rand3AOps
	case "3aw":
		weights = rand3AWeights
	case "weights":
		weights = randWeights
	default:
		return nil, fmt.Errorf("section %q: the lists of operations are t3a, t3aw and tweights", "t"+list)
	}
	if a.layers = int(layers); weights != nil {
		names = nil
		for _, w := range weights {
			names, a.weights = append(names, w.name), append(a.weights, w.weight)
		}
		if a.layers > len(names) {
			return nil, fmt.Errorf("n%d: there are only %d operations with weights", a.layers, len(names))
		}
	}
	a.uses = usesOf(names, probability, magnitude)
	return a, nil
}

func parseTimmAuto(text, name string, sections []section, tuning timmTuning) (*timmAuto, error) {
	a := &timmAuto{text: text, tuning: tuning}
	if err := (numbers{"mstd": {&a.tuning.std, 0, 100, false}}).read(sections); err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(name, "r")
	for _, row := range timmPolicies[base] {
		var uses []timmUse
		for _, u := range row {
			if base != name && strings.HasPrefix(u.name, "Posterize") {
				u.name = "PosterizeIncreasing"
			}
			uses = append(uses, use(u.name, u.probability, u.magnitude))
		}
		a.rows = append(a.rows, uses)
	}
	return a, nil
}

func parseAugMix(text string, sections []section, tuning timmTuning, fill [3]byte) (*augMix, error) {
	a := &augMix{text: text, tuning: tuning, fill: fill, alpha: 1}
	a.tuning.std = math.Inf(1)
	magnitude, width, depth, blended := 3.0, 3.0, 0.0, 0.0
	err := numbers{
		"m": {&magnitude, 0, 10, true}, "w": {&width, 1, maxChains, true}, "d": {&depth, 1, maxChains, true},
		"a": {&a.alpha, 0.01, 100, false}, "b": {&blended, 0, 1, true}, "mstd": {&a.tuning.std, 0, 100, false},
	}.read(sections)
	if err != nil {
		return nil, err
	}
	a.width, a.depth, a.blended = int(width), int(depth), blended != 0
	a.uses = usesOf(augMixOps, 1, magnitude)
	return a, nil
}
