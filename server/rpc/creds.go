package rpc

import (
	"fmt"
	"net"

	"google.golang.org/grpc/credentials"
)

// http2Only closes a connection whose handshake settled on another protocol than HTTP/2, which grpc would speak on it all the same. There is one that
// needs no client's certificate: acme-tls/1, by which a certificate authority looks whether a name leads here (RFC 8737).
type http2Only struct {
	credentials.TransportCredentials
}

// ServerHandshake is that of credentials.TransportCredentials.
func (c http2Only) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	nc, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	if t, ok := info.(credentials.TLSInfo); ok && t.State.NegotiatedProtocol != "h2" {
		_ = nc.Close()
		return nil, nil, fmt.Errorf("cannot speak gRPC over %q", t.State.NegotiatedProtocol)
	}
	return nc, info, nil
}

// Clone is that of credentials.TransportCredentials.
func (c http2Only) Clone() credentials.TransportCredentials {
	return http2Only{c.TransportCredentials.Clone()}
}
