package resnet

// families lists the architectures with timm's names for them, which are
// torchvision's where it has one.
func families() map[string]Spec {
	var (
		r18  = Spec{Layers: [4]int{2, 2, 2, 2}}
		r34  = Spec{Layers: [4]int{3, 4, 6, 3}}
		r26  = Spec{Layers: r18.Layers, Bottleneck: true}
		r50  = Spec{Layers: r34.Layers, Bottleneck: true}
		r101 = Spec{Layers: [4]int{3, 4, 23, 3}, Bottleneck: true}
		r152 = Spec{Layers: [4]int{3, 8, 36, 3}, Bottleneck: true}
		r200 = Spec{Layers: [4]int{3, 24, 36, 3}, Bottleneck: true}
	)
	return map[string]Spec{
		"resnet18": r18, "resnet34": r34, "resnet26": r26,
		"resnet50": r50, "resnet101": r101, "resnet152": r152, "resnet200": r200,
		"resnet50c": c(r50), "resnet101c": c(r101), "resnet152c": c(r152),
		"resnet18d": d(r18), "resnet34d": d(r34), "resnet26d": d(r26),
		"resnet50d": d(r50), "resnet101d": d(r101), "resnet152d": d(r152), "resnet200d": d(r200),
		"wide_resnet50_2": wide(r50, 1, 128), "wide_resnet101_2": wide(r101, 1, 128),
		"resnext50_32x4d": wide(r50, 32, 4), "resnext50d_32x4d": d(wide(r50, 32, 4)),
		"resnext101_32x4d": wide(r101, 32, 4), "resnext101_32x8d": wide(r101, 32, 8),
		"resnext101_32x16d": wide(r101, 32, 16), "resnext101_64x4d": wide(r101, 64, 4),
	}
}

func c(s Spec) Spec {
	s.DeepStem = true
	return s
}

func d(s Spec) Spec {
	s.DeepStem, s.PoolShortcut = true, true
	return s
}

func wide(s Spec, groups, base int64) Spec {
	s.Groups, s.BaseWidth = groups, base
	return s
}
