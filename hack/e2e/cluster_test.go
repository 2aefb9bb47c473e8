//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
)

// repository is the root of this repository.
const repository = "../.."

// The operator's image, and its tags.
const image, before, after = "numberfleet", "before", "after"

// cluster is what `make node` is, until the test ends.
type cluster struct {
	client.Client
	programs, kubeconfig string
	address              string // of the node
}

// newCluster starts a node that has an image of the operator under each tag.
func newCluster(ctx context.Context, t *testing.T, tags ...string) *cluster {
	t.Helper()
	folder, err := os.MkdirTemp("", "numberfleet-e2e-") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{kubeconfig: filepath.Join(folder, "kubeconfig")}
	if c.programs, err = filepath.Abs(filepath.Join(repository, "bin")); err != nil {
		t.Fatal(err)
	}
	args := []string{"--assets=" + os.Getenv("KUBEBUILDER_ASSETS"), "--programs=" + c.programs, "--folder=" + folder}
	for _, tag := range tags {
		args = append(args, "--image="+c.archive(ctx, t, tag))
	}
	node, err := rig.Start(rig.Command{Name: "the node", Path: filepath.Join(c.programs, "node"), Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Stop(rig.Patience); err != nil {
			t.Error(err)
		}
	})
	if err := node.Until(ctx, func(context.Context) bool { _, err := os.Stat(c.kubeconfig); return err == nil }); err != nil {
		t.Fatal(err)
	}
	c.connect(t)
	return c
}

// archive writes the operator's image under a tag. Images of other tags have other labels, and so another digest.
func (c *cluster) archive(ctx context.Context, t *testing.T, tag string) string {
	t.Helper()
	archive := filepath.Join(t.TempDir(), tag+".tar")
	c.run(ctx, t, "image", "--name="+image+":"+tag, "--label=tag="+tag, "--output="+archive, "linux/"+goruntime.GOARCH+"="+filepath.Join(c.programs, "manager"))
	return archive
}

func (c *cluster) connect(t *testing.T) {
	t.Helper()
	admin, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	admin.QPS = -1 // no limit of its own
	server, err := url.Parse(admin.Host)
	if err != nil {
		t.Fatal(err)
	}
	c.address = server.Hostname()
	kinds := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(kinds), v1alpha1.AddToScheme(kinds)); err != nil {
		t.Fatal(err)
	}
	if c.Client, err = client.New(admin, client.Options{Scheme: kinds}); err != nil {
		t.Fatal(err)
	}
}

// run runs a program to its end, which must be a good one, and returns what it writes.
func (c *cluster) run(ctx context.Context, t *testing.T, program string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(ctx, filepath.Join(c.programs, program), args...)
	command.Env = c.environment()
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// environment is that of this process, with the cluster and its programs.
func (c *cluster) environment() []string {
	return append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "PATH="+c.programs+":"+os.Getenv("PATH"))
}

// until waits until something is so. What is wrong is said if it does not come.
func until(ctx context.Context, t *testing.T, wrong func(context.Context) string) {
	t.Helper()
	var last string
	if err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) {
		if now := wrong(ctx); now == "" || ctx.Err() == nil {
			last = now
		}
		return last == "", nil
	}); err != nil {
		t.Fatalf("%v: %s", err, last)
	}
}

// operator waits until the one pod of the operator is ready, and returns it.
func (c *cluster) operator(ctx context.Context, t *testing.T) *corev1.Pod {
	t.Helper()
	var pods corev1.PodList
	until(ctx, t, func(ctx context.Context) string {
		if err := c.List(ctx, &pods, client.InNamespace(rig.Namespace), client.MatchingLabels{"control-plane": "controller-manager"}); err != nil {
			return err.Error()
		}
		if len(pods.Items) != 1 {
			return fmt.Sprint(len(pods.Items), " pods")
		}
		for _, condition := range pods.Items[0].Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && pods.Items[0].DeletionTimestamp == nil {
				return ""
			}
		}
		return fmt.Sprintf("the pod is not ready: %+v", pods.Items[0].Status)
	})
	return &pods.Items[0]
}

// kill is kill -9 of the process of the operator. Its id is in the cgroup that has the name of the container.
func (c *cluster) kill(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	_, container, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
	var id int
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != container {
			return nil //nolint:nilerr // a cgroup of someone else's has ended
		}
		content, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil {
			return err
		}
		if id, err = strconv.Atoi(strings.TrimSpace(string(content))); err != nil {
			return err
		}
		return fs.SkipAll
	})
	if err != nil || id == 0 {
		t.Fatalf("the process of container %s: %d, %v", container, id, err)
	}
	process, err := os.FindProcess(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
}
