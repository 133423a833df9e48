package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// certificate writes a certificate for this machine and its key.
func certificate(t testing.TB) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, cert, 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600))
	pool = x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(cert))
	return certFile, keyFile, pool
}

// The program with a key file, TLS, and administrators on a listener of their own. Nothing that it logs or serves has a secret.
func TestServeWithKeysAndTLS(t *testing.T) {
	torchtest.Need(t)
	line, key, code := runCommand(t, "key", "tester", "--rate", "100", "--days", "9")
	require.Zero(t, code)
	key = strings.TrimSpace(key)
	assert.Regexp(t, regexp.MustCompile(`^tl_tester_[\w-]{43}$`), key)
	assert.NotContains(t, line, key)
	dir := t.TempDir()
	keys, admin := filepath.Join(dir, "keys"), filepath.Join(dir, "admin")
	require.NoError(t, os.WriteFile(keys, []byte(line), 0o600))
	require.NoError(t, os.WriteFile(admin, []byte("an-admin-key-that-is-secret"), 0o600))
	certFile, keyFile, pool := certificate(t)
	s := serveModel(t, "--models", "../../models", "--log-level", "debug", "--api-key-file", keys, "--admin-key-file", admin, "--admin-addr", "127.0.0.1:0",
		"--tls-cert", certFile, "--tls-key", keyFile, "--access-log", "stderr", "--access-log-sampling", "all")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	url := s.url
	require.True(t, strings.HasPrefix(url, "https://"))
	ask := func(key string) (status int, header http.Header) {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, url+"/v1/classify", strings.NewReader(string(photo(t, 50, 40, 3))))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode, resp.Header
	}
	status, header := ask(key)
	assert.Equal(t, 200, status)
	assert.Equal(t, "100", header.Get("RateLimit-Limit"))
	assert.NotEmpty(t, header.Get("Strict-Transport-Security"))
	status, _ = ask("an-admin-key-that-is-secret")
	assert.Equal(t, 401, status)
	resp, err := client.Get(url + "/metrics")
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.Equal(t, 404, resp.StatusCode)

	// A key that is taken out of the file is good no longer.
	require.NoError(t, os.WriteFile(keys, []byte("# nobody\nother sha256:"+strings.Repeat("00", 32)), 0o600))
	for end := time.Now().Add(30 * time.Second); status != 401; status, _ = ask(key) {
		require.True(t, time.Now().Before(end))
		time.Sleep(20 * time.Millisecond)
		status = 0
	}
	s.stop(t)
	for _, secret := range []string{key[len("tl_tester_"):], "an-admin-key", "PRIVATE KEY"} {
		assert.NotContains(t, s.log.String(), secret)
	}
}
