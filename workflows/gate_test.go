package workflows

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// gate stands between a client and a server over TCP, and can be shut: connections break, and new ones are refused service.
type gate struct {
	url string // the server's, through the gate

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

func newGate(t *testing.T, server string) *gate {
	t.Helper()
	address, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{conns: map[net.Conn]bool{}}
	target := address.Host
	address.Host = listener.Addr().String()
	g.url = address.String()
	t.Cleanup(func() {
		_ = listener.Close()
		g.shut()
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go g.carry(conn, target)
		}
	}()
	return g
}

func (g *gate) carry(client net.Conn, target string) {
	defer client.Close()
	if !g.enter(client) {
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	g.mu.Lock()
	delete(g.conns, client)
	g.mu.Unlock()
}

func (g *gate) enter(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.conns[conn] = true
	}
	return !g.closed
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for conn := range g.conns {
		_ = conn.Close()
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}
