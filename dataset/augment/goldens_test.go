package augment

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"image"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
	"github.com/torchlit/torchlit/vision"
)

// goldens mirrors goldens.json, which testdata/make_goldens.py writes.
type goldens struct {
	Width      int                             `json:"width"`
	Height     int                             `json:"height"`
	Magnitudes []float64                       `json:"magnitudes"`
	TimmLevels map[string][2][]float64         `json:"timm_levels"`
	Spaces     map[string]map[string][]float64 `json:"spaces"`
	Policies   map[string][][][3]any           `json:"policies"`
	Lists      map[string]struct {
		Names   []string  `json:"names"`
		Weights []float64 `json:"weights"`
	} `json:"lists"`
	Results []golden `json:"results"`

	picture []byte   // Height x Width RGB
	batch   [][]byte // four more
}

// golden is one result; want holds its bytes.
type golden struct {
	Kind          string    `json:"kind"`
	Height        int       `json:"height"`
	Width         int       `json:"width"`
	Box           [4]int    `json:"box"`
	Interpolation string    `json:"interpolation"`
	Side          int       `json:"side"`
	Padding       string    `json:"padding"`
	Order         []int     `json:"order"`
	Factors       []float64 `json:"factors"`
	Op            string    `json:"op"`
	Level         float64   `json:"level"`
	Space         string    `json:"space"`
	Bin           int       `json:"bin"`
	Negate        bool      `json:"negate"`
	Blended       bool      `json:"blended"`
	Tolerance     int       `json:"tolerance"`
	Lam           float64   `json:"lam"`
	Smoothing     float64   `json:"smoothing"`
	Labels        []int64   `json:"labels"`
	Targets       []float32 `json:"targets"`
	want          []byte
}

func readGoldens(t testing.TB, dir string) *goldens {
	t.Helper()
	g := &goldens{}
	text, err := os.ReadFile(filepath.Join(dir, "goldens.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, g))
	f, err := os.Open(filepath.Join(dir, "goldens.bin.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	body, err := io.ReadAll(z)
	require.NoError(t, err)
	take := func(n int) []byte {
		require.LessOrEqual(t, n, len(body))
		taken := body[:n]
		body = body[n:]
		return taken
	}
	g.picture = take(g.Width * g.Height * 3)
	for range 4 {
		g.batch = append(g.batch, take(g.Width*g.Height*3))
	}
	for i := range g.Results {
		r := &g.Results[i]
		n := 1
		if r.Kind == "mix" {
			n = len(g.batch)
		}
		r.want = take(n * r.Width * r.Height * 3)
	}
	require.Empty(t, body)
	return g
}

// scratch returns a copy of the picture at work.
func (g *goldens) scratch() *scratch {
	return &scratch{img: vision.Image{Width: g.Width, Height: g.Height, Pix: bytes.Clone(g.picture)}}
}

var goldenFill = [3]byte{124, 116, 104}

// apply does what r says and returns the result.
func (g *goldens) apply(t *testing.T, r *golden) []byte {
	s := g.scratch()
	src := &s.img
	dst := &vision.Image{Width: r.Width, Height: r.Height, Pix: make([]byte, r.Width*r.Height*3)}
	switch r.Kind {
	case "resized_crop":
		ip, err := vision.ParseInterpolation(r.Interpolation)
		require.NoError(t, err)
		top, left := r.Box[0], r.Box[1]
		ResizedCrop(dst, src, image.Rect(left, top, left+r.Box[3], top+r.Box[2]), ip)
		return dst.Pix
	case "centre_crop":
		p, err := New(Config{}, r.Side)
		require.NoError(t, err)
		p.(*pipeline).frame.apply(&scratch{img: *dst}, src)
		return dst.Pix
	case "padded_crop":
		mode, err := imageops.ParsePadding(r.Padding)
		require.NoError(t, err)
		if r.Side != min(src.Width, src.Height) {
			src = (&paddedCrop{side: r.Side}).shortSide(src)
		}
		imageops.Window(dst, src, r.Box[0], r.Box[1], mode, [3]byte{})
		return dst.Pix
	case "jitter":
		(&jitter{amount: [4]float64{0.4, 0.4, 0.4, 0.1}}).applyDrawn(s, &jitterDraw{order: [4]int(r.Order), factor: [4]float64(r.Factors)})
	case "timm":
		g.timmStep(r.Op, r.Level, r.Negate, filtersOf(r.Interpolation)[0]).apply(&s.img, goldenFill)
	case "torchvision":
		spaces[r.Space].step(opNamed(t, r.Op), r.Bin, bins[r.Space], r.Negate, g.Width, g.Height, imageops.Nearest).apply(&s.img, [3]byte{})
	case "augmix":
		a := &augMix{width: 3, fill: goldenFill}
		s.steps = []step{{opRotate, 20, imageops.Bicubic}, {opColor, 1.7, 0}, {opSolarize, 90, 0}}
		m := mixture{share: float64(float32(0.6)), ends: [maxChains]int{1, 2, 3}}
		for i, v := range []float32{0.2, 0.5, 0.3} {
			m.shares[i] = float64(v)
		}
		if r.Blended {
			a.blend(s, &m)
		} else {
			a.mix(s, &m)
		}
	case "mix":
		m := Mix{Lambda: r.Lam, Box: image.Rect(r.Box[2], r.Box[0], r.Box[3], r.Box[1])}
		images := bytes.Join(g.batch, nil)
		m.Apply(images, 4, g.Height, g.Width)
		targets := make([]float32, 16)
		(&Mixer{classes: 4, smoothing: r.Smoothing}).Targets(targets, r.Labels, m)
		require.Equal(t, r.Targets, targets)
		return images
	default:
		t.Fatalf("unknown kind of golden %q", r.Kind)
	}
	return s.img.Pix
}

var (
	spaces = map[string]*space{"auto": &autoSpace, "rand": &randSpace, "trivial": &trivialSpace}
	bins   = map[string]int{"auto": 10, "rand": 31, "trivial": 31}
)

func opNamed(t *testing.T, name string) op {
	t.Helper()
	for i, n := range opNames {
		if n == name {
			return op(i)
		}
	}
	t.Fatalf("no operation %q", name)
	return 0
}

// timmStep is timm's operation of that name, nothing drawn.
func (g *goldens) timmStep(name string, level float64, negate bool, filter imageops.Filter) step {
	u := use(name, 1, level)
	s := step{op: u.op, filter: filter}
	if u.value != nil {
		s.value = u.value(level, negate, &timmTuning{translate: 0.45}, g.Width, g.Height)
	}
	return s
}

// TestGoldens: with the same parameters, each part of a pipeline gives torchvision's or timm's bytes.
func TestGoldens(t *testing.T) {
	g := readGoldens(t, "testdata")
	kinds := map[string]int{}
	for i := range g.Results {
		r := &g.Results[i]
		kinds[r.Kind]++
		got := g.apply(t, r)
		require.Len(t, got, len(r.want))
		for j := range got {
			if d := int(got[j]) - int(r.want[j]); max(d, -d) > r.Tolerance {
				r.want = nil
				t.Errorf("%+v: byte %d is off by %d", *r, j, d)
				break
			}
		}
	}
	require.Len(t, kinds, 8, "every kind has goldens")
}

// TestTimmLevels: a magnitude means what it means in timm.
func TestTimmLevels(t *testing.T) {
	g := readGoldens(t, "testdata")
	for name, rows := range g.TimmLevels {
		for i, row := range rows {
			for j, want := range row {
				got := g.timmStep(name, g.Magnitudes[j], i == 1, 0).value
				if name == "GaussianBlurRand" { // a share here; the radius is drawn with it
					continue
				}
				require.Equal(t, want, got, "%s at magnitude %v", name, g.Magnitudes[j])
			}
		}
	}
	require.Len(t, g.TimmLevels, len(timmOps)-3, "all but the three operations without a parameter")
}

// TestTorchvisionSpaces: a bin means what it means in torchvision.
func TestTorchvisionSpaces(t *testing.T) {
	g := readGoldens(t, "testdata")
	for name, ops := range g.Spaces {
		for op, values := range ops {
			for bin, want := range values {
				got := spaces[name].step(opNamed(t, op), bin, bins[name], false, g.Width, g.Height, 0).value
				require.InDelta(t, want, got, 1e-5, "%s %s in bin %d", name, op, bin) // float32: see linspace
			}
		}
	}
	require.Len(t, g.Spaces, 3)
}

// TestPolicyTables: the tables are timm's and torchvision's.
func TestPolicyTables(t *testing.T) {
	g := readGoldens(t, "testdata")
	for name, want := range g.Policies {
		s, err := parsePolicy(name, "bilinear", imageNetMean)
		require.NoError(t, err)
		var got [][][3]any
		switch p := s.(*auto).policy.(type) {
		case *timmAuto:
			for _, row := range p.rows {
				var r [][3]any
				for _, u := range row {
					r = append(r, [3]any{u.name, u.probability, u.magnitude})
				}
				got = append(got, r)
			}
		case *tvAuto:
			for _, pair := range p.pairs {
				got = append(got, [][3]any{
					{pair[0].op.String(), pair[0].probability, float64(pair[0].bin)},
					{pair[1].op.String(), pair[1].probability, float64(pair[1].bin)}})
			}
		}
		require.Equal(t, want, got, name)
	}
	require.Len(t, g.Policies, 8)
}

// TestOperationLists: RandAugment and AugMix choose among timm's operations, with timm's weights.
func TestOperationLists(t *testing.T) {
	g := readGoldens(t, "testdata")
	for text, want := range g.Lists {
		s, err := parsePolicy(text, "bilinear", imageNetMean)
		require.NoError(t, err)
		var uses []timmUse
		var weights []float64
		if a, ok := s.(*augMix); ok {
			uses = a.uses
		} else {
			a := s.(*auto).policy.(*randAugment)
			uses, weights = a.uses, a.weights
		}
		var names []string
		for _, u := range uses {
			names = append(names, u.name)
		}
		require.Equal(t, want.Names, names, text)
		sum := 0.0
		for _, w := range weights {
			sum += w
		}
		for i, w := range want.Weights {
			require.InDelta(t, w, weights[i]/sum, 1e-12, text)
		}
		require.Len(t, weights, len(want.Weights))
	}
	require.Len(t, g.Lists, 6)
}
