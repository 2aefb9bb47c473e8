package main

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
)

const (
	nodeName = "node"
	pods     = "10.244.0.0/24" // addresses of pods, as only the node and its pods have them
	volumes  = 4               // folders that claims get
)

// kernel is what a kubelet wants of the kernel. These are settings of the whole machine: the kubelet sees files of these contents instead.
var kernel = map[string]int{
	"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
	"kernel/keys/root_maxkeys": 1_000_000, "kernel/keys/root_maxbytes": 25_000_000,
}

// machine is what the files in the folder of that name are templates of.
type machine struct {
	options

	APIServer rig.Certificate // by which the kubelet knows the API server
	Volumes   []string        // folders that claims get

	end context.CancelCauseFunc // ends the machine, with why
}

func (m *machine) Folder() string     { return m.folder }
func (m *machine) Address() string    { return m.address }
func (m *machine) Runtime() string    { return m.runtime() }
func (m *machine) Kubeconfig() string { return m.file("kubeconfig") }
func (m *machine) Plugins() string    { return plugins }
func (m *machine) Pods() string       { return pods }
func (m *machine) Node() string       { return nodeName }

// file is a configuration file of the node's own.
func (m *machine) file(name string) string { return filepath.Join(m.folder, "machine", name) }

// inside is the first process of the namespaces. It ends with the first of the cluster's.
func inside(ctx context.Context, o options) error {
	ctx, end := context.WithCancelCause(ctx)
	m := machine{options: o, end: end}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	plane, err := rig.NewControlPlane(rig.ControlPlaneOptions{Assets: m.assets, Folder: m.folder, Address: m.address, NoSync: true, Flags: []string{
		"--endpoint-reconciler-type=lease", "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + m.APIServer.Public(), "--kubelet-client-key=" + m.APIServer.Key()}})
	if err != nil {
		return err
	}
	if err := errors.Join(plane.Up(ctx), rig.WriteKubeconfig(m.Kubeconfig(), plane.Admin())); err != nil {
		return err
	}
	m.endWith(plane.Etcd)
	m.endWith(plane.APIServer)
	if err := errors.Join(m.startRuntime(ctx), m.startCluster(plane)); err != nil {
		return err
	}
	if err := m.join(ctx, plane); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	if err := rig.WriteKubeconfig(m.kubeconfig(), plane.Admin()); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// prepare makes what the programs are configured with.
func (m *machine) prepare(ctx context.Context) error {
	var err error
	if m.APIServer, err = rig.NewCertificate(m.file("apiserver"), "kube-apiserver"); err != nil {
		return err
	}
	for i := range volumes {
		folder := filepath.Join(m.folder, "volumes", "volume-"+strconv.Itoa(i))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		m.Volumes = append(m.Volumes, folder)
	}
	return errors.Join(m.mount(ctx), m.configure())
}

// mount hides from the node, and the node from, what is the machine's.
func (m *machine) mount(ctx context.Context) error {
	for _, folder := range []string{"/run", "/var/log"} {
		if _, err := rig.Output(ctx, "mount", "-t", "tmpfs", "tmpfs", folder); err != nil {
			return err
		}
	}
	for name, value := range kernel {
		shown := filepath.Join(m.folder, "kernel", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(shown), 0o700), os.WriteFile(shown, []byte(strconv.Itoa(value)+"\n"), 0o600)); err != nil {
			return err
		}
		if _, err := rig.Output(ctx, "mount", "--bind", shown, filepath.Join("/proc/sys", name)); err != nil {
			return err
		}
	}
	return nil
}

//go:embed machine
var templates embed.FS

// configure writes the configuration files.
func (m *machine) configure() error {
	return fs.WalkDir(templates, "machine", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(m.folder, path), 0o700))
		}
		text, err := templates.ReadFile(path)
		if err != nil {
			return err
		}
		t, err := template.New(path).Funcs(template.FuncMap{"base": filepath.Base}).Parse(string(text))
		if err != nil {
			return err
		}
		var content strings.Builder
		if err := t.Execute(&content, m); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(m.folder, path), []byte(content.String()), 0o600)
	})
}

// run starts a program of the cluster's.
func (m *machine) run(program string, args ...string) error {
	p, err := rig.Start(rig.Command{Name: program, Path: filepath.Join(m.programs, program), Args: args,
		Env: []string{"PATH=" + m.programs + ":" + os.Getenv("PATH")}, Log: filepath.Join(m.folder, program+".log")})
	if err == nil {
		m.endWith(p)
	}
	return err
}

// endWith ends the machine when a process ends.
func (m *machine) endWith(p *rig.Process) {
	go func() {
		<-p.Exited()
		m.end(errors.Join(rig.ErrEnded, p.Err()))
	}()
}

// startRuntime starts containerd, and loads the images.
func (m *machine) startRuntime(ctx context.Context) error {
	if err := m.run("containerd", "--config="+m.file("containerd.toml")); err != nil {
		return err
	}
	err := until(ctx, func(ctx context.Context) bool {
		connection, err := (&net.Dialer{}).DialContext(ctx, "unix", m.runtime())
		return err == nil && connection.Close() == nil
	})
	for _, image := range append([]string{filepath.Join(m.programs, "pause.tar")}, m.images...) {
		if err == nil {
			_, err = rig.Output(ctx, filepath.Join(m.programs, "ctr"), "--address="+m.runtime(), "--namespace=k8s.io", "images", "import", image)
		}
	}
	return err
}

// startCluster starts what a cluster has besides its API server and containerd.
func (m *machine) startCluster(plane *rig.ControlPlane) error {
	kubeconfig := "--kubeconfig=" + m.Kubeconfig()
	return errors.Join(
		m.run("kube-controller-manager", kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1", "--cert-dir="+m.file("kube-controller-manager"),
			"--service-account-private-key-file="+plane.SigningKey(), "--root-ca-file="+plane.Admin().CAFile),
		m.run("kube-scheduler", kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1", "--cert-dir="+m.file("kube-scheduler")),
		m.run("kubelet", kubeconfig, "--config="+m.file("kubelet.yaml"), "--root-dir="+filepath.Join(m.folder, "kubelet"), "--cert-dir="+m.file("kubelet"),
			"--hostname-override="+nodeName, "--node-ip="+m.address),
		m.run("kube-proxy", "--config="+m.file("kube-proxy.yaml")),
		m.run("coredns", "-conf="+m.file("Corefile")))
}

// join makes what claims get, and waits until the node is ready.
func (m *machine) join(ctx context.Context, plane *rig.ControlPlane) error {
	api, err := client.New(plane.Admin(), client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return err
	}
	storage, err := os.ReadFile(m.file("storage.yaml"))
	if err != nil {
		return err
	}
	objects, err := rig.Parse(storage)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := rig.Apply(ctx, api, object, nodeName); err != nil {
			return err
		}
	}
	return until(ctx, func(ctx context.Context) bool {
		var node corev1.Node
		return api.Get(ctx, client.ObjectKey{Name: nodeName}, &node) == nil && slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
	})
}

// until asks over and over until the answer is yes.
func until(ctx context.Context, yes func(context.Context) bool) error {
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) { return yes(ctx), nil })
}
