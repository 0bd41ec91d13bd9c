package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports are taken from below those that the system hands out for outgoing
// connections, so that a node finds its own free when it is started again.
const (
	firstPort = 15000
	lastPort  = 32000
)

var ports = struct {
	sync.Mutex
	taken map[int]bool
}{taken: make(map[int]bool)}

var errNoPort = errors.New("no free port was found on 127.0.0.1")

// freeAddr returns an address of the loopback interface on which nobody listens,
// neither TCP nor UDP, and which this process has given to nobody before.
func freeAddr() (string, error) {
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if ports.taken[port] {
			continue
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if !isFree(addr) {
			continue
		}
		ports.taken[port] = true
		return addr, nil
	}
	return "", fmt.Errorf("harness: %w between %d and %d", errNoPort, firstPort, lastPort)
}

func isFree(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	p.Close()
	return true
}
