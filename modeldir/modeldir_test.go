package modeldir

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/vision"
)

// outline is that of a ResNet: the layers that Open looks at.
func outline(classes int64, kernel int64) []safetensors.Entry {
	f16 := func(name string, shape ...int64) safetensors.Entry {
		n := int64(2)
		for _, d := range shape {
			n *= d
		}
		return safetensors.Entry{Name: name, DType: safetensors.F16, Shape: shape, Data: make([]byte, n)}
	}
	return []safetensors.Entry{
		f16("conv1.weight", 2, 3, kernel, kernel),
		f16("layer1.0.conv1.weight", 2, 2, 3, 3),
		f16("fc.weight", classes, 2),
	}
}

// folder makes a model folder by hand. Files are given as name, content, …
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600))
	}
	return dir
}

// resnet is folder with weights of ten classes and the given kernel.
func resnet(t *testing.T, kernel int64, files ...string) string {
	t.Helper()
	dir := folder(t, files...)
	require.NoError(t, safetensors.Write(filepath.Join(dir, SafetensorsFile), outline(10, kernel), nil))
	return dir
}

const minimal = `{"architecture": "resnet18", "num_classes": 10}`

func TestOpenTimmFolder(t *testing.T) {
	config, err := os.ReadFile("testdata/timm_config.json")
	require.NoError(t, err)
	f, err := Open(resnet(t, 7, ConfigFile, string(config)))
	require.NoError(t, err)

	require.Equal(t, "resnet18", f.Config.Architecture)
	require.Equal(t, 512, f.Config.NumFeatures)
	require.Equal(t, "avg", f.Config.GlobalPool)
	require.Equal(t, "a1_in1k", f.Config.Pretrained.Tag)
	require.Equal(t, CIFAR10Labels(), f.Labels())
	require.Equal(t, StemImageNet, f.Extras.Stem)
	require.Equal(t, Safetensors, f.Weights.Format)
	require.Equal(t, vision.Preprocess{
		Width: 224, Height: 224, CropPct: 0.95, CropMode: "center", Interpolation: vision.Bicubic,
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
	}, f.Preprocess())

	// Written back, timm's file says the same, key by key.
	again, err := f.Config.encode()
	require.NoError(t, err)
	require.JSONEq(t, string(config), string(again))
}

func TestOpenFillsDefaults(t *testing.T) {
	f := func(config string, want vision.Preprocess) {
		t.Helper()
		m, err := Open(resnet(t, 7, ConfigFile, config))
		require.NoError(t, err)
		require.Equal(t, want, m.Preprocess())
		require.Equal(t, 10, m.Config.NumClasses)
	}
	d := vision.Preprocess{
		Width: 224, Height: 224, CropPct: 0.875, CropMode: "center", Interpolation: vision.Bicubic,
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
	}
	f(minimal, d)
	f(`{"architecture":"resnet18","num_classes":10,"pretrained_cfg":null}`, d)
	f(`{"architecture":"resnet18","pretrained_cfg":{"num_classes":10,"crop_pct":0,"crop_mode":null,"interpolation":"","mean":null,"std":[]}}`, d)
	f(`{"architecture":"resnet18","num_classes":10,"pretrained_cfg":{"num_classes":1000}}`, d) // the top level wins

	want := d
	want.Width, want.Height, want.Interpolation, want.CropPct, want.CropMode = 40, 32, vision.Bilinear, 1, "squash"
	want.Mean, want.Std = [3]float32{0.5, 0.25, 0.125}, [3]float32{1, 2, 3}
	const values = `"input_size":[3,32,40],"interpolation":"bilinear","crop_pct":1.0,"crop_mode":"squash","mean":[0.5,0.25,0.125],"std":[1,2,3]`
	f(`{"architecture":"resnet18","num_classes":10,"pretrained_cfg":{`+values+`}}`, want)
	f(`{"architecture":"resnet18","num_classes":10,`+values+`}`, want) // flat, as timm wrote it before 0.8
}

func TestOpenRefusesConfig(t *testing.T) {
	f := func(config string, want ...string) {
		t.Helper()
		_, err := Open(resnet(t, 7, ConfigFile, config))
		for _, w := range append(want, ConfigFile) {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got error %v; want %q", config, err, w)
			}
		}
	}
	cfg := func(pretrained string) string {
		return `{"architecture":"resnet18","num_classes":10,"pretrained_cfg":{` + pretrained + `}}`
	}
	f(``, "unexpected end")
	f(`[]`, "one JSON object")
	f(`null`, "one JSON object")
	f(`{"num_classes":10}`, `"architecture"`)
	f(`{"architectures":["ResNetForImageClassification"]}`, "transformers")
	f(`{"architecture":18,"num_classes":10}`, `"architecture" is 18; change it to`)
	f(`{"architecture":"resnet18"}`, `"num_classes" is 1000; change it to 10`) // timm's default against the weights
	f(`{"architecture":"resnet18","num_classes":9}`, `"num_classes" is 9; change it to 10`, "fc.weight")
	f(`{"architecture":"resnet18","num_classes":0}`, "without a classifier")
	f(`{"architecture":"resnet18","num_classes":1000000000000}`, "at most")
	f(`{"architecture":"resnet18","num_classes":"ten"}`, `"num_classes" is "ten"`)
	f(`{"architecture":"resnet18","num_classes":10,"label_names":["a","b"]}`, `"label_names" is 2 names long; change it to 10 names`)
	f(`{"architecture":"resnet18","num_classes":10,"label_names":7}`, `"label_names" is 7; change it to a list`)
	f(`{"architecture":"resnet18","num_classes":10,"label_names":{"a":"b"}}`, `the key "a", which is no class number`)
	f(`{"architecture":"resnet18","num_classes":10,"label_names":{"-1":"b"}}`, "no class number")
	f(`{"architecture":"resnet18","num_classes":10,"label_names":{"01":"b"}}`, "no class number")
	f(`{"architecture":"resnet18","num_classes":10,"label_names":{"99999999999":"b"}}`, "no class number")
	f(`{"architecture":"resnet18","num_classes":10,"label_names":{"10":"b"}}`, "11 names long")
	f(`{"architecture":"resnet18","num_classes":10,"pretrained_cfg":7}`, `"pretrained_cfg" is 7; change it to an object`)
	f(cfg(`"input_size":[1,28,28]`), `"pretrained_cfg.input_size" is [1 28 28]`, "RGB")
	f(cfg(`"input_size":[224,224]`), `"pretrained_cfg.input_size"`)
	f(cfg(`"input_size":[3,0,224]`), "between 1 and")
	f(cfg(`"mean":[0.5]`), `"pretrained_cfg.mean" is [0.5]; change it to three numbers`)
	f(cfg(`"mean":[0.5,"x",0.5]`), `"pretrained_cfg.mean" is [0.5,"x",0.5]; change it to three numbers`)
	f(cfg(`"mean":[123,116,103]`), "between 0 and 1")
	f(cfg(`"std":[0,1,1]`), "above 0")
	f(cfg(`"std":[1e-60,1,1]`), "above 0") // zero as a float32
	f(cfg(`"interpolation":"lanczos"`), `"lanczos"`, "bicubic")
	f(cfg(`"crop_pct":1.2`), "crop_pct 1.2")
	f(cfg(`"crop_pct":-1`), "crop_pct -1")
	f(cfg(`"crop_mode":"corner"`), `"corner"`)
	f(cfg(`"notes":7`), `"pretrained_cfg.notes" is 7`)
	f(cfg(`"classifier":["head","head_dist"]`), "the name of one layer")
}

func TestOpenRefusesExtras(t *testing.T) {
	f := func(extras string, want ...string) {
		t.Helper()
		_, err := Open(resnet(t, 7, ConfigFile, minimal, ExtrasFile, extras))
		for _, w := range append(want, ExtrasFile) {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got error %v; want %q", extras, err, w)
			}
		}
	}
	f(`{`, "unexpected end")
	f(`{"stem":"tiny"}`, `"stem" is "tiny"; change it to "cifar" or "imagenet"`)
	f(`{"stem":"cifar"}`, `"stem" is "cifar"; change it to "imagenet": "conv1.weight" is [2 3 7 7]`)
	f(`{"accuracy":93.1}`, `"accuracy" is 93.1; change it to a ratio`)
	f(`{"temperature":0}`, `"temperature" is 0`)
	f(`{"drift_reference":"../../etc/passwd"}`, "inside of the folder")
	f(`{"training_run":{"epochs":"many"}}`, `"training_run.epochs" is "many"`)
	f(`{"training_run":[]}`, `"training_run" is []`)
}

func TestOpenFindsWeights(t *testing.T) {
	f := func(want Format, base string, files ...string) {
		t.Helper()
		m, err := Open(folder(t, append(files, ConfigFile, strings.Replace(minimal, "10", "2", 1))...))
		require.NoError(t, err)
		require.Equal(t, want, m.Weights.Format)
		require.Equal(t, filepath.Join(m.Dir, base), m.Weights.Path)
	}
	pickled := foreign(t, "pytorch_model.bin")
	f(Pickle, PickleFile, PickleFile, pickled)
	f(Pickle, "last.ckpt", "last.ckpt", pickled, TorchScriptFile, "x", ".hidden.ckpt", "x")
	f(Pickle, PickleFile, "last.ckpt", "x", PickleFile, pickled)
	f(Pickle, "resnet18-f37072fd.pth", "resnet18-f37072fd.pth", pickled)
	f(TorchScript, TorchScriptFile, TorchScriptFile, "x")
	f(Safetensors, SafetensorsFile, SafetensorsFile, "\x02\x00\x00\x00\x00\x00\x00\x00{}", PickleFile, "x")

	m, err := Open(folder(t, ConfigFile, `{"num_classes":3}`, TorchScriptFile, "x"))
	require.NoError(t, err, "TorchScript carries its own architecture")
	require.Equal(t, []string{"class 0", "class 1", "class 2"}, m.Labels())
	require.Equal(t, "TorchScript", m.Weights.Format.String())
}

// foreign is a file of another program; see torch/weights/testdata/golden.py.
func foreign(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "torch", "weights", "testdata", name))
	require.NoError(t, err)
	return string(data)
}

// A checkpoint's tensors are checked as a safetensors file's are, below the names that
// a training program puts before them.
func TestOpenLooksIntoCheckpoints(t *testing.T) {
	for _, name := range []string{"lightning.ckpt", "ddp.pth", "module.pth", "legacy.pth"} {
		_, err := Open(folder(t, ConfigFile, minimal, "last.ckpt", foreign(t, name)))
		require.ErrorContains(t, err, `"num_classes" is 10; change it to 2, which is what "fc.weight" in last.ckpt has`, name)
	}
	_, err := Open(folder(t, ConfigFile, minimal, "last.ckpt", foreign(t, "attack_system.bin")))
	require.ErrorContains(t, err, "would call posix.system")
	_, err = Open(folder(t, ConfigFile, minimal, "last.ckpt", foreign(t, "two.ckpt")))
	require.ErrorContains(t, err, `"student."`)
}

func TestOpenRefusesWeights(t *testing.T) {
	f := func(is error, want string, files ...string) {
		t.Helper()
		dir := folder(t, files...)
		_, err := Open(dir)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) || is != nil && !errors.Is(err, is) {
			t.Errorf("%q: got error %v; want %q, %v and the folder", files, err, want, is)
		}
	}
	f(ErrNoConfig, "no config.json")
	f(ErrNoConfig, "no config.json", SafetensorsFile, "x")
	f(ErrNoWeights, "no weights file; put", ConfigFile, minimal)
	f(errManyWeights, `["a.ckpt" "b.ckpt"]`, ConfigFile, minimal, "a.ckpt", "x", "b.ckpt", "x")
	f(safetensors.ErrFormat, "length prefix", ConfigFile, minimal, SafetensorsFile, "x")
	f(nil, "git lfs pull", ConfigFile, minimal, SafetensorsFile, "version https://git-lfs.github.com/spec/v1\n")
	f(nil, "git lfs pull", ConfigFile, minimal, PickleFile, "version https://git-lfs.github.com/spec/v1\n")
	f(nil, "it is empty", ConfigFile, minimal, TorchScriptFile, "")

	_, err := Open(filepath.Join(t.TempDir(), "absent"))
	require.ErrorContains(t, err, "no such file")
}

func TestStemFollowsTheWeights(t *testing.T) {
	f := func(kernel int64, extras, want string) {
		t.Helper()
		m, err := Open(resnet(t, kernel, ConfigFile, minimal, ExtrasFile, extras))
		require.NoError(t, err)
		require.Equal(t, want, m.Extras.Stem)
	}
	f(3, `{}`, StemCIFAR)
	f(3, `{"stem":"cifar"}`, StemCIFAR)
	f(7, `{}`, StemImageNet)
	f(7, `{"stem":"imagenet"}`, StemImageNet)
	f(7, `{"stem":""}`, StemImageNet)
	_, err := Open(resnet(t, 3, ConfigFile, minimal, ExtrasFile, `{"stem":"imagenet"}`))
	require.ErrorContains(t, err, `"stem" is "imagenet"; change it to "cifar": "conv1.weight" is [2 3 3 3]`)
}

func TestLabels(t *testing.T) {
	f := func(config, extras string, want ...string) {
		t.Helper()
		m, err := Open(resnet(t, 3, ConfigFile, config, ExtrasFile, extras))
		require.NoError(t, err)
		require.Equal(t, want, m.Labels()[:len(want)])
		require.Len(t, m.Labels(), 10)
	}
	with := func(more string) string { return `{"architecture":"resnet18","num_classes":10,` + more + `}` }
	f(minimal, `{}`, "class 0", "class 1")
	f(minimal, `{"accuracy_on":"the CIFAR-10 test images"}`, "airplane", "automobile")
	f(minimal, `{"training_run":{"dataset":"cifar10"}}`, "airplane", "automobile")
	f(minimal, `{"training_run":{"dataset":"cifar100, ten classes"}}`, "class 0")
	f(with(`"pretrained_cfg":{"mean":[0.4914,0.4822,0.4465]}`), `{}`, "airplane")
	f(with(`"label_names":["a","b","c","d","e","f","g","h","i","j"]`), `{"accuracy_on":"cifar10"}`, "a", "b")
	f(with(`"label_names":{"1":"dog","0":"cat","4":"eel"}`), `{}`, "cat", "dog", "class 2", "class 3", "eel", "class 5")
	f(with(`"labels":["a","b","c","d","e","f","g","h","i","j"]`), `{}`, "a", "b") // flat, as timm wrote it before 0.8
	f(with(`"pretrained_cfg":{"label_names":["a","b","c","d","e","f","g","h","i","j"]}`), `{}`, "a", "b")
}

func TestPreprocessOfAnUncheckedFolderPanics(t *testing.T) {
	require.Panics(t, func() { (&Folder{}).Preprocess() })
}

func FuzzConfig(f *testing.F) {
	config, err := os.ReadFile("testdata/timm_config.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(config, []byte(`{"stem":"cifar","accuracy":0.9,"training_run":{"epochs":3,"x":1},"int8":{},"y":[]}`))
	f.Add([]byte(minimal), []byte(`{}`))
	f.Add([]byte(`{"architecture":"a","num_classes":3,"label_names":{"0":"<&>","2":"é"},"mean":[0,0,0]}`), []byte(`{"temperature":2}`))
	f.Fuzz(func(t *testing.T, config, extras []byte) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{ConfigFile: config, ExtrasFile: extras, TorchScriptFile: []byte("x")} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m, err := Open(dir)
		if err != nil {
			return
		}
		pre, labels := m.Preprocess(), m.Labels()
		if len(labels) != m.Config.NumClasses {
			t.Fatalf("%d labels for %d classes", len(labels), m.Config.NumClasses)
		}
		if err := m.writeJSON(dir); err != nil {
			t.Fatalf("cannot write what was read: %s", err)
		}
		again, err := Open(dir)
		if err != nil {
			t.Fatalf("cannot read what was written: %s", err)
		}
		if again.Preprocess() != pre || again.Extras.Stem != m.Extras.Stem || strings.Join(again.Labels(), "\n") != strings.Join(labels, "\n") {
			t.Fatalf("changed on its way:\n%+v\n%+v", m, again)
		}
		for key := range m.Extras.rest {
			if _, ok := again.Extras.rest[key]; !ok {
				t.Fatalf("lost the key %q", key)
			}
		}
	})
}

func TestUnknownKeysAreKept(t *testing.T) {
	const extras = `{"stem":"cifar","accuracy":0.9312,"accuracy_on":"CIFAR-10 <test>","temperature":1.5,
		"training_run":{"epochs":30,"seed":-1,"commit":"abc","dataset":"cifar10","recipe":"optim.lr=0.4","wall_time":12.50},
		"int8":{"conv1":[0.1,2]},"drift_reference":"drift.bin","future":{"a":[1,2.0]}}`
	m, err := Open(resnet(t, 3, ConfigFile, minimal, ExtrasFile, extras))
	require.NoError(t, err)
	require.Equal(t, 30, m.Extras.TrainingRun.Epochs)
	require.Equal(t, 0.9312, *m.Extras.Accuracy)
	require.Equal(t, "drift.bin", m.Extras.DriftReference)

	better := 0.95
	m.Extras.Accuracy = &better
	require.NoError(t, m.SaveExtras())
	got, err := os.ReadFile(filepath.Join(m.Dir, ExtrasFile))
	require.NoError(t, err)
	require.JSONEq(t, strings.Replace(extras, "0.9312", "0.95", 1), string(got))
	require.Contains(t, string(got), "<test>", "no HTML escapes in a file for people")
	require.Contains(t, string(got), "12.50", "numbers that are not ours stay as they were written")

	left, err := os.ReadDir(m.Dir)
	require.NoError(t, err)
	require.Len(t, left, 3)

	m.Extras.Int8 = json.RawMessage("{")
	require.ErrorContains(t, m.SaveExtras(), "int8")
	m.Extras.Int8, m.Extras.Stem = nil, "tiny"
	require.ErrorContains(t, m.SaveExtras(), "stem")
	_, err = Open(m.Dir)
	require.NoError(t, err, "a failed save must leave the old file")
}
