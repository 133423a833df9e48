package pages

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

// hosts are those that pages lead to: a misspelt one is found without asking the network. "make links" visits what is there.
var hosts = []string{
	"arxiv.org", "cloud.google.com", "console.cloud.google.com", "cyclonedx.org", "docs.openvino.ai", "docs.ray.io", "docs.renovatebot.com", "dvc.org", "example.com", "github.com", "go.dev",
	"huggingface.co", "hydra.cc", "nannyml.readthedocs.io", "schemathesis.readthedocs.io",
}

// TestLinks: each link of a page leads to something, on GitHub and on the site that mkdocs makes.
func TestLinks(t *testing.T) {
	names := trackedFiles(t)
	all, err := pages()
	if err != nil {
		skip(t, err)
	}
	for _, p := range allPages(t) {
		for _, b := range p.broken {
			t.Errorf("%s:%d: %s: nothing of the page defines it", p.name, b.line, b.text)
		}
		for _, l := range p.links {
			if wrong := p.wrong(l, names, all); wrong != "" {
				t.Errorf("%s:%d: %q: %s", p.name, l.line, l.target, wrong)
			}
		}
	}
}

// wrong says what is wrong with a link; "" is nothing.
func (p *page) wrong(l link, names []string, all map[string]*page) string {
	u, err := url.Parse(l.target)
	switch {
	case err != nil:
		return err.Error()
	case u.Scheme == "mailto":
		return ""
	case u.Scheme != "" || u.Host != "":
		return wrongHost(u, l.image)
	case strings.HasPrefix(u.Path, "/"):
		return "it begins at the root of whatever shows the page: begin at the page's own folder"
	}
	target := p.name
	if u.Path != "" {
		target = path.Join(path.Dir(p.name), u.Path)
		switch {
		case strings.HasPrefix(target, "../"):
			return "it leaves the repository"
		case !inTree(names, target):
			return "there is no " + target + " in the repository (what git ignores is not there for others)"
		}
	}
	if u.Fragment == "" {
		return ""
	}
	to := all[target]
	if to == nil {
		return "a # in a file that is no page"
	}
	if !to.ids[u.Fragment] {
		near := ""
		for id := range to.ids {
			if strings.Contains(id, u.Fragment) || strings.Contains(u.Fragment, id) {
				near = "; there is #" + id
			}
		}
		return target + " has no such heading" + near
	}
	if mk, heading := to.mkdocs[u.Fragment]; heading && mk != u.Fragment {
		return "mkdocs names this heading #" + mk + ", GitHub #" + u.Fragment + ": give it a title that both name alike, without signs among its words"
	}
	return ""
}

func wrongHost(u *url.URL, image bool) string {
	host := u.Hostname()
	switch {
	case host == "localhost" || host == "127.0.0.1":
		return ""
	case u.Scheme != "https":
		return "it is not https"
	case image:
		return "an image of somebody else's server is not there offline, and sees who reads the page: commit it"
	case !slices.Contains(hosts, host):
		return "the host " + host + " is not among those of tests/pages/links_test.go: add it if it is meant"
	}
	return ""
}

func TestWrong(t *testing.T) {
	all := map[string]*page{
		"docs/a.md": parse("docs/a.md", "# A title\n\n## Signs & words\n"),
		"b.md":      parse("b.md", "# B\n"),
	}
	f := func(target, says string) {
		t.Helper()
		got := all["docs/a.md"].wrong(link{1, target, false}, []string{"docs/a.md", "b.md", "code/c.go"}, all)
		if says == "" && got != "" || !strings.Contains(got, says) {
			t.Errorf("%s: got %q; want %q", target, got, says)
		}
	}
	f("../b.md", "")
	f("../b.md#b", "")
	f("#a-title", "")
	f("../code", "")
	f("http://localhost:8080/docs", "")
	f("https://github.com/torchlit/torchlit", "")
	f("c.md", "there is no docs/c.md")
	f("../../b.md", "it leaves the repository")
	f("/b.md", "begins at the root")
	f("../b.md#c", "b.md has no such heading")
	f("#title", "there is #a-title")
	f("#signs--words", "mkdocs names this heading #signs-words")
	f("../code/c.go#L1", "no page")
	f("http://github.com", "not https")
	f("https://gihtub.com/x", "not among those")
	f("https://a b/", "invalid")
}
