// Command schemas writes JSON schemas of the Kubernetes objects that deploy has, for kubeconform. It makes them of what the projects publish in their Go
// modules: the API server's OpenAPI, and custom resource definitions.
//
//	go run ./tools/kubernetes/schemas deploy/kubernetes/schemas
//	go run ./tools/kubernetes/schemas --definitions        # the paths of the definitions, for a cluster that is to have them
//
// Fields that a schema does not know are refused, as the API server does when it is asked for strict validation. Rules in CEL are left out:
// JSON schema cannot say them.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// kubernetes is the release whose API the files are for; the chart says from which one on it works.
const kubernetes = "k8s.io/kubernetes@v1.37.2"

// core are the kinds of Kubernetes itself, by their names in its OpenAPI.
var core = []string{
	"io.k8s.api.apps.v1.Deployment", "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
	"io.k8s.api.core.v1.ConfigMap", "io.k8s.api.core.v1.Namespace", "io.k8s.api.core.v1.Pod", "io.k8s.api.core.v1.Secret",
	"io.k8s.api.core.v1.Service", "io.k8s.api.core.v1.ServiceAccount",
	"io.k8s.api.networking.v1.Ingress", "io.k8s.api.networking.v1.NetworkPolicy", "io.k8s.api.policy.v1.PodDisruptionBudget",
}

// custom are definitions of the kinds of others, and the version of each that is used.
var custom = []struct{ module, path, version string }{
	{"github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml", "v1alpha1"},
	{"github.com/kserve/kserve@v0.17.0", "config/crd/full/serving.kserve.io_servingruntimes.yaml", "v1alpha1"},
	{"github.com/kserve/kserve@v0.17.0", "config/crd/full/serving.kserve.io_inferenceservices.yaml", "v1beta1"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml", "v1"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml", "v1"},
	{"sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml", "v1"},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemas FOLDER | --definitions")
		os.Exit(2)
	}
	act := func() error { return run(os.Args[1]) }
	if os.Args[1] == "--definitions" {
		act = list
	}
	if err := act(); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	dir, err := module(kubernetes)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		return err
	}
	var api openAPI
	if err := json.Unmarshal(text, &api); err != nil {
		return fmt.Errorf("cannot read the API of %s: %w", kubernetes, err)
	}
	files := map[string]schema{}
	for _, name := range core {
		s, file, err := api.kind(name)
		if err != nil {
			return err
		}
		files[file] = s
	}
	metadata := api.inline("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", nil)
	for _, c := range custom {
		if dir, err = module(c.module); err != nil {
			return err
		}
		if text, err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(c.path))); err != nil {
			return err
		}
		var d definition
		if err := yaml.Unmarshal(text, &d); err != nil {
			return fmt.Errorf("cannot read %s of %s: %w", c.path, c.module, err)
		}
		s, file, err := d.kind(c.version, metadata)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", c.path, c.module, err)
		}
		files[file] = s
	}
	for file, s := range files {
		if err := write(filepath.Join(folder, file), s); err != nil {
			return err
		}
	}
	return nil
}

// list prints where the definitions are.
func list() error {
	for _, c := range custom {
		dir, err := module(c.module)
		if err != nil {
			return err
		}
		fmt.Println(filepath.Join(dir, filepath.FromSlash(c.path)))
	}
	return nil
}

// module fetches a module at a version and returns its folder.
func module(name string) (dir string, err error) {
	cmd := exec.Command("go", "mod", "download", "-json", name)
	cmd.Dir = os.TempDir() // these are no dependencies of the module that this program is of
	out, err := cmd.Output()
	var got struct{ Dir, Error string }
	if json.Unmarshal(out, &got) == nil && got.Dir != "" {
		return got.Dir, nil
	}
	return "", fmt.Errorf("cannot fetch %s: %v %s", name, err, strings.TrimSpace(got.Error))
}

// write breaks the text into lines where it can without growing it, so that what a release changes can be read in a diff.
func write(path string, s schema) error {
	text, err := json.Marshal(share(s))
	if err != nil {
		return err
	}
	lines := strings.ReplaceAll(string(text), `},"d`, "},\n\"d")
	return os.WriteFile(path, []byte(lines+"\n"), 0o644)
}
