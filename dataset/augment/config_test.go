package augment

import (
	"math"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestConfigFromYAML(t *testing.T) {
	c := Config{Smoothing: 0.1}
	require.NoError(t, yaml.Unmarshal([]byte(`
scale: [0.2, 1]
ratio: [0.75, 1.3333]
interpolation: random
hflip: 0.5
color_jitter: 0.3
auto_augment: rand-m9-mstd0.5-inc1
re_prob: 0.25
re_mode: pixel
mixup: 0.2
cutmix: 1.0
`), &c))
	require.Equal(t, Config{Scale: [2]float64{0.2, 1}, Ratio: [2]float64{0.75, 1.3333}, Interpolation: "random", HFlip: 0.5,
		ColorJitter: Jitter{0.3}, AutoAugment: "rand-m9-mstd0.5-inc1", ReProb: 0.25, ReMode: "pixel", Mixup: 0.2, CutMix: 1, Smoothing: 0.1}, c)
	require.NoError(t, c.Validate(224))
	require.NoError(t, yaml.Unmarshal([]byte("color_jitter: [0.4, 0.3, 0.2, 0.1]"), &c))
	require.Equal(t, Jitter{0.4, 0.3, 0.2, 0.1}, c.ColorJitter)
	require.Error(t, yaml.Unmarshal([]byte("color_jitter: strong"), &c))

	text, err := yaml.Marshal(c)
	require.NoError(t, err)
	var again Config
	require.NoError(t, yaml.Unmarshal(text, &again))
	require.Equal(t, c, again)
}

func TestConfigErrors(t *testing.T) {
	f := func(change func(*Config), want string) {
		t.Helper()
		c := Config{}
		change(&c)
		err := c.Validate(32)
		require.ErrorContains(t, err, want)
		require.True(t, strings.HasPrefix(err.Error(), "cannot "), err)
	}
	f(func(c *Config) { c.Scale = [2]float64{0.5, 0.2} }, "scale [0.5 0.2]: a crop's area goes from above 0 to at most 1")
	f(func(c *Config) { c.Scale = [2]float64{0.08, 1.5} }, "scale")
	f(func(c *Config) { c.Scale = [2]float64{math.NaN(), 1} }, "scale")
	f(func(c *Config) { c.Ratio = [2]float64{2, 1} }, "ratio [2 1]")
	f(func(c *Config) { c.Scale, c.Pad = [2]float64{0.08, 1}, 4 }, "leave out one")
	f(func(c *Config) { c.Pad = -1 }, "pad -1")
	f(func(c *Config) { c.Resize = 20 }, "resize 20: a crop of 32 pixels must fit")
	f(func(c *Config) { c.Interpolation = "lanczos" }, `interpolation "lanczos": known are bilinear, bicubic and random`)
	f(func(c *Config) { c.PadMode = "wrap" }, `pad_mode "wrap"`)
	f(func(c *Config) { c.HFlip = 1.5 }, "hflip 1.5: it is a probability")
	f(func(c *Config) { c.VFlip = -0.5 }, "vflip")
	f(func(c *Config) { c.GrayscaleProb = math.NaN() }, "grayscale_prob")
	f(func(c *Config) { c.ColorJitter = Jitter{0.1, 0.2} }, "give one number, three")
	f(func(c *Config) { c.ColorJitter = Jitter{0.1, 0.1, 0.1, 0.6} }, "amount 4 must be between 0 and 0.5")
	f(func(c *Config) { c.ColorJitter = Jitter{-1} }, "amount 1")
	f(func(c *Config) { c.ReMode = "noise" }, `re_mode "noise": known are const, rand and pixel`)
	f(func(c *Config) { c.ReCount = -1 }, "re_count -1")
	f(func(c *Config) { c.ReArea = [2]float64{0.5, 0.1} }, "re_area")
	f(func(c *Config) { c.ReAspect = [2]float64{0, 1} }, "re_aspect")
	f(func(c *Config) { c.ReProb = 2 }, "re_prob 2")
	f(func(c *Config) { c.Cutout = -2 }, "cutout -2")
	f(func(c *Config) { c.Mean = [3]float64{120, 110, 100} }, "mean")
	f(func(c *Config) { c.Mixup = -1 }, "mixup -1")
	f(func(c *Config) { c.CutMixMinMax = [2]float64{0.8, 0.2} }, "cutmix_minmax")
	f(func(c *Config) { c.Mixup, c.MixupProb = 1, 1.1 }, "mixup_prob")
	f(func(c *Config) { c.Mixup, c.MixupSwitchProb = 1, -1 }, "mixup_switch_prob")
	f(func(c *Config) { c.MixupOffEpoch = -1 }, "mixup_off_epoch")
	f(func(c *Config) { c.Smoothing = 1 }, "smoothing")
	require.ErrorContains(t, Config{}.Validate(0), "between 1 and 4096")
	require.ErrorContains(t, Config{GaussianBlurProb: 0.1}.Validate(11), "too small to blur")
	require.NoError(t, Config{GaussianBlurProb: 0.1}.Validate(12))
}

func TestPolicyErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		err := Config{AutoAugment: text}.Validate(32)
		require.ErrorContains(t, err, `cannot use auto_augment "`+text+`": `)
		require.ErrorContains(t, err, want)
	}
	f("rnad-m9", `known are "rand-m9-mstd0.5-inc1"`)
	f("autoaugment-mnist", `known are`)
	f("rand-m9-x3", `section "x3" is not known; sections begin with inc, m, mmax, mstd, n, p`)
	f("rand-m", `"m" lacks a number, as in "m1"`)
	f("rand-m9.5", "9.5 is not a whole number")
	f("rand-p2", "2 is not from 0 to 1")
	f("rand-m1..2", "not a key and a number")
	f("rand-n0", "0 is not from 1 to 16")
	f("rand-n15-t3aw", "only 14 operations")
	f("rand-t4", "t3a, t3aw and tweights")
	f("rand--m9", `section "" is not known`)
	f("randaugment-m31", "magnitude 31 is not below the number of bins, 31")
	f("trivial-b1", "1 is not from 2")
	f("augmix-w11", "11 is not from 1 to 10")
	f("original-m9", `section "m9" is not known; sections begin with mstd`)
}

func TestPolicyStrings(t *testing.T) {
	f := func(text string, check func(stage)) {
		t.Helper()
		s, err := parsePolicy(text, "bicubic", imageNetMean)
		require.NoError(t, err)
		check(s)
	}
	rand := func(s stage) *randAugment { return s.(*auto).policy.(*randAugment) }
	f("rand-m9-mstd0.5-inc1", func(s stage) {
		a := rand(s)
		require.Equal(t, 2, a.layers)
		require.Equal(t, 0.5, a.tuning.std)
		require.Equal(t, 10.0, a.tuning.most)
		require.Equal(t, timmUse{a.uses[4].timmOp, 0.5, 9}, a.uses[4])
		require.Equal(t, "PosterizeIncreasing", a.uses[4].name)
		require.Equal(t, [3]byte{124, 116, 104}, s.(*auto).fill)
	})
	f("rand", func(s stage) { require.Equal(t, "Posterize", rand(s).uses[4].name) })
	f("rand-m15-mmax20-n4-p0.7-mstd101", func(s stage) {
		a := rand(s)
		require.Equal(t, []any{4, 20.0, 0.7, 15.0}, []any{a.layers, a.tuning.most, a.uses[0].probability, a.uses[0].magnitude})
		require.True(t, math.IsInf(a.tuning.std, 1))
	})
	f("ta_wide", func(s stage) { require.Equal(t, &trivial{bins: 31}, s.(*auto).policy) })
	f("ra-m7", func(s stage) { require.Equal(t, &tvRand{layers: 2, magnitude: 7, bins: 31}, s.(*auto).policy) })
	f("augmix-m5-w4-d2-a0.5-b1", func(s stage) {
		a := s.(*augMix)
		require.Equal(t, []any{4, 2, 0.5, true, 5.0, 0.3}, []any{a.width, a.depth, a.alpha, a.blended, a.uses[0].magnitude, a.tuning.translate})
	})
}

// TestJitterBesidePolicy: as in timm, a policy replaces the jitter unless it is 3a or the jitter is forced.
func TestJitterBesidePolicy(t *testing.T) {
	f := func(c Config, want bool) {
		t.Helper()
		c.ColorJitter = Jitter{0.4}
		s := mustNew(t, c, 32).(*pipeline).String()
		require.Equal(t, want, strings.Contains(s, "ColorJitter"), s)
	}
	f(Config{}, true)
	f(Config{AutoAugment: "trivial"}, false)
	f(Config{AutoAugment: "3a"}, true)
	f(Config{AutoAugment: "rand-t3a"}, true)
	f(Config{AutoAugment: "trivial", ForceColorJitter: true}, true)
}

func FuzzPolicy(f *testing.F) {
	for _, s := range []string{"rand-m9-mstd0.5-inc1", "augmix-m5-w4-d2", "original-mstd0.5", "3a", "trivial-b5", "randaugment-n2-m9-b31",
		"autoaugment-cifar10", "rand-t3aw-n14", "rand--", "rand-m1e308", "rand-mstdinf", "-", "rand-m-1", "rand-n1e1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parsePolicy(text, "random", imageNetMean)
		if err != nil {
			require.Contains(t, err.Error(), "cannot use auto_augment")
			return
		}
		work := &scratch{img: *picture(9, 7), r: *stream(1)}
		for range 5 {
			s.apply(work)
		}
	})
}

// TestPageNamesEveryKey: docs/source/augment.md is complete.
func TestPageNamesEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../docs/source/augment.md")
	require.NoError(t, err)
	config := reflect.TypeFor[Config]()
	for i := range config.NumField() {
		if key := config.Field(i).Tag.Get("yaml"); key != "-" {
			require.Contains(t, string(page), "`"+key+"`")
		}
	}
	for _, text := range regexp.MustCompile("`((?:rand-|augmix|autoaugment-|trivial|original|v0|3a)[a-z0-9.-]*)`").FindAllStringSubmatch(string(page), -1) {
		require.NoError(t, Config{AutoAugment: text[1]}.Validate(32))
	}
}
