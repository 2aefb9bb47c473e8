package rig

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
)

// Network connects hosts on this machine through a router. Router and hosts are network namespaces. They end with the processes that
// hold them, and so at the latest with this process.
type Network struct {
	Machine *Host // this machine: what runs on no other host

	router *Host
	hosts  []*Host // by the number of their link
	block  int     // which addresses the network has
	cuts   [][]string
}

// Host is where programs run that have an address of their own.
type Host struct {
	Address string

	holder *Process // nil: this machine
}

// A network has 64 addresses of those that are for tests of networks, 198.18.0.0/15 by RFC 2544: 4 for each of 16 links.
const (
	links  = 16
	blocks = 1 << 17 / (4 * links)
)

// NewNetwork makes a network with this machine on it.
func NewNetwork(ctx context.Context) (*Network, error) {
	if err := NetworkSupported(ctx); err != nil {
		return nil, err
	}
	router, err := newHost(ctx)
	if err != nil {
		return nil, err
	}
	n := &Network{router: router, Machine: &Host{}}
	if err := n.setUp(ctx); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// setUp makes a router of the router, and connects this machine.
func (n *Network) setUp(ctx context.Context) error {
	if err := n.router.run(ctx, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"); err != nil {
		return err
	}
	device := fmt.Sprintf("rig%d", n.router.holder.PID())
	if err := n.Machine.run(ctx, "ip", "link", "add", device, "type", "veth", "peer", "name", "link0", "netns", n.router.namespace()); err != nil {
		return err
	}
	if err := n.Machine.run(ctx, "ip", "link", "set", device, "up"); err != nil {
		return err
	}
	// Another network of this machine may have the same addresses: then there is a route to them, and others are tried.
	var err error
	for range 8 {
		n.block = rand.IntN(blocks)
		if err = n.Machine.run(ctx, "ip", "route", "add", n.address(0)+"/26", "via", n.address(1), "dev", device, "onlink"); err == nil {
			return n.connect(ctx, n.Machine, device)
		}
	}
	return err
}

// address is the i-th address of the network.
func (n *Network) address(i int) string {
	i += n.block * 4 * links
	return fmt.Sprintf("198.%d.%d.%d", 18+i>>16, i>>8&255, i&255)
}

// connect gives both ends of the next link their addresses: the first is the router's, and the second the host's.
func (n *Network) connect(ctx context.Context, host *Host, device string) error {
	link, first := fmt.Sprintf("link%d", len(n.hosts)), 4*len(n.hosts)
	n.hosts = append(n.hosts, host)
	host.Address = n.address(first + 2)
	return errors.Join(
		n.router.run(ctx, "ip", "address", "add", n.address(first+1)+"/30", "dev", link),
		n.router.run(ctx, "ip", "link", "set", link, "up"),
		host.run(ctx, "ip", "address", "add", host.Address+"/30", "dev", device))
}

// Join adds a host. A network has at most 15 besides this machine.
func (n *Network) Join(ctx context.Context) (*Host, error) {
	number := len(n.hosts)
	if number == links {
		return nil, errors.New("the network is full")
	}
	host, err := newHost(ctx)
	if err != nil {
		return nil, err
	}
	const device = "eth0"
	return host, errors.Join(
		n.Machine.run(ctx, "ip", "link", "add", device, "netns", host.namespace(), "type", "veth",
			"peer", "name", fmt.Sprintf("link%d", number), "netns", n.router.namespace()),
		n.connect(ctx, host, device),
		host.run(ctx, "ip", "link", "set", device, "up"),
		host.run(ctx, "ip", "route", "add", "default", "via", n.address(4*number+1)))
}

// Cut lets nothing through between a host and others, in either direction: no packet, and no word that there is none.
func (n *Network) Cut(ctx context.Context, host *Host, others ...*Host) error {
	for _, other := range others {
		for _, pair := range [][2]*Host{{host, other}, {other, host}} {
			rule := []string{"from", pair[0].Address, "to", pair[1].Address, "blackhole"}
			if err := n.router.run(ctx, "ip", slices.Concat([]string{"rule", "add"}, rule)...); err != nil {
				return err
			}
			n.cuts = append(n.cuts, rule)
		}
	}
	return nil
}

// Heal ends all cuts.
func (n *Network) Heal(ctx context.Context) error {
	var err error
	for _, rule := range n.cuts {
		err = errors.Join(err, n.router.run(ctx, "ip", slices.Concat([]string{"rule", "del"}, rule)...))
	}
	n.cuts = nil
	return err
}

// Close ends the network. What runs on its hosts goes on without it.
func (n *Network) Close() {
	n.router.holder.Kill()
	for _, host := range n.hosts {
		if host != n.Machine {
			host.holder.Kill()
		}
	}
}

// NetworkSupported is an error that says why there is no Network on this machine.
func NetworkSupported(ctx context.Context) error {
	err := namespacesSupported(ctx, "--net")
	if err == nil {
		_, err = Output(ctx, "ip", "-V")
	}
	if err != nil {
		return fmt.Errorf("networks are not supported: %w", err)
	}
	return nil
}

// newHost makes a host without any link.
func newHost(ctx context.Context) (*Host, error) {
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	holder, err := Start(Command{Name: "a host", Path: "unshare", Args: []string{"--net", "--", "sleep", "infinity"}})
	if err != nil {
		return nil, err
	}
	host := &Host{holder: holder}
	err = holder.Until(ctx, func(context.Context) bool {
		its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", holder.PID()))
		return err == nil && its != ours
	})
	if err = errors.Join(err, host.run(ctx, "ip", "link", "set", "lo", "up")); err != nil {
		holder.Kill()
		return nil, err
	}
	return host, nil
}

// Command is a program that runs on the host.
func (h *Host) Command(c Command) Command {
	if h.holder == nil {
		return c
	}
	return c.inNamespace("net", "net", h.holder)
}

// run runs a program on the host to its end.
func (h *Host) run(ctx context.Context, program string, args ...string) error {
	c := h.Command(Command{Path: program, Args: args})
	_, err := Output(ctx, c.Path, c.Args...)
	return err
}

// namespace names the host's network namespace to ip.
func (h *Host) namespace() string { return strconv.Itoa(h.holder.PID()) }
