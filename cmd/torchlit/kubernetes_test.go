package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/config"
	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// podSpec is what these tests look at in a pod, as Deployments and KServe's runtimes have it.
type podSpec struct {
	Grace      int `yaml:"terminationGracePeriodSeconds"`
	Containers []struct {
		Args []string
		Env  []struct{ Name, Value string }
		Live struct {
			HTTPGet struct{ Path string } `yaml:"httpGet"`
		} `yaml:"livenessProbe"`
		Ready struct {
			HTTPGet struct{ Path string } `yaml:"httpGet"`
		} `yaml:"readinessProbe"`
	}
}

// workload is any of the objects that have a pod in them.
type workload struct {
	Kind string
	Spec struct {
		podSpec  `yaml:",inline"`       // a ServingRuntime
		Template struct{ Spec podSpec } // a Deployment
		Predict  struct {
			podSpec `yaml:",inline"`
		} `yaml:"predictor"` // an InferenceService
	}
}

// workloads are those of a file for operators.
func workloads(t *testing.T, parts ...string) (all []workload) {
	t.Helper()
	text, err := os.ReadFile(deployed(parts...))
	require.NoError(t, err)
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var w workload
		if err := d.Decode(&w); errors.Is(err, io.EOF) {
			return all
		} else {
			require.NoError(t, err)
		}
		if w.Kind == "Deployment" || w.Kind == "ServingRuntime" || w.Kind == "InferenceService" {
			all = append(all, w)
		}
	}
}

// pod is the pod of the only workload in a file.
func pod(t *testing.T, parts ...string) podSpec {
	t.Helper()
	all := workloads(t, parts...)
	require.Len(t, all, 1)
	switch all[0].Kind {
	case "Deployment":
		return all[0].Spec.Template.Spec
	case "InferenceService":
		return all[0].Spec.Predict.podSpec
	}
	return all[0].Spec.podSpec
}

// settingsOf are the settings that a container's arguments make.
func settingsOf(t *testing.T, args []string) serveSettings {
	t.Helper()
	require.Equal(t, "serve", args[0])
	settings := defaultServeSettings()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.AddFlags(flags, &settings)
	require.NoError(t, flags.Parse(args[1:]))
	require.Empty(t, flags.Args())
	require.NoError(t, config.Resolve("", "server", flags, &settings))
	require.NoError(t, settings.validate())
	return settings
}

// TestKubernetesArguments: the server takes what the chart and KServe's runtimes tell it, and its pods live as long as it may take to drain.
func TestKubernetesArguments(t *testing.T) {
	needed := func(s serveSettings) int { return int((s.DrainGrace + s.DrainTimeout + 5*time.Second).Seconds()) }
	plain := pod(t, "kubernetes", "base", "torchlit.yaml")
	s := settingsOf(t, plain.Containers[0].Args)
	assert.Equal(t, needed(s), plain.Grace)
	assert.Positive(t, s.DrainGrace)
	assert.NotEmpty(t, s.AdminAddr, "the public would have the routes that change something")
	for _, kind := range []string{"", "-gpu"} {
		runtime := pod(t, "kserve", "servingruntime"+kind+".yaml")
		args := strings.ReplaceAll(strings.Join(runtime.Containers[0].Args, "\n"), "{{.Name}}", "cats")
		s := settingsOf(t, strings.Split(args, "\n"))
		assert.Equal(t, needed(s), pod(t, "kserve", "inferenceservice"+kind+".yaml").Grace)
		assert.NotEmpty(t, s.AdminAddr)
		if kind == "-gpu" {
			assert.Equal(t, "cuda", s.Device)
		}
	}
	for _, pool := range []string{"cpu", "gpu"} { // a patch of the arguments
		text, err := os.ReadFile(deployed("kubernetes", "overlays", pool, "deployment.yaml"))
		require.NoError(t, err)
		var patch []struct {
			Path  string
			Value any
		}
		require.NoError(t, yaml.Unmarshal(text, &patch))
		args := plain.Containers[0].Args
		for _, p := range patch {
			if strings.HasSuffix(p.Path, "/args/-") {
				args = append(args, p.Value.(string))
			}
		}
		require.Greater(t, len(args), len(plain.Containers[0].Args), pool)
		settingsOf(t, args)
	}
}

// chartSets are the settings that the chart makes of values of its own, or that belong into a Secret: its value config must not have them.
var chartSets = []string{
	"models", "model_name", "addr", "grpc_addr", "admin_addr", "tls_cert", "tls_key", "tls_client_ca", // the kubelet's probes have no certificate
	"acme_domains", "acme_cache", "acme_email", "acme_directory", "acme_http_addr", // an ingress's affair
	"api_key_file", "admin_key_file", "drain_grace", "drain_timeout", "monitor", "monitor_dir", "monitor_dsn", "drift_webhook",
	"supervise", "reuse_port", "ready_timeout", // Deployments start and replace servers
}

// TestChartKnowsTheSettings: the chart's value config takes every setting of the server, by its kind, but those above.
func TestChartKnowsTheSettings(t *testing.T) {
	text, err := os.ReadFile(deployed("helm", "torchlit", "values.schema.json"))
	require.NoError(t, err)
	var schema struct {
		Properties struct {
			Config struct {
				Properties map[string]struct{ Type, Pattern string }
			}
		}
	}
	require.NoError(t, json.Unmarshal(text, &schema))
	kinds := map[reflect.Type]string{
		reflect.TypeFor[string](): "string", reflect.TypeFor[bool](): "boolean", reflect.TypeFor[int](): "integer",
		reflect.TypeFor[float64](): "number", reflect.TypeFor[time.Duration](): "string",
	}
	want, got := map[string]string{}, map[string]string{}
	all := reflect.TypeFor[serveSettings]()
	for i := range all.NumField() {
		want[all.Field(i).Tag.Get("yaml")] = kinds[all.Field(i).Type]
	}
	for _, key := range chartSets {
		assert.Contains(t, want, key, "the server has no such setting")
		delete(want, key)
	}
	for key, p := range schema.Properties.Config.Properties {
		got[key] = p.Type
	}
	assert.Equal(t, want, got, "config in deploy/helm/torchlit/values.schema.json; what the chart should set itself is in chartSets")
}

// TestKServe starts the server as KServe's runtime does, with a model where the storage initializer puts it: the objects below the storageUri lie in
// /mnt/models. It is asked by the InferenceService's name, in the protocols that the runtime claims.
func TestKServe(t *testing.T) {
	torchtest.Need(t)
	model := os.DirFS(filepath.Join("..", "..", "models", "cifar10-resnet18"))
	for _, layout := range []struct{ name, below, version string }{
		{"gs://bucket/models/cats is a model folder", ".", "1"},
		{"gs://bucket/models/cats has versions", "3", "3"},
	} {
		t.Run(layout.name, func(t *testing.T) {
			mnt := filepath.Join(t.TempDir(), "mnt", "models")
			require.NoError(t, os.CopyFS(filepath.Join(mnt, layout.below), model))
			container := pod(t, "kserve", "servingruntime.yaml").Containers[0]
			args := []string{}
			for _, a := range container.Args[1:] {
				a = strings.NewReplacer("/mnt/models", mnt, "{{.Name}}", "cats").Replace(a)
				if flag, port, ok := strings.Cut(a, "=:"); ok && port != "" {
					a = flag + "=127.0.0.1:0"
				}
				args = append(args, a)
			}
			s := serveModel(t, append(args, "--drain-grace=0s")...) // nothing sends requests that could be waited for
			asksKServe(t, strings.TrimSuffix(s.url, "/"), container.Ready.HTTPGet.Path, container.Live.HTTPGet.Path, layout.version)
			asksKServeGRPC(t, s.grpc)
			http.DefaultClient.CloseIdleConnections()
		})
	}
}

// asksKServe asks what the kubelet and a client of KServe would.
func asksKServe(t *testing.T, base, ready, live, version string) {
	t.Helper()
	get := func(path string, into any) int {
		resp, err := http.Get(base + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		if into != nil {
			require.NoError(t, json.NewDecoder(resp.Body).Decode(into))
		}
		return resp.StatusCode
	}
	for _, path := range []string{ready, live, "/v2/health/live", "/v2/health/ready", "/v2/models/cats/ready"} {
		assert.Equal(t, 200, get(path, nil), path)
	}
	assert.Equal(t, 404, get("/v2/models/models", nil), "the folder's name")
	assert.Equal(t, 404, get("/metrics", nil), "it is on the port for administrators")
	var metadata struct {
		Name     string
		Versions []string
		Inputs   []struct {
			Name, Datatype string
			Shape          []int
		}
	}
	require.Equal(t, 200, get("/v2/models/cats", &metadata))
	assert.Equal(t, "cats", metadata.Name)
	assert.Equal(t, []string{version}, metadata.Versions)
	input := metadata.Inputs[0]
	require.Equal(t, "FP32", input.Datatype)
	require.Len(t, input.Shape, 4)
	input.Shape[0] = 1
	body, err := json.Marshal(map[string]any{"inputs": []any{map[string]any{
		"name": input.Name, "datatype": input.Datatype, "shape": input.Shape, "data": make([]float32, 3*input.Shape[2]*input.Shape[3]),
	}}})
	require.NoError(t, err)
	resp, err := http.Post(base+"/v2/models/cats/infer", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer struct {
		ModelName    string `json:"model_name"`
		ModelVersion string `json:"model_version"`
		Outputs      []struct {
			Shape []int
			Data  []float64
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	assert.Equal(t, "cats "+version, answer.ModelName+" "+answer.ModelVersion)
	require.NotEmpty(t, answer.Outputs)
	assert.Equal(t, []int{1, 10}, answer.Outputs[0].Shape)
	assert.Len(t, answer.Outputs[0].Data, 10)
}

func asksKServeGRPC(t *testing.T, addr string) {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	got, err := pb.NewGRPCInferenceServiceClient(conn).ModelReady(t.Context(), &pb.ModelReadyRequest{Name: "cats"})
	require.NoError(t, err)
	assert.True(t, got.Ready)
}
