package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/torchlit/torchlit/server/certs/acmetest"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// The program gets its certificate on its own port, though it asks clients for theirs, serves HTTP and gRPC with it, and has it again after a restart
// while the authority is away. The proof works on gRPC's port, too, and by plain HTTP where neither can be reached.
func TestServeACME(t *testing.T) {
	torchtest.Need(t)
	const host = "photos.torchlit.test"
	certFile, keyFile, _ := certificate(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	tlsAddr, httpAddr := reservePort(t), reservePort(t) // where the authority looks
	f := func(name string, starts int, more ...string) {
		t.Run(name, func(t *testing.T) {
			authority := acmetest.Start(t, portOf(t, tlsAddr), portOf(t, httpAddr), time.Hour)
			root := filepath.Join(t.TempDir(), "root.pem")
			require.NoError(t, os.WriteFile(root, authority.Server, 0o600))
			trust := func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+root) }
			args := append([]string{"--grpc-addr", "127.0.0.1:0", "--max-batch-size", "1", "--tls-client-ca", certFile,
				"--acme-domains", "other.torchlit.test, " + host, "--acme-cache", t.TempDir(), "--acme-directory", authority.Directory}, more...)
			client := &tls.Config{RootCAs: authority.Roots(), ServerName: host, Certificates: []tls.Certificate{pair}}
			orders := 0
			for range starts {
				s := serveProgram(t, trust, args...)
				healthy(t, s, client)
				anonymous := client.Clone()
				anonymous.Certificates = nil
				_, err := get(s.url+"/healthz", anonymous)
				assert.Error(t, err, "a client without a certificate is let in")
				s.stop(t)
				assert.Contains(t, s.log.String(), "a certificate is in force")
				assert.NotContains(t, s.log.String(), "PRIVATE KEY")
				if orders > 0 {
					assert.Equal(t, orders, authority.Orders(), "a restart ordered again")
				}
				orders = authority.Orders()
				assert.NotZero(t, orders)
				authority.SetDown(true)
			}
		})
	}
	f("on the HTTP server's port", 2, "--addr", tlsAddr)
	f("on the gRPC server's port", 1, "--grpc-addr", tlsAddr)
	f("by plain HTTP under a supervisor", 1, "--acme-http-addr", httpAddr, "--supervise")

	_, log, code := runCommand(t, "serve", "--acme-domains", host, "--tls-cert", certFile, "--tls-key", keyFile)
	assert.Equal(t, 2, code)
	assert.Contains(t, log, "leave out the one or the others")
}

func reservePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", addr)
	require.NoError(t, err)
	return at.Port
}

func get(url string, cfg *tls.Config) (status int, err error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// healthy asks s by HTTP and by gRPC.
func healthy(t *testing.T, s *served, client *tls.Config) {
	t.Helper()
	status, err := get(s.url+"/healthz", client)
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(credentials.NewTLS(client)), grpc.WithAuthority(client.ServerName))
	require.NoError(t, err)
	defer conn.Close()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	assert.NoError(t, err)
}
