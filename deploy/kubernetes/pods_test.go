package kubernetes_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pods are the pods of the objects, by the object's kind and name.
func pods(all []object) map[string]object {
	out := map[string]object{}
	for _, o := range all {
		switch o.kind() {
		case "Pod":
			out["Pod/"+o.name()] = o
		case "Deployment":
			out["Deployment/"+o.name()] = o.at("spec", "template").(map[string]any)
		}
	}
	return out
}

func containers(pod object) (all []object) {
	for _, list := range []string{"initContainers", "containers"} {
		items, _ := pod.at("spec", list).([]any)
		for _, c := range items {
			all = append(all, c.(map[string]any))
		}
	}
	return all
}

// TestPodsHaveNoRights: what the restricted standard for pods asks for, and a root that cannot be written, for each container of each pod.
func TestPodsHaveNoRights(t *testing.T) {
	eachCase(t, func(t *testing.T, all []object) {
		for name, pod := range pods(all) {
			assert.Equal(t, false, pod.at("spec", "automountServiceAccountToken"), name)
			assert.Equal(t, true, pod.at("spec", "securityContext", "runAsNonRoot"), name)
			assert.Equal(t, "RuntimeDefault", pod.at("spec", "securityContext", "seccompProfile", "type"), name)
			assert.Nil(t, pod.at("spec", "hostNetwork"), name)
			for _, c := range containers(pod) {
				assert.Equal(t, true, c.at("securityContext", "readOnlyRootFilesystem"), name)
				assert.Equal(t, false, c.at("securityContext", "allowPrivilegeEscalation"), name)
				assert.Equal(t, []any{"ALL"}, c.at("securityContext", "capabilities", "drop"), name)
				assert.NotNil(t, c.at("resources", "limits", "memory"), name)
				assert.NotNil(t, c.at("resources", "requests", "cpu"), name)
			}
		}
	})
	pod := pods(render(t))["Deployment/torchlit"]
	for _, field := range []string{"runAsUser", "runAsGroup", "fsGroup"} {
		assert.Equal(t, 65532, pod.at("spec", "securityContext", field), field)
	}
	assert.Nil(t, pods(render(t, "-f", chart+"/ci/volume.yaml"))["Deployment/torchlit"].at("spec", "securityContext", "runAsUser"), "null takes a default away")
	local := pods(render(t, "--set", "podSecurityContext.seccompProfile.type=Localhost,podSecurityContext.seccompProfile.localhostProfile=torchlit.json"))["Deployment/torchlit"]
	assert.Equal(t, map[string]any{"type": "Localhost", "localhostProfile": "torchlit.json"}, local.at("spec", "securityContext", "seccompProfile"))
}

// argument is the value of a flag of the server's.
func argument(t *testing.T, pod object, flag string) string {
	t.Helper()
	args, _ := pod.at("spec", "containers", 0, "args").([]any)
	for _, a := range args {
		if value, ok := strings.CutPrefix(a.(string), flag+"="); ok {
			return value
		}
	}
	require.Fail(t, "no "+flag, args)
	return ""
}

// TestTimeToDrain: the kubelet kills a pod at the end of its period, whatever it is doing.
func TestTimeToDrain(t *testing.T) {
	eachCase(t, func(t *testing.T, all []object) {
		pod := object(one(t, all, "Deployment").at("spec", "template").(map[string]any))
		total := 5 * time.Second
		for _, flag := range []string{"--drain-grace", "--drain-timeout"} {
			d, err := time.ParseDuration(argument(t, pod, flag))
			require.NoError(t, err)
			total += d
		}
		if sleep, ok := pod.at("spec", "containers", 0, "lifecycle", "preStop", "sleep", "seconds").(int); ok {
			total += time.Duration(sleep) * time.Second
		}
		assert.Equal(t, int(total.Seconds()), pod.at("spec", "terminationGracePeriodSeconds"))
	})
	slept := pods(render(t, "-f", chart+"/ci/everything.yaml"))
	for _, pod := range slept {
		if pod.at("spec", "terminationGracePeriodSeconds") != nil {
			assert.Equal(t, 30+60+5+5, pod.at("spec", "terminationGracePeriodSeconds"))
		}
	}
}

// TestProbes: a pod is started anew for /healthz alone, once it was ready; which port they ask is one that it has.
func TestProbes(t *testing.T) {
	eachCase(t, func(t *testing.T, all []object) {
		c := object(one(t, all, "Deployment").at("spec", "template", "spec", "containers", 0).(map[string]any))
		for probe, path := range map[string]string{"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"} {
			assert.Equal(t, path, c.at(probe, "httpGet", "path"))
			assert.Contains(t, portNames(c), c.at(probe, "httpGet", "port"))
			want := "HTTP"
			if strings.Contains(fmt.Sprint(c["args"]), "--tls-cert") {
				want = "HTTPS"
			}
			assert.Equal(t, want, c.at(probe, "httpGet", "scheme"))
		}
	})
	late := one(t, render(t, "--set", "probes.startupSeconds=601"), "Deployment")
	assert.Greater(t, late.at("spec", "progressDeadlineSeconds"), 601)
	c := object(late.at("spec", "template", "spec", "containers", 0).(map[string]any))
	assert.GreaterOrEqual(t, c.at("startupProbe", "failureThreshold").(int)*c.at("startupProbe", "periodSeconds").(int), 601)
}

func portNames(c object) (names []any) {
	ports, _ := c.at("ports").([]any)
	for _, p := range ports {
		names = append(names, p.(map[string]any)["name"])
	}
	return names
}

var listens = regexp.MustCompile(`^--(addr|admin-addr|grpc-addr)=:([0-9]+)$`)

// TestPortsAreListenedOn: each port that a pod names is one that the server is told to listen on, and the other way round.
func TestPortsAreListenedOn(t *testing.T) {
	names := map[string]string{"addr": "http", "admin-addr": "admin", "grpc-addr": "grpc"}
	eachCase(t, func(t *testing.T, all []object) {
		c := object(one(t, all, "Deployment").at("spec", "template", "spec", "containers", 0).(map[string]any))
		want, got := map[any]int{}, map[any]int{}
		for _, a := range c["args"].([]any) {
			if m := listens.FindStringSubmatch(a.(string)); m != nil {
				want[names[m[1]]], _ = strconv.Atoi(m[2])
			}
		}
		for _, p := range c["ports"].([]any) {
			got[p.(map[string]any)["name"]] = p.(map[string]any)["containerPort"].(int)
		}
		assert.Equal(t, want, got)
	})
}

// TestVolumesAreMounted: no mount without a volume, no volume that nobody mounts, and every file that the server is told of lies below a mount.
func TestVolumesAreMounted(t *testing.T) {
	eachCase(t, func(t *testing.T, all []object) {
		for name, pod := range pods(all) {
			var have, want []any
			volumes, _ := pod.at("spec", "volumes").([]any)
			for _, v := range volumes {
				have = append(have, v.(map[string]any)["name"])
				assert.Len(t, v, 2, "%s: a volume has one source: %v", name, v)
			}
			var paths []string
			for _, c := range containers(pod) {
				mounts, _ := c.at("volumeMounts").([]any)
				for _, m := range mounts {
					want = append(want, m.(map[string]any)["name"])
					paths = append(paths, m.(map[string]any)["mountPath"].(string))
				}
			}
			assert.Subset(t, have, want, name)
			assert.Subset(t, want, have, name)
			args, _ := pod.at("spec", "containers", 0, "args").([]any)
			for _, a := range args {
				_, path, ok := strings.Cut(a.(string), "=/")
				if !ok {
					continue
				}
				assert.True(t, len(paths) > 0 && below("/"+path, paths), "%s: %s is in none of %s", name, a, paths)
			}
		}
	})
}

func below(path string, folders []string) bool {
	for _, f := range folders {
		if path == f || strings.HasPrefix(path, f+"/") {
			return true
		}
	}
	return false
}
