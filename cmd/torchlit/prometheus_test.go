package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// scraper is a running Prometheus.
type scraper struct {
	t   *testing.T
	url string
}

var listening = regexp.MustCompile(`Listening on.*address=(127\.0\.0\.1:[1-9][0-9]*)`)

// startPrometheus runs Prometheus with the configuration of deploy, but for the addresses that it scrapes and how often.
func startPrometheus(t *testing.T, target string) *scraper {
	t.Helper()
	program := need(t, "prometheus")
	dir := t.TempDir()
	config, err := os.ReadFile(deployed("prometheus", "prometheus.yml"))
	require.NoError(t, err)
	rules, err := os.ReadFile(deployed("prometheus", "alerts.yml"))
	require.NoError(t, err)
	text := strings.NewReplacer("torchlit:8080", target, "15s", "250ms").Replace(string(config))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "alerts.yml"), rules, 0o600))
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	address, ended := make(chan string, 1), make(chan struct{})
	var log bytes.Buffer
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case address <- m[1]:
				default:
				}
			}
		}
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	select {
	case a := <-address:
		return &scraper{t, "http://" + a}
	case <-ended:
		t.Fatal("Prometheus ended:\n", log.String())
	case <-time.After(time.Minute):
		t.Fatal("Prometheus does not listen after a minute")
	}
	return nil
}

// query asks for the current values of an expression; false when it is not answered.
func (s *scraper) query(expr string) (values []map[string]string, ok bool) {
	s.t.Helper()
	var reply struct {
		Status, Error string
		Data          struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if !s.get("/api/v1/query?query="+url.QueryEscape(expr), &reply) {
		return nil, false
	}
	for _, r := range reply.Data.Result {
		values = append(values, r.Metric)
	}
	return values, reply.Status == "success"
}

func (s *scraper) get(path string, into any) bool {
	s.t.Helper()
	resp, err := http.Get(s.url + path)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into) == nil
}

// TestPrometheusScrapes: Prometheus reads a real server's metrics, and can answer all that the alerts and the dashboard ask.
func TestPrometheusScrapes(t *testing.T) {
	torchtest.Need(t)
	need(t, "prometheus")
	s := serveModel(t, "--monitor", "--monitor-dir", filepath.Join(t.TempDir(), "log"))
	base := strings.TrimSuffix(s.url, "/")
	p := startPrometheus(t, strings.TrimPrefix(base, "http://"))
	_, status, err := post(http.DefaultClient, base, "image/jpeg", photo(t, 64, 48, 1))
	require.NoError(t, err)
	require.Equal(t, 200, status)
	wanted := []string{
		`up{job="torchlit"} == 1`, `torchlit_requests_total{model="cifar10-resnet18", version="1", code="200"} == 1`,
		`torchlit_model_info{architecture="resnet18"}`, `torchlit_log_records_total == 1`, `torchlit_request_duration_seconds_bucket{le="+Inf"} == 1`,
	}
	if metric(t, base, "torchlit_reference_accuracy_ratio") > 0 { // the model has a reference: it is watched
		wanted = append(wanted, `torchlit_drift_detected{model="cifar10-resnet18", version="1"} == 0`, `torchlit_drift_waiting_answers`, `torchlit_reference_accuracy_ratio > 0.9`)
	}
	for _, expr := range wanted {
		require.Eventually(t, func() bool { v, ok := p.query(expr); return ok && len(v) == 1 }, time.Minute, 100*time.Millisecond, expr)
	}
	for _, expr := range exprs(t) {
		_, ok := p.query(expr)
		assert.True(t, ok, expr)
	}
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, State, LastError string }
			}
		}
	}
	require.Eventually(t, func() bool { // each has been judged once
		return p.get("/api/v1/rules", &rules) && len(rules.Data.Groups) == 2 && rules.Data.Groups[1].Rules[0].Health != "unknown" && rules.Data.Groups[0].Rules[0].Health != "unknown"
	}, time.Minute, 100*time.Millisecond)
	for _, g := range rules.Data.Groups {
		for _, r := range g.Rules {
			assert.Equal(t, "ok inactive ", r.Health+" "+r.State+" "+r.LastError, r.Name)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
