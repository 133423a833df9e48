package oip

// Datatype is the protocol's name of an element type.
type Datatype string

// The datatypes. BYTES elements have a length each; all others have the size that [Datatype.Size] tells.
const (
	Bool   Datatype = "BOOL"
	Uint8  Datatype = "UINT8"
	Uint16 Datatype = "UINT16"
	Uint32 Datatype = "UINT32"
	Uint64 Datatype = "UINT64"
	Int8   Datatype = "INT8"
	Int16  Datatype = "INT16"
	Int32  Datatype = "INT32"
	Int64  Datatype = "INT64"
	FP16   Datatype = "FP16"
	BF16   Datatype = "BF16"
	FP32   Datatype = "FP32"
	FP64   Datatype = "FP64"
	Bytes  Datatype = "BYTES"
)

// Size is the length of one element in bytes; 0 for BYTES and for what is no datatype.
func (d Datatype) Size() int {
	switch d {
	case Bool, Uint8, Int8:
		return 1
	case Uint16, Int16, FP16, BF16:
		return 2
	case Uint32, Int32, FP32:
		return 4
	case Uint64, Int64, FP64:
		return 8
	}
	return 0
}

// Tensor is an input or an output. Its contents are in Raw, or for BYTES in Elements.
type Tensor struct {
	Name       string
	Datatype   Datatype
	Shape      []int64
	Parameters map[string]any // string, bool, int64, uint64 or float64
	Raw        []byte         // little-endian, row-major, of the length that Shape and Datatype make
	Elements   [][]byte       // of BYTES, row-major
	Text       bool           // Elements came as JSON strings, which hold no bytes but text: images come as base64
}

// RequestedOutput names an output that the caller wants.
type RequestedOutput struct {
	Name           string
	Parameters     map[string]any
	Classification int // so many classes as "value:index:label" BYTES instead of the tensor; 0 for the tensor
}

// InferRequest is a call of a model. Its memory belongs to the front end and is valid until Backend.Infer returns.
type InferRequest struct {
	Model, Version string // an empty version leaves the choice to the server
	ID             string // echoed in the response if not empty
	Parameters     map[string]any
	Inputs         []Tensor
	Outputs        []RequestedOutput // empty for all
}

// InferResponse is the answer. Its memory belongs to the front end.
type InferResponse struct {
	Model, Version string
	ID             string
	Parameters     map[string]any
	Outputs        []Tensor
}

// ServerMetadata answers GET v2.
type ServerMetadata struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

// TensorMetadata describes an input or an output; -1 in Shape is any size.
type TensorMetadata struct {
	Name     string   `json:"name"`
	Datatype Datatype `json:"datatype"`
	Shape    []int64  `json:"shape"`
}

// ModelMetadata answers GET v2/models/{m}.
type ModelMetadata struct {
	Name     string           `json:"name"`
	Versions []string         `json:"versions,omitempty"`
	Platform string           `json:"platform"`
	Inputs   []TensorMetadata `json:"inputs"`
	Outputs  []TensorMetadata `json:"outputs"`
}

// The states of a version in a repository index.
const (
	Ready       = "READY"
	Unavailable = "UNAVAILABLE"
	Loading     = "LOADING"
	Unloading   = "UNLOADING"
)

// IndexEntry is one version in the repository index.
type IndexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	State   string `json:"state,omitempty"`
	Reason  string `json:"reason,omitempty"` // why it is not ready

	// Traffic is what the version is for among the requests that name none: "default", "canary 5%" or "shadow 100%". It is
	// no part of the protocol.
	Traffic string `json:"traffic,omitempty"`
}

// ModelConfig is the part of Triton's model configuration that clients read.
type ModelConfig struct {
	Name              string         `json:"name"`
	Platform          string         `json:"platform"`
	Backend           string         `json:"backend"`
	VersionPolicy     map[string]any `json:"version_policy,omitempty"`
	MaxBatchSize      int            `json:"max_batch_size"`
	Input             []ConfigTensor `json:"input"`
	Output            []ConfigTensor `json:"output"`
	DynamicBatching   map[string]any `json:"dynamic_batching"`
	TransactionPolicy struct {
		Decoupled bool `json:"decoupled"`
	} `json:"model_transaction_policy"`
	ResponseCache struct {
		Enable bool `json:"enable"`
	} `json:"response_cache"`
	Parameters map[string]any `json:"parameters,omitempty"`
}

// ConfigTensor is an input or output in a [ModelConfig]: without the batch dimension, with Triton's TYPE_ names.
type ConfigTensor struct {
	Name          string  `json:"name"`
	DataType      string  `json:"data_type"`
	Dims          []int64 `json:"dims"`
	LabelFilename string  `json:"label_filename,omitempty"`
	Optional      bool    `json:"optional,omitempty"`
}

// Duration counts how often something happened and how long it took in all.
type Duration struct {
	Count uint64 `json:"count"`
	NS    uint64 `json:"ns"`
}

// InferStatistics are the times of requests, part by part. success and fail cover whole requests.
type InferStatistics struct {
	Success       Duration `json:"success"`
	Fail          Duration `json:"fail"`
	Queue         Duration `json:"queue"`
	ComputeInput  Duration `json:"compute_input"`
	ComputeInfer  Duration `json:"compute_infer"`
	ComputeOutput Duration `json:"compute_output"`
	CacheHit      Duration `json:"cache_hit"`
	CacheMiss     Duration `json:"cache_miss"`
}

// BatchStatistics are the times of the batches of one size.
type BatchStatistics struct {
	BatchSize     uint64   `json:"batch_size"`
	ComputeInput  Duration `json:"compute_input"`
	ComputeInfer  Duration `json:"compute_infer"`
	ComputeOutput Duration `json:"compute_output"`
}

// ModelStatistics answers GET v2/models/{m}/stats for one version.
type ModelStatistics struct {
	Name           string            `json:"name"`
	Version        string            `json:"version"`
	LastInference  uint64            `json:"last_inference"`  // milliseconds since 1970; 0 for never
	InferenceCount uint64            `json:"inference_count"` // images
	ExecutionCount uint64            `json:"execution_count"` // batches
	InferStats     InferStatistics   `json:"inference_stats"`
	BatchStats     []BatchStatistics `json:"batch_stats"`
}
