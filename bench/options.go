package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// The protocols.
const (
	V1       = "v1"       // POST /v1/classify with the image as the body, or a form of several
	V2       = "v2"       // the Open Inference Protocol over HTTP: Triton, KServe, Torchlit and others
	GRPC     = "grpc"     // the same over gRPC
	LitServe = "litserve" // POST /predict with JSON that holds the image in base64
)

// The inputs.
const (
	Image  = "image"  // an encoded image
	Pixels = "pixels" // uint8 [H,W,3]
	Tensor = "tensor" // float32 [3,H,W]
)

// Options say what to send and where to.
type Options struct {
	URL      string   // http://HOST:PORT, or HOST:PORT; a path is put before the protocol's own, or is LitServe's whole path
	Protocol string   // default V1
	Model    string   // default: the server's
	Input    string   // default Image; the others need V2 or GRPC
	Images   Images   // for Image; also for the others if Decode is given, else they are noise
	Batch    int      // images a request; default 1
	Shape    []int64  // of an input tensor without its batch, where the server does not say it
	Header   []string // "Name: value", for every request

	Deadline time.Duration // told to the server with every request; 0: none. LitServe has no way to be told
	Timeout  time.Duration // after which a request is given up; default 30 s

	// JSON sends V2 tensors as JSON, encoded images in base64, as KServe takes them: for servers without binary tensors.
	JSON bool

	Field    string // LitServe: the name of the JSON field; default "image"
	Template string // LitServe: the JSON, with {{image}} for the base64 string, or the list of them if Batch is above 1

	Connections int    // that may be open at once; default 4096
	Insecure    bool   // do not check the certificate
	CA          string // file of the certificates, in PEM, of which the server's must come from one; "" for the system's
	Seed        uint64 // of noise

	// Decode makes height·width·3 bytes of an encoded image.
	Decode func(data []byte, height, width int) ([]byte, error)
	// Dial connects to the server, instead of TCP.
	Dial func() (net.Conn, error)
}

const defaultTimeout = 30 * time.Second

// Open makes a target. It asks the server for what it has to know of the model, and makes all requests beforehand, so that
// sending one costs the client little. The caller closes the target.
func Open(ctx context.Context, o Options) (Target, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	if o.Input == Image && len(o.Images.Files) == 0 {
		return nil, errors.New("there are no images to send")
	}
	switch o.Protocol {
	case V1:
		return openV1(o)
	case V2:
		return openV2(o)
	case GRPC:
		return openGRPC(ctx, o)
	case LitServe:
		return openLitServe(o)
	}
	panic("BUG: a protocol that fill knows")
}

// Check says what does not fit together. It connects to nothing, and does not look at the images.
func (o Options) Check() error {
	if err := o.fill(); err != nil {
		return err
	}
	for _, line := range o.Header {
		if _, _, err := header(line); err != nil {
			return err
		}
	}
	if o.Protocol == GRPC {
		_, _, err := grpcAddress(o.URL)
		return err
	}
	_, _, err := o.template()
	if err == nil {
		_, err = o.address()
	}
	return err
}

var protocols = []string{V1, V2, GRPC, LitServe}

func (o *Options) fill() error {
	set := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	set(&o.Protocol, V1)
	set(&o.Input, Image)
	set(&o.Field, "image")
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Connections == 0 {
		o.Connections = defaultConnections
	}
	switch {
	case o.URL == "":
		return errors.New("the server's address is missing")
	case !slices.Contains(protocols, o.Protocol):
		return fmt.Errorf("the protocol %q is not known; take %s", o.Protocol, strings.Join(protocols, ", "))
	case o.Batch < 1 || o.Connections < 1 || o.Timeout < 0 || o.Deadline < 0:
		return errors.New("batch and connections must be 1 at least, timeout and deadline not negative")
	case o.Input != Image && o.Input != Pixels && o.Input != Tensor:
		return fmt.Errorf("the input %q is not known; take %s, %s or %s", o.Input, Image, Pixels, Tensor)
	case o.Input != Image && o.Protocol != V2 && o.Protocol != GRPC:
		return fmt.Errorf("the protocol %s has no input %q: take %s or %s", o.Protocol, o.Input, V2, GRPC)
	case o.JSON && o.Protocol != V2:
		return fmt.Errorf("tensors in JSON are for %s alone; the protocol is %s", V2, o.Protocol)
	case o.Deadline > 0 && o.Deadline < time.Millisecond:
		return fmt.Errorf("a deadline of %s is too short: a millisecond is the least", o.Deadline)
	}
	return nil
}

// address parts the URL. A missing scheme is http.
func (o *Options) address() (*url.URL, error) {
	text := o.URL
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the address %q: %w", o.URL, err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("cannot use the address %q: give http://HOST:PORT", o.URL)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// header parts a line "Name: value".
func header(line string) (name, value string, err error) {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || name == "" || strings.ContainsAny(line, "\r\n") {
		return "", "", fmt.Errorf("cannot use the header %q: write \"Name: value\"", line)
	}
	return name, value, nil
}

// tls is how the server is spoken to over TLS.
func (o *Options) tls() (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: o.Insecure}
	if o.CA == "" {
		return c, nil
	}
	data, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificates of an authority: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("cannot read the certificates of an authority: no PEM certificate is in %q", o.CA)
	}
	return c, nil
}
