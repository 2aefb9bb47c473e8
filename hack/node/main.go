// Command node is a Kubernetes cluster of one node on this machine, of programs that this repository builds, until it is told to end. It lives in
// namespaces of its own: its processes, mounts, network and kernel settings end with it, also when it is killed. Linux only, and root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"numberfleet.dev/numberfleet/hack/rig"
)

type options struct {
	assets   string
	programs string
	folder   string
	images   []string
	address  string // inside: where the API server and the kubelet listen
	check    bool
}

func main() {
	var o options
	flag.StringVar(&o.assets, "assets", os.Getenv("KUBEBUILDER_ASSETS"), "Folder with etcd and kube-apiserver.")
	flag.StringVar(&o.programs, "programs", "bin", "Folder with the other programs of a cluster.")
	flag.StringVar(&o.folder, "folder", ".node", "Folder for everything, with the kubeconfig, once the cluster is ready; made anew.")
	flag.Func("image", "OCI archive to load; may be repeated.", func(file string) error { o.images = append(o.images, file); return nil })
	flag.StringVar(&o.address, "inside", "", "Address to run at: this process has namespaces of its own already.")
	flag.BoolVar(&o.check, "check", false, "Only find out whether this machine has what a node needs.")
	flag.Parse()
	rig.Main("node", func(ctx context.Context) error {
		if o.address != "" {
			return inside(ctx, o)
		}
		return run(ctx, o)
	})
}

// kubeconfig is an administrator's. It is written when the cluster is ready.
func (o options) kubeconfig() string { return filepath.Join(o.folder, "kubeconfig") }

// runtime is the socket of containerd.
func (o options) runtime() string { return filepath.Join(o.folder, "containerd.sock") }

// run leaves nothing behind but the logs, in the folder, of what went wrong.
func run(ctx context.Context, o options) (err error) {
	if err := supported(); err != nil || o.check {
		return err
	}
	for _, path := range []*string{&o.assets, &o.programs, &o.folder} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	letGo, err := rig.Lock(filepath.Join(os.TempDir(), "numberfleet-node.lock"))
	if err != nil {
		return err
	}
	defer letGo()
	// What is left of a node that was killed. It is an error if another kubelet has pods here.
	if err := errors.Join(removeCgroups(ctx), os.RemoveAll(o.folder), os.MkdirAll(o.folder, 0o755)); err != nil {
		return err
	}
	defer func() {
		rig.KillAll()
		// The context has ended by now, perhaps.
		err = errors.Join(err, removeCgroups(context.WithoutCancel(ctx)))
		if err == nil || errors.Is(err, context.Canceled) {
			err = errors.Join(err, os.RemoveAll(o.folder))
		} else {
			err = fmt.Errorf("%w; the logs are in %s", err, o.folder)
		}
	}()
	node, err := start(ctx, o)
	if err != nil {
		return err
	}
	if err := node.Until(ctx, func(context.Context) bool { _, err := os.Stat(o.kubeconfig()); return err == nil }); err != nil {
		return err
	}
	fmt.Printf("==> the node is ready; Ctrl-C ends it\n\n  export KUBECONFIG=%s PATH=%s:$PATH\n\n", o.kubeconfig(), o.programs)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-node.Exited():
		return errors.Join(rig.ErrEnded, node.Err())
	}
}

// start runs this program once more, in namespaces of its own. The kernel ends everything in them with it.
func start(ctx context.Context, o options) (*rig.Process, error) {
	network, err := rig.NewNetwork(ctx)
	if err != nil {
		return nil, err
	}
	host, err := network.Join(ctx)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
		self, "--inside=" + host.Address, "--assets=" + o.assets, "--programs=" + o.programs, "--folder=" + o.folder}
	for _, image := range o.images {
		args = append(args, "--image="+image)
	}
	return rig.Start(host.Command(rig.Command{Name: "the node", Path: "unshare", Args: args, Log: filepath.Join(o.folder, "node.log")}))
}

// plugins is where Debian has the network plugins.
const plugins = "/usr/lib/cni"

// supported is an error that says what this machine lacks.
func supported() error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root, to make namespaces, mounts and cgroups")
	}
	var lacks []error
	for _, program := range []string{"runc", "nft", "ip", "unshare", "nsenter", filepath.Join(plugins, "bridge"), filepath.Join(plugins, "host-local")} {
		if _, err := exec.LookPath(program); err != nil {
			lacks = append(lacks, err)
		}
	}
	if len(lacks) > 0 {
		return fmt.Errorf("%w\nDebian: apt-get install runc containernetworking-plugins nftables iproute2", errors.Join(lacks...))
	}
	return nil
}
