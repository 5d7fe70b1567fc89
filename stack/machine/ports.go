package machine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// host is the one address everything listens on: trial data, no identity checks, so nothing beyond this machine.
const host = "127.0.0.1"

func at(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// Free ports are looked for below the range that the kernel hands to outgoing connections (it starts at 32768), so that
// a child that is started again finds its port still free.
const lowestFree, highestFree = 20000, 32000

var given struct {
	sync.Mutex
	ports map[int]bool // never given twice by one process: tests run several machines at once
}

func freePort() (int, error) {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	for range 1000 {
		port := lowestFree + rand.IntN(highestFree-lowestFree)
		if !given.ports[port] && available(port) {
			given.ports[port] = true
			return port, nil
		}
	}
	return 0, errors.New("no free port was found between " + strconv.Itoa(lowestFree) + " and " + strconv.Itoa(highestFree))
}

func available(port int) bool {
	l, err := net.Listen("tcp", at(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// port is one of the addresses that people type.
type port struct {
	number *int
	of     string // what listens there
	flag   string // how to choose another
}

func (p port) taken() error {
	return fmt.Errorf("port %d (%s) is already in use by another program; stop it or choose another with bin/stack --%s",
		*p.number, p.of, p.flag)
}

// settle replaces each 0 by a free port and names the first one that is taken.
func settle(ports []port) error {
	for i, p := range ports {
		for _, other := range ports[:i] {
			if *p.number != 0 && *p.number == *other.number {
				return fmt.Errorf("port %d is given to both %s and %s; choose another with bin/stack --%s",
					*p.number, other.of, p.of, p.flag)
			}
		}
	}
	for _, p := range ports {
		if *p.number != 0 {
			if !available(*p.number) {
				return p.taken()
			}
			continue
		}
		free, err := freePort()
		if err != nil {
			return err
		}
		*p.number = free
	}
	return nil
}
