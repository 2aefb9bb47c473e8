package rig

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Free ports are below those that a system gives to connections and to listeners that ask for any, from 32768 on: none of these takes one that
// was found free and is not listened on yet.
const firstPort, lastPort = 10000, 32767

// ports are given out one after the other, so that none is given out twice. Each process begins elsewhere, so that two seldom try the same.
var ports = struct {
	sync.Mutex
	next int
}{next: firstPort + rand.IntN(lastPort-firstPort)}

// FreeAddresses are addresses on loopback where nothing listens, each another one. They stay free until this process listens there.
func FreeAddresses(n int) (addresses []string, err error) {
	ports.Lock()
	defer ports.Unlock()
	for range lastPort - firstPort {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.next))
		if ports.next++; ports.next > lastPort {
			ports.next = firstPort
		}
		if listener, err := net.Listen("tcp", address); err == nil {
			_ = listener.Close()
			if addresses = append(addresses, address); len(addresses) == n {
				return addresses, nil
			}
		}
	}
	return nil, errors.New("no port is free")
}
