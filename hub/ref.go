package hub

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Ref names a repository of the hub at a revision.
type Ref struct {
	Repo     string // such as "timm/resnet18.a1_in1k"
	Revision string // a branch, tag or commit; "" for "main"
}

// ParseRef reads "namespace/name" or "namespace/name@revision". The prefixes "hf-hub:"
// and "hf_hub:" that timm knows are allowed.
func ParseRef(id string) (Ref, error) {
	s := strings.TrimPrefix(strings.TrimPrefix(id, "hf-hub:"), "hf_hub:")
	repo, revision, found := strings.Cut(s, "@")
	r := Ref{repo, revision}
	if found && revision == "" {
		return Ref{}, fmt.Errorf("cannot use %q: it has no revision after the @; give a branch, a tag or a commit", id)
	}
	if err := r.check(); err != nil {
		return Ref{}, fmt.Errorf("cannot use %q: %w", id, err)
	}
	return r, nil
}

// repoName is the hub's own rule for "namespace/name", or "name" alone.
var repoName = regexp.MustCompile(`^(\w[\w.-]{0,95}/)?\w[\w.-]{0,95}$`)

func (r Ref) check() error {
	switch {
	case !repoName.MatchString(r.Repo), strings.Contains(r.Repo, "--"), strings.Contains(r.Repo, ".."),
		strings.HasSuffix(r.Repo, ".git"), strings.HasSuffix(r.Repo, "."), strings.HasSuffix(r.Repo, "-"):
		return fmt.Errorf("%q is no name of a repository on the hub; one is like timm/resnet18.a1_in1k", r.Repo)
	case !safe(r.revision()):
		return fmt.Errorf("%q is no revision; give a branch, a tag or a commit", r.Revision)
	}
	return nil
}

func (r Ref) revision() string {
	if r.Revision == "" {
		return "main"
	}
	return r.Revision
}

// String is the form that ParseRef reads.
func (r Ref) String() string {
	if r.Revision == "" {
		return r.Repo
	}
	return r.Repo + "@" + r.Revision
}

// safe is whether a name of the hub, with slashes, is one below a folder on every
// system.
func safe(name string) bool {
	return name != "." && filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name && !strings.ContainsAny(name, "\\:\x00")
}

var commitHash = regexp.MustCompile(`^[0-9a-f]{40}$`)
