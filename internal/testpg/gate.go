package testpg

import (
	"io"
	"maps"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Gate stands between a client and a server over TCP. It can be shut: connections break, and new ones are refused service;
// or it can go silent: connections stand, and nothing passes.
type Gate struct {
	URL string // the server's, through the gate

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
	silent sync.RWMutex // held for writing while nothing passes
	muted  map[net.Conn]bool
}

// NewGate opens a gate to the server that a URL names, until the test ends.
func NewGate(t testing.TB, server string) *Gate {
	t.Helper()
	address, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{conns: map[net.Conn]bool{}}
	target := address.Host
	address.Host = listener.Addr().String()
	g.URL = address.String()
	t.Cleanup(func() {
		_ = listener.Close()
		g.Shut()
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

func (g *Gate) carry(client net.Conn, target string) {
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
		_, _ = io.Copy(server, passing{client, g})
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	g.mu.Lock()
	delete(g.conns, client)
	g.mu.Unlock()
}

// passing reads what comes from the client, unless the gate is silent: then it waits.
type passing struct {
	net.Conn
	g *Gate
}

func (p passing) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.g.silent.RLock()
	defer p.g.silent.RUnlock()
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if p.g.muted[p.Conn] {
		return 0, err
	}
	return n, err
}

// Mute makes the connections that stand now say nothing for good.
func (g *Gate) Mute() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.muted = maps.Clone(g.conns)
}

// Hush lets nothing pass, while connections stand; Speak ends it.
func (g *Gate) Hush() { g.silent.Lock() }

// Speak ends Hush.
func (g *Gate) Speak() { g.silent.Unlock() }

func (g *Gate) enter(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.conns[conn] = true
	}
	return !g.closed
}

// Shut breaks every connection and refuses new ones.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for conn := range g.conns {
		_ = conn.Close()
	}
}

// Open lets connections through again.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}
