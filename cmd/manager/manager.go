package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers"
	expose "numberfleet.dev/numberfleet/controllers/metrics"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/tracing"
	"numberfleet.dev/numberfleet/internal/version"
)

// authorised lets through to the metrics whom the API server says may read them. Strangers have it ask no more than 20 times a
// second. What is told of resources stands before what the registry has.
func authorised(told *expose.Exposition) func(*rest.Config, *http.Client) (metricsserver.Filter, error) {
	return func(api *rest.Config, client *http.Client) (metricsserver.Filter, error) {
		api = rest.CopyConfig(api)
		api.QPS, api.Burst = 20, 50
		filter, err := filters.WithAuthenticationAndAuthorization(api, client)
		if err != nil {
			return nil, err
		}
		return func(log logr.Logger, registry http.Handler) (http.Handler, error) {
			return filter(log, told.Before(registry))
		}, nil
	}
}

// userAgent is what the operator calls itself to others.
func userAgent() string { return "numberfleet/" + version.Release() }

// newClient is a client of the cluster for the kinds of one API group, of a command that runs no manager.
func newClient(addToScheme func(*runtime.Scheme) error) (client.Client, error) {
	api, err := ctrl.GetConfig()
	if err != nil {
		return nil, err
	}
	api.UserAgent = userAgent()
	scheme := runtime.NewScheme()
	if err := addToScheme(scheme); err != nil {
		return nil, err
	}
	return client.New(api, client.Options{Scheme: scheme})
}

// newManager makes a manager, with a lease of replicas if there are several.
func newManager(f flags, replicas bool, told *expose.Exposition) (manager ctrl.Manager, of *lease, err error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, nil, err
	}
	api, err := ctrl.GetConfig()
	if err != nil {
		return nil, nil, err
	}
	api.UserAgent = userAgent()

	serving := metricsserver.Options{
		BindAddress:    f.metricsAddress,
		SecureServing:  true,
		FilterProvider: authorised(told),
		// The format that has room for exemplars; there are none without traces.
		HandlerOpts: []func(*promhttp.HandlerOpts){func(o *promhttp.HandlerOpts) { o.EnableOpenMetrics = tracing.Configured() }},
	}
	if f.metricsCerts != "" { // it is read at each handshake: it may come later, and change
		file := filepath.Join(f.metricsCerts, server.CertificateFile)
		key := filepath.Join(f.metricsCerts, server.KeyFile)
		serving.TLSOpts = append(serving.TLSOpts, func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				certificate, err := tls.LoadX509KeyPair(file, key)
				return &certificate, err
			}
		})
	}
	if !f.http2 {
		serving.TLSOpts = append(serving.TLSOpts, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
	}
	options := ctrl.Options{
		Scheme:                  scheme,
		Metrics:                 serving,
		LeaderElection:          f.leaderElect,
		LeaderElectionID:        config.LeaseName,
		LeaderElectionNamespace: f.leaderElectionNamespace,
		// Safe since what controllers still do when the manager has ended has no effect: their context is done, and the ledger takes what the leader sets of
		// the last one alone.
		LeaderElectionReleaseOnCancel: true,
		Cache:                         cache.Options{DefaultTransform: controllers.TrimCache},
		// A reconcile sees the status that the one before it wrote; without it, half of them would decide on an old one, and
		// the write be refused.
		Client: client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
	}
	if replicas {
		if of, err = newLease(&f, api); err != nil {
			return nil, nil, err
		}
		options.LeaderElectionResourceLockInterface = of
		options.LeaseDuration, options.RenewDeadline, options.RetryPeriod = new(replicaLease), new(replicaRenew), new(replicaRetry)
	}
	manager, err = ctrl.NewManager(api, options)
	return manager, of, err
}

// namespaceFile tells a pod its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// namespace is where the operator keeps what is its own.
func (f *flags) namespace() (string, error) {
	if f.leaderElectionNamespace != "" {
		return f.leaderElectionNamespace, nil
	}
	namespace, err := os.ReadFile(namespaceFile)
	if err != nil {
		return "", fmt.Errorf("the operator's namespace is not known outside of a cluster, set --leader-election-namespace: %w", err)
	}
	return strings.TrimSpace(string(namespace)), nil
}
