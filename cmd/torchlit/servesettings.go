package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/repository"
	"github.com/torchlit/torchlit/server/certs"
	"github.com/torchlit/torchlit/vision"
)

// serveSettings is the group server of a configuration file; see config.AddFlags
// for the flags and variables that its fields are, too. A field's tag group
// begins a part of the list that --help prints.
type serveSettings struct {
	Models        string        `yaml:"models" group:"What is served" help:"folder of models, or one model folder (default: the bundled model)"`
	ModelName     string        `yaml:"model_name" help:"what the one model of --models is called; without it, what its folder is called"`
	Device        string        `yaml:"device" help:"auto (all GPUs, or the CPU where there is none), cpu, cuda (all GPUs), cuda:N or cuda:N,M"`
	Precision     string        `yaml:"precision" help:"fp32, bf16, int8 (on the CPU), fp16 (on GPUs), or auto: on the CPU the fastest that it is made for and whose accuracy on this model was measured (export --int8), on GPUs the fastest whose answers are the CPU's"`
	ExactDecode   bool          `yaml:"exact_decode" help:"decode every photo in full, also where the model sees a fraction of its pixels: slower, and equal to timm's pixels"`
	VersionPolicy string        `yaml:"version_policy" help:"versions to load: latest:N, all or list:1,3; for one model name=policy; several separated by ;"`
	Strict        bool          `yaml:"strict" help:"do not start when any model cannot be loaded"`
	Watch         bool          `yaml:"watch" help:"load, reload and unload models as their folders change"`
	WatchInterval time.Duration `yaml:"watch_interval" help:"how often to look at the folders where the system does not tell of changes"`

	Addr      string `yaml:"addr" group:"Addresses" help:"address of the HTTP server"`
	GRPCAddr  string `yaml:"grpc_addr" help:"address of the gRPC server, such as :8081; without it there is none"`
	AdminAddr string `yaml:"admin_addr" help:"address for /metrics and the admin routes alone, such as localhost:9090; then the others do not have them"`
	TLSCert   string `yaml:"tls_cert" help:"certificate of the server in PEM, for HTTPS and gRPC over TLS"`
	TLSKey    string `yaml:"tls_key" help:"its key in PEM"`
	ReusePort bool   `yaml:"reuse_port" help:"let several processes listen on one port (SO_REUSEPORT), each from when its models are loaded"`

	ACMEDomains   string `yaml:"acme_domains" group:"Certificates by ACME" help:"host names, separated by commas, for which certificates are got from an authority and renewed; who sets it agrees to the authority's terms of service"`
	ACMECache     string `yaml:"acme_cache" help:"folder that keeps keys and certificates through restarts (default: torchlit/acme in the user's cache folder)"`
	ACMEEmail     string `yaml:"acme_email" help:"address that the authority may write to"`
	ACMEDirectory string `yaml:"acme_directory" help:"URL of the authority's directory"`
	ACMEHTTPAddr  string `yaml:"acme_http_addr" help:"address, such as :80, for proofs by HTTP where the authority cannot reach the TLS port; it sends others to HTTPS"`

	APIKeyFile   string `yaml:"api_key_file" group:"Who may ask" help:"file of keys, by 'torchlit key', of which those present one who ask for answers; without it everybody may"`
	AdminKeyFile string `yaml:"admin_key_file" help:"file of keys that admin routes ask for; without it they answer this machine only"`
	TLSClientCA  string `yaml:"tls_client_ca" help:"certificate of the authority that clients' certificates must be from, in PEM; without it they need none"`
	CORSOrigins  string `yaml:"cors_origins" help:"sites whose pages may read the answers, such as https://example.com; several separated by commas, * for every one"`

	Timeout       time.Duration `yaml:"timeout" group:"Batches and deadlines" help:"deadline of a request that names none"`
	MaxTimeout    time.Duration `yaml:"max_timeout" help:"longest deadline that a request may ask for"`
	LatencyTarget time.Duration `yaml:"latency_target" help:"refuse at once what cannot be answered within this time; 0 for each request's own deadline alone"`
	MaxBatchSize  int           `yaml:"max_batch_size" help:"most images in one batch; 0 for as many as the CPU computes at once, 8 to 32 by the size of the image, on GPUs 128"`
	MaxQueue      int           `yaml:"max_queue" help:"most images that wait; 0 for four batches a runner and at least 128, or sixteen batches with a latency target"`
	Runners       int           `yaml:"runners" help:"batches that run at once; 0 for one for each four CPUs and at least two, or three for each GPU"`
	Threads       int           `yaml:"threads" help:"threads of each runner; 0 to share the CPUs out, of which one that computes alone has more"`

	Canary string `yaml:"canary" group:"Canary and shadow" help:"name:version=5%: that version answers 5% of the requests that name none; several separated by ;"`
	Shadow string `yaml:"shadow" help:"name:version=100%: that version gets a copy of them, and its answers are only compared, and logged with --monitor"`
	Sticky string `yaml:"sticky" help:"what decides who gets the canary: request_id, or header:X-User-Id"`

	CacheBytes int           `yaml:"cache_bytes" group:"Cache" help:"remember answers to images in so many bytes; 0 for no cache"`
	CacheTTL   time.Duration `yaml:"cache_ttl" help:"forget an answer after this time; 0 to keep it while there is room"`
	Dedup      bool          `yaml:"dedup" help:"let requests for the same image that are under way at once share one run"`

	MaxBodyBytes      int           `yaml:"max_body_bytes" group:"Limits" help:"largest body of a request, also once it is unpacked"`
	BodyMemory        int           `yaml:"body_memory" help:"most bytes that the bodies of all requests take together"`
	MaxPixels         int           `yaml:"max_pixels" help:"largest width times height of an image"`
	DecodeMemory      int           `yaml:"decode_memory" help:"most bytes that images take together while they are decoded"`
	MemoryLimit       int           `yaml:"memory_limit" help:"bytes that the process may take, beyond which it refuses; 0 for the limit of its container, negative for none"`
	MaxImages         int           `yaml:"max_images" help:"most images in one form or JSON list"`
	MaxDecodeQueue    int           `yaml:"max_decode_queue" help:"most images that wait to be decoded"`
	MaxHeaderBytes    int           `yaml:"max_header_bytes" help:"longest line and headers of a request together"`
	MaxConns          int           `yaml:"max_conns" help:"most open connections"`
	MaxConnsPerClient int           `yaml:"max_conns_per_client" help:"most open connections from one address; 0 for half of --max-conns"`
	HeaderTimeout     time.Duration `yaml:"header_timeout" help:"how long a request's headers may take to come"`
	ReadTimeout       time.Duration `yaml:"read_timeout" help:"how long a request may take to come as a whole"`
	MinUploadRate     int           `yaml:"min_upload_rate" help:"fewest bytes a second of a body, on average; negative for no such limit"`
	WriteTimeout      time.Duration `yaml:"write_timeout" help:"how long a client may take to read a reply"`
	IdleTimeout       time.Duration `yaml:"idle_timeout" help:"close a connection on which nothing comes for so long"`

	DecodeIsolation string        `yaml:"decode_isolation" group:"Decoding" help:"none, or process: decode images in processes that can do nothing else, so that a flaw in a decoder harms one request (Linux; see docs/source/isolation.md)"`
	DecodeTimeout   time.Duration `yaml:"decode_timeout" help:"with --decode-isolation=process, how long the decoding of an image may take"`

	DrainGrace   time.Duration `yaml:"drain_grace" group:"Start and stop" help:"after SIGTERM, how long to go on serving while not ready"`
	DrainTimeout time.Duration `yaml:"drain_timeout" help:"after the grace time, how long to wait for accepted requests"`
	Supervise    bool          `yaml:"supervise" help:"run the server in a process of its own, behind sockets that this one holds, and start it anew when it crashes; SIGUSR2 replaces it without a gap"`
	ReadyTimeout time.Duration `yaml:"ready_timeout" help:"with --supervise, how long a server that replaces another may take to be ready"`

	LogLevel          string  `yaml:"log_level" group:"Logs and traces" help:"debug, info, warn or error"`
	AccessLog         string  `yaml:"access_log" help:"log requests as JSON to this file, stdout or stderr, or off; SIGHUP opens the file anew"`
	AccessLogSampling string  `yaml:"access_log_sampling" help:"all, or FIRST:EVERY: the first of each second and then each so many; failed and slow requests are always logged"`
	OTLPEndpoint      string  `yaml:"otlp_endpoint" help:"send traces of requests to this OpenTelemetry collector, such as http://localhost:4318; without it OTEL_EXPORTER_OTLP_ENDPOINT counts"`
	TraceRatio        float64 `yaml:"trace_ratio" help:"share of the requests to trace, of those whose caller has not decided; OTEL_TRACES_SAMPLER wins"`
	PprofAddr         string  `yaml:"pprof_addr" help:"address that serves Go's profiles under /debug/pprof/, such as localhost:6060; without it there are none"`

	Monitor         bool          `yaml:"monitor" group:"Prediction log" help:"keep a log of answers, without pictures, and take feedback; it holds personal data, see docs/source/monitoring.md"`
	MonitorDir      string        `yaml:"monitor_dir" help:"folder of the prediction log"`
	MonitorDSN      string        `yaml:"monitor_dsn" help:"keep the prediction log in this PostgreSQL database instead, which several servers may share: postgres://user:password@host/database; TORCHLIT_SERVER_MONITOR_DSN shows the password to fewer"`
	MonitorSample   float64       `yaml:"monitor_sample" help:"share of the answers that are logged"`
	MonitorVectors  float64       `yaml:"monitor_vectors" help:"share of the logged answers of which the probabilities of all classes are kept"`
	MonitorPictures float64       `yaml:"monitor_pictures" help:"share of the logged answers of which the picture is kept, as the model saw it; 0 for none"`
	MonitorMaxAge   time.Duration `yaml:"monitor_max_age" help:"delete what was logged after this time; 0 for no bound"`
	MonitorMaxBytes int           `yaml:"monitor_max_bytes" help:"delete the oldest answers when the log takes so many bytes; 0 for no bound"`

	DriftWindow   int           `yaml:"drift_window" group:"Drift, with --monitor" help:"answers that are tested for drift together, 200 at least; see docs/source/drift.md"`
	DriftInRow    int           `yaml:"drift_in_row" help:"windows in a row that must drift before there is an alarm, and must not before it is cleared"`
	DriftInterval time.Duration `yaml:"drift_interval" help:"time between looks at the log; a version that answers more than a window in it has a part of its answers tested"`
	DriftAlpha    float64       `yaml:"drift_alpha" help:"how often a window may drift by chance"`
	DriftIgnore   string        `yaml:"drift_ignore" help:"tests and properties of images to leave out, such as classes,size,aspect"`

	DriftWebhook       string `yaml:"drift_webhook" help:"address that is posted to when an alarm is raised or cleared, such as that of a chat; it may hold a secret: use TORCHLIT_SERVER_DRIFT_WEBHOOK"`
	DriftWebhookSecret string `yaml:"drift_webhook_secret" help:"file with the key that what is posted is signed with (X-Hub-Signature-256)"`
	DriftDashboard     string `yaml:"drift_dashboard" help:"address of the dashboard for people, such as https://example.com/dashboard, which is posted along"`
}

func defaultServeSettings() serveSettings {
	return serveSettings{
		Addr: ":8080", ACMEDirectory: certs.LetsEncrypt, Device: "auto", Precision: "auto",
		Timeout: 30 * time.Second, DrainTimeout: time.Minute, LogLevel: "info",
		TraceRatio: 1, AccessLog: "off", AccessLogSampling: "100:100",
		VersionPolicy: "latest:1", Sticky: "request_id", Watch: true, WatchInterval: 5 * time.Second,
		MaxBodyBytes: 32 << 20, MaxPixels: vision.DefaultMaxPixels, MaxImages: 32, MaxDecodeQueue: 1024, MaxHeaderBytes: 16 << 10,
		MaxConns: 8192, BodyMemory: 512 << 20, DecodeMemory: 512 << 20, DecodeIsolation: isolationNone, DecodeTimeout: 10 * time.Second,
		HeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, MinUploadRate: 16 << 10,
		ReadyTimeout: 5 * time.Minute,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxTimeout: 5 * time.Minute,
		MonitorDir: defaultMonitorDir, MonitorSample: 1, MonitorVectors: 1, MonitorMaxAge: 30 * 24 * time.Hour, MonitorMaxBytes: 1 << 30,
		DriftWindow: 500, DriftInRow: 3, DriftInterval: time.Minute, DriftAlpha: 0.05,
	}
}

// validate finds settings that cannot work before anything is started.
func (s *serveSettings) validate() error {
	if _, _, err := repository.ParsePolicies(s.VersionPolicy); err != nil {
		return err
	}
	if s.ModelName != "" {
		if err := modeldir.CheckName(s.ModelName); err != nil {
			return fmt.Errorf("cannot use --model-name: %w", err)
		}
	}
	if _, err := s.traffic(); err != nil {
		return err
	}
	if s.TraceRatio < 0 || s.TraceRatio > 1 {
		return errors.New("--trace-ratio must be between 0 and 1")
	}
	if _, _, err := parseSampling(s.AccessLogSampling); err != nil {
		return err
	}
	if err := s.checkLimits(); err != nil {
		return err
	}
	if err := s.checkIsolation(); err != nil {
		return err
	}
	if err := s.checkCertificates(); err != nil {
		return err
	}
	if s.Supervise && s.ReusePort {
		return errors.New("--supervise and --reuse-port are two ways to the same end: choose one")
	}
	if s.WatchInterval <= 0 {
		return errors.New("--watch-interval must be positive; use --watch=false not to watch")
	}
	return s.validateMonitor()
}
