package mlflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/torchlit/torchlit/track"
)

// slowestUpload is the speed, in bytes a second, that an upload must not fall below.
const slowestUpload = 100 << 10

// artifact brings a file or folder to the server.
func (s *sink) artifact(ctx context.Context, e *track.Event) error {
	info, err := os.Stat(e.Path)
	if err != nil {
		return track.Refuse(fmt.Errorf("cannot upload artifact %q: %w", e.Name, err))
	}
	if e.ArtifactKind == "dataset" {
		return s.dataset(ctx, e)
	}
	name := strings.Trim(path.Clean("/"+filepath.ToSlash(e.Name)), "/")
	if !info.IsDir() {
		return s.upload(ctx, e.Path, path.Join(name, filepath.Base(e.Path)))
	}
	err = filepath.WalkDir(e.Path, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return track.Refuse(fmt.Errorf("cannot upload artifact %q: %w", e.Name, err))
		}
		if d.IsDir() || strings.HasSuffix(file, ".tmp") {
			return nil
		}
		rel, err := filepath.Rel(e.Path, file)
		if err != nil {
			return track.Refuse(err)
		}
		return s.upload(ctx, file, path.Join(name, filepath.ToSlash(rel)))
	})
	if err != nil || e.ArtifactKind != "model" || s.state.RegisteredModelName == "" {
		return err
	}
	return s.register(ctx, name)
}

// upload brings one file to the run's artifact store, under the path to.
func (s *sink) upload(ctx context.Context, file, to string) error {
	f, err := os.Open(file)
	if err != nil {
		return track.Refuse(fmt.Errorf("cannot upload a file: %w", err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return track.Refuse(fmt.Errorf("cannot upload %q: it is no file", file))
	}
	return s.put(ctx, f, info.Size(), to)
}

// put stores size bytes. Stores that the server hands out itself (mlflow-artifacts:)
// are written to over HTTP, and folders of this machine directly, as the Python client
// does; those that need a cloud's own client are not.
func (s *sink) put(ctx context.Context, r io.Reader, size int64, to string) error {
	root, err := url.Parse(s.state.ArtifactURI)
	if err != nil {
		return track.Refuse(fmt.Errorf("cannot upload to %q: %w", s.state.ArtifactURI, err))
	}
	switch {
	case root.Scheme == "mlflow-artifacts":
		return s.putHTTP(ctx, r, size, s.artifactAddress(root, to))
	case (root.Scheme == "" || root.Scheme == "file") && (root.Host == "" || root.Host == "localhost") && path.IsAbs(root.Path):
		if !s.isMine(root.Path) {
			return track.Refuse(fmt.Errorf("cannot store artifacts in %q, a folder of the server's machine: start the server with --serve-artifacts", root.Path))
		}
		return putLocal(r, filepath.Join(filepath.FromSlash(root.Path), filepath.FromSlash(to)))
	}
	return track.Refuse(fmt.Errorf("cannot upload to an artifact store of the kind %q: start the server with "+
		"--serve-artifacts and --artifacts-destination, so that it stores the files itself", root.Scheme))
}

// isMine tells whether a server's folder is this machine's, too: the server runs here,
// or the folder that holds its experiments' runs' artifacts is there, on a file system
// that both have.
func (s *sink) isMine(root string) bool {
	host := s.c.base.Hostname()
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return true
	}
	_, err := os.Stat(filepath.FromSlash(path.Dir(path.Dir(path.Dir(root)))))
	return err == nil
}

// artifactAddress is where a path below an mlflow-artifacts: root is put: on the
// tracking server, unless the root names another host.
func (s *sink) artifactAddress(root *url.URL, to string) *url.URL {
	base := *s.c.base
	if root.Host != "" {
		base.Host, base.Path = root.Host, ""
	}
	return base.JoinPath("api/2.0/mlflow-artifacts/artifacts", root.Path, to)
}

func (s *sink) putHTTP(ctx context.Context, r io.Reader, size int64, address *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout+time.Duration(size/slowestUpload)*time.Second)
	defer cancel()
	var body io.Reader = counting{r, &s.moved}
	if size == 0 {
		body = http.NoBody // else Go sends it in chunks, which not every server takes
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, address.String(), body)
	if err != nil {
		return track.Refuse(fmt.Errorf("cannot upload to %q: %w", address, err))
	}
	request.ContentLength = size
	kind := mime.TypeByExtension(path.Ext(address.Path))
	if kind == "" {
		kind = "application/octet-stream"
	}
	request.Header.Set("Content-Type", kind)
	_, err = s.c.do(request)
	return err
}

// counting adds up what is read.
type counting struct {
	io.Reader
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func putLocal(r io.Reader, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("cannot store an artifact: %w", err)
	}
	tmp := to + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return fmt.Errorf("cannot store an artifact: %w", err)
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, to)
	}
	if err != nil {
		os.Remove(tmp)
		return fmt.Errorf("cannot store an artifact: %w", err)
	}
	return nil
}

// register makes a version of the registered model from the run's artifacts under
// name, unless the run has made one already.
func (s *sink) register(ctx context.Context, name string) error {
	model := s.state.RegisteredModelName
	source := strings.TrimRight(s.state.ArtifactURI, "/") + "/" + name
	err := s.c.post(ctx, "registered-models/create", map[string]any{"name": model}, nil)
	if err != nil && !hasCode(err, "RESOURCE_ALREADY_EXISTS") {
		return err
	}
	var there struct {
		Versions []struct{ Name, Source string } `json:"model_versions"`
	}
	err = s.c.get(ctx, "model-versions/search", url.Values{"filter": {fmt.Sprintf("run_id = '%s'", s.state.RunID)}}, &there)
	if err != nil {
		return err
	}
	for _, v := range there.Versions {
		if v.Name == model && v.Source == source {
			return nil
		}
	}
	return s.c.post(ctx, "model-versions/create", map[string]any{"name": model, "source": source, "run_id": s.state.RunID}, nil)
}

// dataset notes what the run was trained on, as an input with a digest of the files'
// names and sizes.
func (s *sink) dataset(ctx context.Context, e *track.Event) error {
	digest := sha256.New()
	err := filepath.WalkDir(e.Path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(e.Path, file)
		fmt.Fprintf(digest, "%q %d\n", filepath.ToSlash(rel), info.Size())
		return ctx.Err()
	})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return track.Refuse(fmt.Errorf("cannot describe the dataset %q: %w", e.Name, err))
	}
	source, _ := json.Marshal(map[string]string{"uri": e.Path})
	return s.c.post(ctx, "runs/log-inputs", map[string]any{
		"run_id": s.state.RunID,
		"datasets": []any{map[string]any{
			"tags": []keyValue{{"mlflow.data.context", "training"}},
			"dataset": map[string]string{
				"name": cut(e.Name, 500), "digest": hex.EncodeToString(digest.Sum(nil))[:16],
				"source_type": "local", "source": string(source),
			},
		}},
	}, nil)
}
