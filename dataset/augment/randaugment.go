package augment

import "fmt"

// randAugment is timm's RandAugment: some operations out of a list, each left out with a probability of its own.
type randAugment struct {
	text    string
	uses    []timmUse
	weights []float64 // of the uses; nil: equal, and one may be chosen twice
	layers  int
	tuning  timmTuning
}

var randOps = []string{"AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Color", "Contrast",
	"Brightness", "Sharpness", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"}

var randIncreasingOps = []string{"AutoContrast", "Equalize", "Invert", "Rotate", "PosterizeIncreasing", "SolarizeIncreasing", "SolarizeAdd",
	"ColorIncreasing", "ContrastIncreasing", "BrightnessIncreasing", "SharpnessIncreasing", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"}

var rand3AOps = []string{"SolarizeIncreasing", "Desaturate", "GaussianBlur"}

// weighted is a list of operations of which some are chosen more often than others.
type weighted struct {
	name   string
	weight float64
}

// Sections "tweights" and "t3aw" of a RandAugment string.
var (
	randWeights = []weighted{{"Rotate", 3}, {"ShearX", 2}, {"ShearY", 2}, {"TranslateXRel", 1}, {"TranslateYRel", 1}, {"ColorIncreasing", 0.25},
		{"SharpnessIncreasing", 0.25}, {"AutoContrast", 0.25}, {"SolarizeIncreasing", 0.05}, {"SolarizeAdd", 0.05}, {"ContrastIncreasing", 0.05},
		{"BrightnessIncreasing", 0.05}, {"Equalize", 0.05}, {"PosterizeIncreasing", 0.05}, {"Invert", 0.05}}
	rand3AWeights = []weighted{{"SolarizeIncreasing", 6}, {"Desaturate", 6}, {"GaussianBlur", 6}, {"Rotate", 3}, {"ShearX", 2}, {"ShearY", 2},
		{"PosterizeIncreasing", 1}, {"AutoContrast", 1}, {"ColorIncreasing", 1}, {"SharpnessIncreasing", 1}, {"ContrastIncreasing", 1},
		{"BrightnessIncreasing", 1}, {"Equalize", 1}, {"Invert", 1}}
)

// maxLayers bounds the operations on one picture.
const maxLayers = 16

// draw takes one number to choose each operation, before those of the operation itself.
func (a *randAugment) draw(r *random, width, height int, steps []step) []step {
	var chosen [maxLayers]int
	for i := range a.layers {
		chosen[i] = a.choose(r, chosen[:i])
	}
	for _, i := range chosen[:a.layers] {
		if s, ok := a.uses[i].draw(r, &a.tuning, width, height); ok {
			steps = append(steps, s)
		}
	}
	return steps
}

// choose picks an operation; where they have weights, one that is not taken yet.
func (a *randAugment) choose(r *random, taken []int) int {
	if a.weights == nil {
		return r.Below(len(a.uses))
	}
	free := func(i int) bool {
		for _, t := range taken {
			if t == i {
				return false
			}
		}
		return true
	}
	sum := 0.0
	for i, w := range a.weights {
		if free(i) {
			sum += w
		}
	}
	at, last := r.unit()*sum, 0
	for i, w := range a.weights {
		if !free(i) {
			continue
		}
		if last = i; at < w {
			break
		}
		at -= w
	}
	return last
}

func (a *randAugment) String() string {
	return fmt.Sprintf("RandAugment(%q, %d of %d operations)", a.text, a.layers, len(a.uses))
}

func usesOf(names []string, probability, magnitude float64) (uses []timmUse) {
	for _, n := range names {
		uses = append(uses, use(n, probability, magnitude))
	}
	return uses
}

// timmAuto is timm's AutoAugment: one of the policy's rows.
type timmAuto struct {
	text   string
	rows   [][]timmUse
	tuning timmTuning
}

// draw takes one number for the row.
func (a *timmAuto) draw(r *random, width, height int, steps []step) []step {
	for _, u := range a.rows[r.Below(len(a.rows))] {
		if s, ok := u.draw(r, &a.tuning, width, height); ok {
			steps = append(steps, s)
		}
	}
	return steps
}

func (a *timmAuto) String() string {
	return fmt.Sprintf("AutoAugment(%q, %d rows)", a.text, len(a.rows))
}
