package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

type operator struct {
	command *exec.Cmd
	exited  chan struct{}
	log     string
	webhook string // URL
	events  string // URL
	probe   string // URL
	secret  string // the app secret that signs webhooks
}

// startOperator runs the operator's binary with the rights and settings that it has in a cluster.
func startOperator(o options, cluster *controlPlane, life *life, config string) (*operator, error) {
	credentials := filepath.Join(o.state, "webhook")
	secret, err := credential(credentials, "app-secret")
	if err != nil {
		return nil, err
	}
	if _, err := credential(credentials, "verify-token"); err != nil {
		return nil, err
	}
	webhook, err := freeAddress()
	if err != nil {
		return nil, err
	}
	events, err := freeAddress()
	if err != nil {
		return nil, err
	}
	probe, err := freeAddress()
	if err != nil {
		return nil, err
	}
	metrics, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(o.state, "operator.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	// #nosec G204 -- the operator's own binary
	command := exec.Command(o.manager,
		"--kubeconfig="+cluster.operator,
		"--leader-elect", "--leader-election-namespace=numberfleet-system",
		"--data-dir="+filepath.Join(o.state, "ledger"),
		"--webhook-bind-address="+webhook,
		"--webhook-credentials="+credentials,
		"--events-bind-address="+events,
		"--config="+config,
		"--metrics-bind-address="+metrics,
		"--health-probe-bind-address="+probe,
		"--batch-period=200ms",
		// A minute of real time is two days of the fleet's.
		"--status-refresh-period=1s",
		"--status-refresh-qps=50",
		"--time-lapse-speed="+strconv.FormatFloat(o.speed, 'g', -1, 64),
		"--time-lapse-anchor="+life.anchor.Format(time.RFC3339Nano),
		"--time-lapse-origin="+life.origin.Format(time.RFC3339Nano),
	)
	command.Stdout, command.Stderr = log, log
	// A group of its own: Ctrl-C is ours, and we end it after the traffic.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	op := &operator{command: command, exited: make(chan struct{}), log: log.Name(), secret: secret,
		webhook: "http://" + webhook + "/webhooks/whatsapp", events: "http://" + events + "/v1/events", probe: "http://" + probe + "/readyz"}
	go func() {
		_ = command.Wait()
		close(op.exited)
	}()
	return op, nil
}

// ready waits until the operator says that it is.
func (o *operator) ready(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		select {
		case <-o.exited:
			return false, errors.New("it ended by itself")
		default:
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.probe, http.NoBody)
		if err != nil {
			return false, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // not listening yet
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		return fmt.Errorf("the operator did not become ready (its log is %s): %w", o.log, err)
	}
	return nil
}

func (o *operator) stop() error {
	if err := o.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-o.exited:
		return nil
	case <-time.After(20 * time.Second):
		return o.command.Process.Kill()
	}
}

// credential reads a secret of an earlier run, or makes one.
func credential(folder, name string) (string, error) {
	file := filepath.Join(folder, name)
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return "", err
		}
		content = []byte(rand.Text())
		err = os.WriteFile(file, content, 0o600)
		return string(content), err
	}
	return string(content), err
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
