//go:build links

package pages

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestVisitLinks asks for each address of the pages that is not here; "make links" runs it, CI does not: what others take down is not
// an error of the change that is tested.
func TestVisitLinks(t *testing.T) {
	from := map[string][]string{}
	for _, p := range allPages(t) {
		for _, l := range p.links {
			if u, err := url.Parse(l.target); err == nil && u.Scheme == "https" {
				u.Fragment = ""
				from[u.String()] = append(from[u.String()], fmt.Sprintf("%s:%d", p.name, l.line))
			}
		}
	}
	client := &http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	if err := visit(client, "https://go.dev/"); errors.As(err, new(*url.Error)) {
		t.Skip("there is no network: ", err)
	}
	var group errgroup.Group
	group.SetLimit(4)
	for address, places := range from {
		group.Go(func() error {
			if err := visit(client, address); err != nil {
				slices.Sort(places)
				t.Errorf("%s: %s: %v", strings.Join(slices.Compact(places), ", "), address, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func visit(client *http.Client, address string) error {
	reply, err := client.Get(address)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(reply.Body, 1<<20)); err != nil {
		return err
	}
	switch reply.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return errors.New(reply.Status)
	}
	return nil // others, as 403 and 429, say that they do not like to be asked by programs
}
