package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"k8s.io/apimachinery/pkg/util/version"
)

// oldest is the first version of nats-server that syncs once for each acknowledgement: before, three copies that sync always are not fast
// enough.
var oldest = version.MustParseGeneric("2.15.0")

var instances = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// complete checks the options, and sets those that have a default.
func (o *Options) complete() error {
	switch {
	case len(o.Servers) == 0:
		return errors.New("the log has no servers")
	case !instances.MatchString(o.Instance):
		return errors.New("the name of the log's instance is not 1 to 64 letters, digits, - and _")
	case o.Fingerprint == "":
		return errors.New("the fingerprint of the secret is missing")
	}
	o.Replicas = cmp.Or(o.Replicas, 3)
	o.Retention = cmp.Or(o.Retention, DefaultRetention)
	if o.Time == nil {
		o.Time = func(t time.Time) time.Time { return t }
	}
	return nil
}

// connection is one to any of the servers, and to another when that one is gone.
type connection struct {
	*nats.Conn
	mu      sync.Mutex
	session context.Context // ends when a server is gone: what it was asked gets no answer any more
	end     context.CancelFunc
}

// reachable connects to any of the servers, once one is there.
func reachable(ctx context.Context, o *Options) (c *connection, err error) {
	waits := false
	err = repeatedly(ctx, func(context.Context) error {
		c, err = connect(o)
		if err != nil && !final(err) && !waits {
			waits = true
			o.Log.Info("No server of the log is there, which is waited for", "reason", err.Error())
		}
		return err
	})
	return c, err
}

func connect(o *Options) (*connection, error) {
	c := &connection{}
	c.session, c.end = context.WithCancel(context.Background())
	options := []nats.Option{
		nats.Name("numberfleet " + o.Instance),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond),
		nats.Timeout(time.Second),
		nats.FlusherTimeout(time.Second),
		nats.PingInterval(2 * time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.renew()
			if err != nil {
				o.Log.Info("The connection to the log is lost", "reason", err.Error())
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { o.Log.Info("The log is connected again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			o.Log.Error(err, "The log's server reports an error")
		}),
	}
	if o.Credentials != "" {
		options = append(options, nats.UserCredentials(o.Credentials))
	}
	if o.CertificateAuthority != "" {
		options = append(options, nats.RootCAs(o.CertificateAuthority))
	}
	if o.Certificate != "" {
		options = append(options, nats.ClientCert(o.Certificate, o.Key))
	}
	var err error
	c.Conn, err = nats.Connect(strings.Join(o.Servers, ","), options...)
	return c, err
}

// renew ends the session, and begins the next.
func (c *connection) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
	c.session, c.end = context.WithCancel(context.Background())
}

// answered ends with ctx, and with the session.
func (c *connection) answered(ctx context.Context) (context.Context, context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return either(ctx, c.session)
}

// either ends with ctx, and with another, whose cause it has then.
func either(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// checkServer checks what a stream's configuration does not show.
func (j *Journal) checkServer() error {
	is, err := version.ParseGeneric(j.connection.ConnectedServerVersion())
	if err != nil {
		return fmt.Errorf("the version of nats-server: %w", err)
	}
	if is.LessThan(oldest) {
		return fmt.Errorf("nats-server is %s: the log needs %s or newer", is, oldest)
	}
	if !j.options.AllowUnsynced && j.connection.ConnectedClusterName() == "" {
		return errors.New("a server without a cluster does not tell how it syncs: connect to a cluster, or set requireSync to false")
	}
	return nil
}
