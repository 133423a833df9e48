package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/torchlit/torchlit/config"
)

// healthCommand is curl for containers that have none.
func healthCommand() *cobra.Command {
	var file, address string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running server whether it is ready",
		Long: `Ask the server of this machine whether it is ready, and exit with 0 if it is and 1 if
not: what a container's health check runs. It finds the server as 'torchlit serve' is
told where to listen: by --config's file and the variable TORCHLIT_SERVER_ADDR.`,
		Example: `  torchlit health
  torchlit health --url https://localhost:8443`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if address == "" {
				var err error
				if address, err = ownAddress(file); err != nil {
					return usageError{err}
				}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return askReady(ctx, cmd.OutOrStdout(), address)
		},
	}
	cmd.Flags().StringVar(&address, "url", "", "address of the server, such as http://localhost:8080 (default: by serve's settings)")
	cmd.Flags().StringVar(&file, "config", "", "YAML file with serve's settings")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "when to give up")
	return cmd
}

// ownAddress is where the server that has file, or none, and the same variables listens.
func ownAddress(file string) (string, error) {
	settings := defaultServeSettings()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.AddFlags(flags, &settings)
	if err := config.Resolve(file, "server", flags, &settings); err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(settings.Addr)
	if err != nil {
		return "", fmt.Errorf("cannot use the address %q: %w; name another with --url", settings.Addr, err)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1" // a name would ask for a certificate of that name
	}
	scheme := "http"
	if settings.TLSCert != "" || settings.ACMEDomains != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

// askReady prints what the server says, and fails unless it is ready. Whose certificate it has does not matter: nothing is told to it.
func askReady(ctx context.Context, out io.Writer, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", nil)
	if err != nil {
		return usageError{fmt.Errorf("cannot use the address %q: %w; give one such as http://localhost:8080", address, err)}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no server answers: %w", err)
	}
	defer resp.Body.Close()
	var reply struct {
		Status string `json:"status"`
		Error  string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&reply); err != nil {
		return fmt.Errorf("what answers at %s is no torchlit serve: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not ready: %s", cmp.Or(reply.Error, reply.Status, resp.Status))
	}
	fmt.Fprintln(out, reply.Status)
	return nil
}
