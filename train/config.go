// Package train fine-tunes and trains classifiers: the loop, its schedule and
// its checkpoints.
//
// [Run] is the whole of it: it loads the data, builds the network (or goes on
// where an earlier run was cut short), trains, validates, and leaves a model
// folder that the server can serve. What a run is determined by is in its
// [Config]; the same Config gives the same run. The words are those of PyTorch
// Lightning, and so are the defaults, where they make sense for a recipe that is
// complete.
package train

import (
	"encoding/json"

	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dataset/augment"
	"github.com/torchlit/torchlit/torch/vision/resnet"
	"github.com/torchlit/torchlit/track/trackers"
)

// Config is everything that determines a run. Its yaml names are the keys of
// configs/train.yaml and of the command line's overrides.
type Config struct {
	Data          Data            `yaml:"data"`
	Augment       augment.Config  `yaml:"augment"`
	Model         Model           `yaml:"model"`
	Init          string          `yaml:"init"` // weights to begin with: a hub id, a model folder, a file; "" draws them
	Optim         Optim           `yaml:"optim"`
	Trainer       Trainer         `yaml:"trainer"`
	Checkpoint    Checkpoint      `yaml:"checkpoint"`
	EarlyStopping EarlyStopping   `yaml:"early_stopping"`
	EMA           EMA             `yaml:"ema"`
	SWA           SWA             `yaml:"swa"`
	Freeze        Freeze          `yaml:"freeze"`
	Track         trackers.Config `yaml:"track"`
	Seed          uint64          `yaml:"seed"`
	OutputDir     string          `yaml:"output_dir"` // the run folder
	Resume        string          `yaml:"resume"`     // a run folder to go on with; "" starts anew

	Overrides []string `yaml:"-"` // of the command line, for the record
}

// MarshalJSON writes the settings as a text of YAML, whose names of keys are those
// that people know.
func (c Config) MarshalJSON() ([]byte, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, err
	}
	return json.Marshal(string(text))
}

// UnmarshalJSON reads what MarshalJSON writes. Settings that an older version did not
// have keep the value they have.
func (c *Config) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	return yaml.Unmarshal([]byte(text), c)
}

// Data says what to train on. How images are changed is Augment's.
type Data struct {
	Dir       string `yaml:"dir"`        // in any form that package dataset knows
	BatchSize int    `yaml:"batch_size"` // images a step and process
	// ImageSize is the side of the network's input in pixels; 0 is the images' own,
	// which then have one size and are square.
	ImageSize     int       `yaml:"image_size"`
	CropPct       float64   `yaml:"crop_pct"`      // of validation: the crop's share of the resized side
	Interpolation string    `yaml:"interpolation"` // of validation: bilinear or bicubic
	Mean          []float64 `yaml:"mean"`          // of channels in 0…1; empty: the init's, CIFAR's or ImageNet's
	Std           []float64 `yaml:"std"`

	ValFraction float64 `yaml:"val_fraction"` // held out where the data has neither val nor test
	Labels      string  `yaml:"labels"`       // of CIFAR-100: fine or coarse
	MinSide     int     `yaml:"min_side"`     // JPEGs may come smaller, down to this; 0: as they are
	Corrupt     string  `yaml:"corrupt"`      // files that cannot be read: fail or skip
	MaxCorrupt  int     `yaml:"max_corrupt"`  // of those skipped; 0: one in a hundred, at least 10
	InMemory    string  `yaml:"in_memory"`    // auto, always or never
	CacheDir    string  `yaml:"cache_dir"`    // of shards from the network
	Workers     int     `yaml:"workers"`      // that decode; 0: one a core

	ClassWeights string `yaml:"class_weights"` // in the loss: uniform, inverse_frequency, inverse_root or effective_number
	Sampler      string `yaml:"sampler"`       // shuffle, or weighted: all classes equally often

	// ExtraDir is a second data set of the same classes, such as what torchlit data
	// from-log makes, which gives ExtraShare of the images of each epoch, however small it
	// is. Its validation images are reported apart.
	ExtraDir   string  `yaml:"extra_dir"`   // "" for none
	ExtraShare float64 `yaml:"extra_share"` // 0 for none

	// Sizes trains on smaller images first, which is faster and costs almost no
	// accuracy. Empty: the same size throughout.
	Sizes []SizePhase `yaml:"sizes"`
}

// SizePhase is the image size from a part of the run on.
type SizePhase struct {
	From float64 `yaml:"from"` // 0 the beginning … 1 the end
	Side int     `yaml:"side"` // pixels
}

// Model says what to train.
type Model struct {
	Name string      `yaml:"name"` // an architecture of package resnet; "": that of the init's model folder, with its stem
	Stem resnet.Stem `yaml:"stem"` // "cifar" for small images
}

// Optim is the optimizer, its learning rate over the run, and the loss.
type Optim struct {
	Name            string     `yaml:"name"`     // sgd, adam, adamw or rmsprop
	LR              float64    `yaml:"lr"`       // at the peak
	Momentum        float64    `yaml:"momentum"` // of sgd and rmsprop
	Nesterov        bool       `yaml:"nesterov"` // of sgd
	Betas           [2]float64 `yaml:"betas"`    // of adam and adamw
	WeightDecay     float64    `yaml:"weight_decay"`
	NormWeightDecay bool       `yaml:"norm_weight_decay"` // decay biases and normalisation's weights, too
	LabelSmoothing  float64    `yaml:"label_smoothing"`

	Schedule   string  `yaml:"schedule"`  // constant, cosine, one_cycle, step, exponential or plateau
	WarmUp     float64 `yaml:"warm_up"`   // part of the run until the peak
	MinLR      float64 `yaml:"min_lr"`    // share of lr: where cosine ends, and plateau at the least
	StepSize   int     `yaml:"step_size"` // of step: epochs between two falls
	Gamma      float64 `yaml:"gamma"`     // of step, exponential (an epoch) and plateau: the factor
	Patience   int     `yaml:"patience"`  // of plateau: validations without progress until a fall
	StartRatio float64 `yaml:"start_lr"`  // share of lr at the first step of the warm-up
}

// Trainer is how long, on what, and in what precision.
type Trainer struct {
	MaxEpochs int    `yaml:"max_epochs"`
	MaxSteps  int    `yaml:"max_steps"` // -1: as many as the epochs have
	MinEpochs int    `yaml:"min_epochs"`
	MaxTime   string `yaml:"max_time"` // "DD:HH:MM:SS" or like "90m"; "" without end

	Device        string `yaml:"device"`        // auto, cpu, cuda or cuda:N
	Precision     string `yaml:"precision"`     // 32, bf16-mixed or 16-mixed
	Deterministic bool   `yaml:"deterministic"` // the same bits each time
	Threads       int    `yaml:"threads"`       // of one operator; 0: a thread a core

	AccumulateGradBatches int     `yaml:"accumulate_grad_batches"`
	GradientClipVal       float64 `yaml:"gradient_clip_val"` // 0: no clipping
	GradientClipAlgorithm string  `yaml:"gradient_clip_algorithm"`

	CheckValEveryNEpoch int     `yaml:"check_val_every_n_epoch"`
	ValCheckInterval    Portion `yaml:"val_check_interval"` // of an epoch's batches, or so many batches
	NumSanityValSteps   int     `yaml:"num_sanity_val_steps"`
	LimitTrainBatches   Portion `yaml:"limit_train_batches"`
	LimitValBatches     Portion `yaml:"limit_val_batches"`
	OverfitBatches      Portion `yaml:"overfit_batches"` // train and validate on the same few
	FastDevRun          int     `yaml:"fast_dev_run"`    // so many batches of each loop, once, leaving nothing

	SyncBatchNorm bool `yaml:"sync_batchnorm"` // on several ranks: the statistics of all

	DetectAnomaly  bool   `yaml:"detect_anomaly"`
	LogEveryNSteps int    `yaml:"log_every_n_steps"`
	LogHistograms  bool   `yaml:"log_histograms"` // of the weights, after each epoch
	Profiler       string `yaml:"profiler"`       // "" or simple
}

// Checkpoint says when checkpoints are written, and which stay.
type Checkpoint struct {
	EveryNTrainSteps int `yaml:"every_n_train_steps"` // 0: not by steps
	EveryNEpochs     int `yaml:"every_n_epochs"`      // 0: not by epochs

	Keep     int    `yaml:"keep"`       // newest ones that stay, to go on from
	SaveTopK int    `yaml:"save_top_k"` // best ones that stay; -1: all, 0: none
	Monitor  string `yaml:"monitor"`    // the metric that says which are best
	Mode     string `yaml:"mode"`       // min or max: which values of it are better

	SaveOnException bool `yaml:"save_on_exception"`
}

// EarlyStopping ends a run that no longer gets better.
type EarlyStopping struct {
	Monitor             string   `yaml:"monitor"` // "" never stops early
	Mode                string   `yaml:"mode"`    // min or max
	MinDelta            float64  `yaml:"min_delta"`
	Patience            int      `yaml:"patience"` // validations without progress
	StoppingThreshold   *float64 `yaml:"stopping_threshold"`
	DivergenceThreshold *float64 `yaml:"divergence_threshold"`
}

// EMA keeps an exponential moving average of the weights, which is what is
// validated and left as the model.
type EMA struct {
	Decay       float64 `yaml:"decay"` // 0: none
	EveryNSteps int     `yaml:"every_n_steps"`
	StartEpoch  int     `yaml:"start_epoch"`
	WarmUp      bool    `yaml:"warm_up"` // decay at most (1+n)/(10+n) at update n, as timm's
}

// SWA makes the model the mean of the weights at the ends of the last epochs
// (stochastic weight averaging).
type SWA struct {
	Epochs          int     `yaml:"epochs"`           // so many last ones; 0: none
	LR              float64 `yaml:"lr"`               // that the rate goes to meanwhile; 0 leaves the schedule alone
	AnnealingEpochs int     `yaml:"annealing_epochs"` // until it is there
}

// Freeze keeps the first layers as they were initialised, to fine-tune the others.
type Freeze struct {
	Stages  int     `yaml:"stages"`   // 0 none, 1 the stem, 2 … 5 the stages 1 … 4, too
	Until   int     `yaml:"until"`    // the epoch from which they are trained; 0 never
	LRRatio float64 `yaml:"lr_ratio"` // of their learning rate then to the others'
}

// Default is the recipe of the bundled model, but for the data's place and sizes,
// which other data have of their own.
func Default() Config {
	return Config{
		Data: Data{
			Dir: "data/processed/cifar10", BatchSize: 128, CropPct: 0.875, Interpolation: "bilinear", ValFraction: 0.1,
			Labels: dataset.FineLabels, Corrupt: dataset.CorruptFail, InMemory: "auto", ClassWeights: dataset.Uniform, Sampler: "shuffle",
		},
		Augment: augment.Config{HFlip: 0.5, Pad: 4, Cutout: 8},
		Model:   Model{Name: "resnet18", Stem: resnet.CIFARStem},
		Optim: Optim{
			Name: "sgd", LR: 0.1, Momentum: 0.9, Nesterov: true, Betas: [2]float64{0.9, 0.999}, WeightDecay: 5e-4,
			NormWeightDecay: true, LabelSmoothing: 0.1,
			Schedule: "cosine", WarmUp: 0.2, StartRatio: 0.04, MinLR: 0.001, StepSize: 30, Gamma: 0.1, Patience: 10,
		},
		Trainer: Trainer{
			MaxEpochs: 36, MaxSteps: -1, Device: "auto", Precision: "bf16-mixed",
			AccumulateGradBatches: 1, GradientClipAlgorithm: "norm",
			CheckValEveryNEpoch: 1, ValCheckInterval: Whole, NumSanityValSteps: 2,
			LimitTrainBatches: Whole, LimitValBatches: Whole, LogEveryNSteps: 50,
		},
		Checkpoint:    Checkpoint{EveryNEpochs: 1, Keep: 2, SaveTopK: 1, Monitor: "val_accuracy", Mode: "max", SaveOnException: true},
		EarlyStopping: EarlyStopping{Mode: "min", Patience: 3},
		EMA:           EMA{EveryNSteps: 1},
		SWA:           SWA{AnnealingEpochs: 10},
		Freeze:        Freeze{LRRatio: 0.1},
		Track:         trackers.Default(),
	}
}
