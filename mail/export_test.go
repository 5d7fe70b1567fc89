package mail

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
)

// Words are those of every letter, for tests that look whether each is said somewhere.
var Words = words

// WriteIn writes a letter in other words, as a translation would, or one that says what it should not.
var WriteIn = write

// Invite writes an invitation without the letter around it, for tests that want thousands.
var Invite = invite

// Trust lets tests talk to a TLS server of their own.
func (s *Sender) Trust(c *x509.Certificate) {
	roots := x509.NewCertPool()
	roots.AddCert(c)
	s.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}
