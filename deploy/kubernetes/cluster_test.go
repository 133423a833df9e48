//go:build cluster

package kubernetes_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// cluster is etcd and an API server of Kubernetes' own code. There are no nodes and no controllers: objects are looked at by
// admission and validation, and kept, and nothing comes of them.
type cluster struct {
	t      *testing.T
	url    string
	client *http.Client
	config string // a kubeconfig
}

const token = "for-this-test"

func startCluster(t *testing.T) *cluster {
	t.Helper()
	require.NoError(t, rootErr)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `set -e; . tools/kubernetes/tools.sh; cluster; printf '%s\n' "$ETCD" "$APISERVER"`)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	programs := strings.Fields(string(out))
	require.Len(t, programs, 2)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	private := write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	store, peer, port := address(t), address(t), address(t)
	run(t, programs[0], "--data-dir="+filepath.Join(dir, "etcd"), "--listen-client-urls=http://"+store, "--advertise-client-urls=http://"+store,
		"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer, "--initial-cluster=default=http://"+peer, "--log-level=error")
	_, number, err := net.SplitHostPort(port)
	require.NoError(t, err)
	run(t, programs[1], "--etcd-servers=http://"+store, "--bind-address=127.0.0.1", "--secure-port="+number, "--cert-dir="+filepath.Join(dir, "certs"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+private, "--service-account-signing-key-file="+private,
		"--service-cluster-ip-range=10.0.0.0/24", "--token-auth-file="+write("tokens.csv", token+`,admin,admin,"system:masters"`+"\n"), "--authorization-mode=RBAC")
	c := &cluster{t: t, url: "https://" + port, client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}}
	t.Cleanup(c.client.CloseIdleConnections)
	c.config = write("kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, c.url, token))
	require.Eventually(t, func() bool { status, _ := c.ask(http.MethodGet, "/readyz", ""); return status == 200 }, 2*time.Minute, 200*time.Millisecond)
	return c
}

// address is one that nobody listens on.
func address(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// run starts a program, and ends it with the test.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(filepath.Base(program), errs.String()[max(0, errs.Len()-4000):])
		}
	})
}

// ask sends YAML, or nothing, and returns the status and what came back.
func (c *cluster) ask(method, path, body string) (int, string) {
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/yaml")
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return resp.StatusCode, string(b)
}

// where is the path of an object's kind, as the API tells.
func (c *cluster) where(o object) string {
	version := o["apiVersion"].(string)
	base := "/apis/" + version
	if !strings.Contains(version, "/") {
		base = "/api/" + version
	}
	var list struct {
		Resources []struct {
			Name, Kind string
			Namespaced bool
		}
	}
	status, text := c.ask(http.MethodGet, base, "")
	require.Equal(c.t, 200, status, text)
	require.NoError(c.t, json.Unmarshal([]byte(text), &list))
	for _, r := range list.Resources {
		if r.Kind == o.kind() && !strings.Contains(r.Name, "/") {
			if r.Namespaced {
				return base + "/namespaces/" + o.at("metadata", "namespace").(string) + "/" + r.Name
			}
			return base + "/" + r.Name
		}
	}
	require.Fail(c.t, "the API has no "+o.kind())
	return ""
}

// create makes an object, of which every field has to be known. With dry it is only looked at.
func (c *cluster) create(o object, namespace string, dry bool) (int, string) {
	if o.at("metadata", "namespace") == nil {
		o["metadata"].(map[string]any)["namespace"] = namespace
	}
	path := c.where(o) + "?fieldValidation=Strict"
	if dry {
		path += "&dryRun=All"
	}
	if !strings.Contains(path, "/namespaces/") {
		delete(o["metadata"].(map[string]any), "namespace")
	}
	text, err := yaml.Marshal(map[string]any(o))
	require.NoError(c.t, err)
	return c.ask(http.MethodPost, path, string(text))
}

// have is create of what has to be taken.
func (c *cluster) have(text, namespace string) {
	c.t.Helper()
	for _, o := range objects(c.t, text) {
		status, answer := c.create(o, namespace, false)
		require.Equal(c.t, 201, status, "%s %s: %s", o.kind(), o.name(), answer)
	}
}

func (c *cluster) helm(args ...string) string {
	c.t.Helper()
	helm, _, _ := tools(c.t)
	out, errs, err := command(c.t, helm, append(args, "--kubeconfig", c.config)...)
	require.NoError(c.t, err, "%s: %s", args, errs)
	return out
}
