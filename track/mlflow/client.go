package mlflow

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// requestTimeout bounds one call of the API; files have more time, by their size.
const requestTimeout = 30 * time.Second

// client speaks MLflow's REST API, version 2.0.
// https://mlflow.org/docs/latest/api_reference/rest-api.html
type client struct {
	base      *url.URL // without credentials
	authorize func(*http.Request)
	http      *http.Client
}

// newClient reads what the Python client reads from the environment, too:
// MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, and
// MLFLOW_TRACKING_SERVER_CERT_PATH or MLFLOW_TRACKING_INSECURE_TLS.
func newClient(trackingURI string) (*client, error) {
	base, err := url.Parse(trackingURI)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("cannot track with MLflow at %q: it is no http or https address; "+
			"set track.mlflow.tracking_uri or MLFLOW_TRACKING_URI to that of a tracking server", redact(trackingURI))
	}
	c := &client{base: base, http: &http.Client{}, authorize: func(*http.Request) {}}
	user, password := os.Getenv("MLFLOW_TRACKING_USERNAME"), os.Getenv("MLFLOW_TRACKING_PASSWORD")
	if base.User != nil {
		user = base.User.Username()
		password, _ = base.User.Password()
		base.User = nil
	}
	if token := os.Getenv("MLFLOW_TRACKING_TOKEN"); user != "" {
		c.authorize = func(r *http.Request) { r.SetBasicAuth(user, password) }
	} else if token != "" {
		c.authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	base.Path = strings.TrimRight(base.Path, "/")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if transport.TLSClientConfig, err = tlsConfig(); err != nil {
		return nil, err
	}
	c.http.Transport = transport
	return c, nil
}

// redact returns as much of an address as cannot hold a password.
func redact(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "…"
	case u.Scheme == "":
		return address
	}
	return u.Scheme + "://" + u.Host + "…"
}

func tlsConfig() (*tls.Config, error) {
	config := &tls.Config{}
	if os.Getenv("MLFLOW_TRACKING_INSECURE_TLS") == "true" {
		config.InsecureSkipVerify = true
	}
	if path := os.Getenv("MLFLOW_TRACKING_SERVER_CERT_PATH"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read the certificates of MLFLOW_TRACKING_SERVER_CERT_PATH: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot read the certificates of MLFLOW_TRACKING_SERVER_CERT_PATH: %q holds none in PEM form", path)
		}
	}
	return config, nil
}

// apiError is the server's no.
type apiError struct {
	Status  int    `json:"-"`
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string {
	switch message, _, _ := strings.Cut(e.Message, "\n"); {
	case message != "" && len(message) < 500:
		return fmt.Sprintf("the server answers %d %s: %s", e.Status, http.StatusText(e.Status), message)
	case e.Status == http.StatusUnauthorized:
		return "the server answers 401 Unauthorized: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
	default:
		return fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
	}
}

// hopeless tells whether the same request will be refused again: the server has
// understood it and finds it wrong. Refusals that an operator can mend (401, 403) are
// not hopeless, nor is an address without the API behind it.
func hopeless(err error) bool {
	var e *apiError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge:
		return true
	case http.StatusNotFound:
		return e.Code == "RESOURCE_DOES_NOT_EXIST"
	}
	return false
}

func hasCode(err error, code string) bool {
	var e *apiError
	return errors.As(err, &e) && e.Code == code
}

// post calls mlflow/<endpoint> with in as JSON, and reads the answer into out unless
// it is nil.
func (c *client) post(ctx context.Context, endpoint string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		panic("BUG: a request has no JSON form: " + err.Error())
	}
	return c.call(ctx, http.MethodPost, endpoint, nil, body, out)
}

func (c *client) get(ctx context.Context, endpoint string, query url.Values, out any) error {
	return c.call(ctx, http.MethodGet, endpoint, query, nil, out)
}

func (c *client) call(ctx context.Context, method, endpoint string, query url.Values, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	address := c.base.JoinPath("api/2.0/mlflow", endpoint)
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("cannot ask for %s: %w", endpoint, err)
	}
	request.Header.Set("Content-Type", "application/json")
	data, err := c.do(request)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("cannot read the answer of %s: %w", endpoint, err)
	}
	return nil
}

// do sends a request and returns the answer's body, or an *apiError.
func (c *client) do(request *http.Request) ([]byte, error) {
	c.authorize(request)
	request.Header.Set("User-Agent", "torchlit")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	const most = 16 << 20
	data, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		e := &apiError{}
		json.Unmarshal(data, e) // proxies answer without JSON
		e.Status = response.StatusCode
		return nil, e
	}
	return data, nil
}
