package mlflow

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/torchlit/torchlit/track"
)

// runTags are the tags that MLflow's pages show in places of their own, and the run's,
// each with an empty value.
func runTags(run track.Run) map[string]string {
	tags := map[string]string{
		"mlflow.runName":     run.Name,
		"mlflow.source.type": "LOCAL",
		"mlflow.source.name": filepath.Base(os.Args[0]),
	}
	if u, err := user.Current(); err == nil {
		tags["mlflow.user"] = u.Username
	}
	if len(run.Overrides) > 0 {
		tags["torchlit.overrides"] = strings.Join(run.Overrides, " ")
	}
	if dir, err := filepath.Abs(run.Dir); err == nil {
		tags["torchlit.run_dir"] = dir
	}
	for key, args := range map[string][]string{
		"mlflow.source.git.commit":  {"rev-parse", "HEAD"},
		"mlflow.source.git.branch":  {"rev-parse", "--abbrev-ref", "HEAD"},
		"mlflow.source.git.repoURL": {"remote", "get-url", "origin"},
	} {
		if value := git(args...); value != "" {
			tags[key] = withoutCredentials(value)
		}
	}
	for _, tag := range run.Tags {
		tags[tag] = ""
	}
	return tags
}

// git asks git about the working directory. It returns "" where there is no git or no
// repository.
func git(args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// withoutCredentials takes the user and password or token out of a repository's
// address.
func withoutCredentials(address string) string {
	if u, err := url.Parse(address); err == nil && u.Scheme != "" && u.User != nil {
		u.User = nil
		return u.String()
	}
	return address
}
