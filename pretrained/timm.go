package pretrained

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// defaultTags are timm 1.0's choices of a training for an architecture that is named
// alone. Two of its choices are missing: those of resnext101_32x4d and
// resnext101_32x16d, which may not be used commercially, are to be asked for by their
// tags. resnet200 has none.
func defaultTags() map[string]string {
	return map[string]string{
		"resnet18": "a1_in1k", "resnet26": "bt_in1k", "resnet34": "a1_in1k", "resnet50": "a1_in1k",
		"resnet101": "a1h_in1k", "resnet152": "a1h_in1k",
		"resnet50c": "gluon_in1k", "resnet101c": "gluon_in1k", "resnet152c": "gluon_in1k",
		"resnet18d": "ra2_in1k", "resnet26d": "bt_in1k", "resnet34d": "ra2_in1k", "resnet50d": "ra2_in1k",
		"resnet101d": "ra2_in1k", "resnet152d": "ra2_in1k", "resnet200d": "ra2_in1k",
		"wide_resnet50_2": "racm_in1k", "wide_resnet101_2": "tv_in1k",
		"resnext50_32x4d": "a1h_in1k", "resnext50d_32x4d": "bt_in1k",
		"resnext101_32x8d": "tv_in1k", "resnext101_64x4d": "c1_in1k",
	}
}

// timmID turns timm's own name for weights, an architecture with or without a tag, into
// the repository that they are in.
func timmID(name string) (string, error) {
	name, revision, pinned := strings.Cut(name, "@")
	architecture, _, tagged := strings.Cut(name, ".")
	if !slices.Contains(resnet.Architectures(), architecture) {
		return "", fmt.Errorf("there is no such file or folder, and no architecture %q; known are %q", architecture, resnet.Architectures())
	}
	if !tagged {
		tag := defaultTags()[architecture]
		switch {
		case tag == "" && strings.HasPrefix(architecture, "resnext"):
			return "", fmt.Errorf("%s has several trainings and no default; name one, such as %s.fb_swsl_ig1b_ft_in1k, after reading its licence",
				architecture, architecture)
		case tag == "":
			return "", fmt.Errorf("there are no weights of %s in timm; give a repository, a folder or a file", architecture)
		}
		name += "." + tag
	}
	if pinned {
		name += "@" + revision
	}
	return "timm/" + name, nil
}
