package mail

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
)

// IndiscreetWords is the package's own list, beside the tests' one.
var IndiscreetWords = indiscreet

// Trust lets tests talk to a TLS server of their own.
func (s *Sender) Trust(c *x509.Certificate) {
	roots := x509.NewCertPool()
	roots.AddCert(c)
	s.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}
