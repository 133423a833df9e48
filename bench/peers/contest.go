package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// contest is a run of the engines.
type contest struct {
	*engines
	figures    *engineFigures
	images     string // prepared
	cases      []sizeOf
	contenders []*contender
}

// sizeOf is what is measured: batches of a size, and as many at once as is fastest; or one after the other, as a lone client has it.
type sizeOf struct {
	batch int
	alone bool
}

func (s sizeOf) String() string {
	if s.alone {
		return fmt.Sprintf("%d, alone", s.batch)
	}
	return fmt.Sprint(s.batch)
}

// contender is an engine in a precision.
type contender struct {
	*turner
	chosen   map[sizeOf]setting
	distance map[sizeOf]distance
	turns    map[sizeOf][]turnAnswer // by round
}

func (c *contest) close() {
	for _, k := range c.contenders {
		k.close()
	}
}

func (c *contest) turn(ctx context.Context, k *contender, s sizeOf, how setting, warmup, lasts time.Duration) (turnAnswer, error) {
	return k.turn(ctx, turnRequest{
		Setting: how.Name, Batch: s.batch, Images: c.images, Warmup: warmup.Seconds(), Seconds: lasts.Seconds(),
	})
}

const trials = 2

// tuneAll finds the setting of each contender that is fastest, for each case. Trials of all settings of a contender alternate.
func (c *contest) tuneAll(ctx context.Context) error {
	for _, s := range c.cases {
		fmt.Fprintf(os.Stderr, "peers: trying settings for batches of %s\n", s)
		for _, k := range c.contenders {
			rates := map[string]float64{}
			for range trials {
				for _, how := range k.Settings {
					if s.alone && how.AtOnce > 1 {
						continue
					}
					a, err := c.turn(ctx, k, s, how, c.tune/4, c.tune)
					if err != nil {
						return err
					}
					rate := float64(a.Batches) / a.Seconds
					if rates[how.Name] = max(rates[how.Name], rate); rates[how.Name] >= rates[k.chosen[s].Name] {
						k.chosen[s] = how
					}
				}
			}
			if k.chosen[s].Name == "" {
				return fmt.Errorf("cannot measure %s alone: it has no setting that runs one batch at a time", k.Name)
			}
		}
	}
	return nil
}

// distance says how far logits are from PyTorch's.
type distance struct {
	Relative float64 `json:"relative"`   // length of the difference over the length of PyTorch's logits
	Same     float64 `json:"same_class"` // share of images with the same likeliest class
}

// farthest is what is allowed, by precision. fp32 engines differ in the order of their sums. bf16 keeps eight bits of each activation: a
// difference of 1/256 in each, some of which add up over the layers. int8 keeps 255 levels of a channel's whole range: a random
// network, which nobody trained to bear that, comes out 7 % off, and 20 % as NNCF does it.
var farthest = map[string]float64{"fp32": 1e-4, "bf16": 0.05, "int8": 0.35}

// compareLogits holds every contender, in the settings that are measured, to PyTorch's logits in fp32.
func (c *contest) compareLogits(ctx context.Context) error {
	i := slices.IndexFunc(c.contenders, func(k *contender) bool { return k.Name == "PyTorch eager" && k.precision == "fp32" })
	if i < 0 {
		fmt.Fprintln(os.Stderr, "peers: without PyTorch in fp32 nobody's logits are compared")
		return nil
	}
	for _, s := range c.cases {
		logits := func(k *contender) ([][]float32, error) {
			a, err := k.ask(ctx, turnRequest{Setting: k.chosen[s].Name, Batch: s.batch, Images: c.images, Logits: true})
			return a.Logits, err
		}
		want, err := logits(c.contenders[i])
		if err != nil {
			return err
		}
		for j, k := range c.contenders {
			got := want
			if j != i {
				if got, err = logits(k); err != nil {
					return err
				}
			}
			d, err := distanceOf(got, want)
			if err == nil && !(d.Relative <= farthest[k.precision]) {
				err = fmt.Errorf("they are %.2g of their length away, and %g is allowed", d.Relative, farthest[k.precision])
			}
			if err != nil {
				return fmt.Errorf("%s in %s does not give PyTorch's logits for a batch of %s: %w; a comparison would mean nothing", k.Name, k.precision, s, err)
			}
			if k.distance == nil {
				k.distance = map[sizeOf]distance{}
			}
			k.distance[s] = d
		}
	}
	return nil
}

func distanceOf(got, want [][]float32) (d distance, err error) {
	if len(got) != len(want) || len(got) == 0 {
		return d, fmt.Errorf("there are logits of %d images, not %d", len(got), len(want))
	}
	var difference, length float64
	same := 0
	for i := range want {
		if len(got[i]) != len(want[i]) {
			return d, fmt.Errorf("there are %d logits of an image, not %d", len(got[i]), len(want[i]))
		}
		for j, w := range want[i] {
			difference += math.Pow(float64(got[i][j])-float64(w), 2)
			length += math.Pow(float64(w), 2)
		}
		if slices.Index(got[i], slices.Max(got[i])) == slices.Index(want[i], slices.Max(want[i])) {
			same++
		}
	}
	return distance{math.Sqrt(difference / length), float64(same) / float64(len(want))}, nil
}

// measure lets everybody take his turns. Who begins changes from round to round.
func (c *contest) measure(ctx context.Context) error {
	for round := range c.rounds {
		fmt.Fprintf(os.Stderr, "peers: round %d of %d\n", round+1, c.rounds)
		for _, s := range c.cases {
			for i := range c.contenders {
				k := c.contenders[(i+round)%len(c.contenders)]
				a, err := c.turn(ctx, k, s, k.chosen[s], c.warmup, c.duration)
				if err != nil {
					return err
				}
				k.turns[s] = append(k.turns[s], a)
			}
		}
	}
	return nil
}
