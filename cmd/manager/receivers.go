package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"numberfleet.dev/numberfleet/controllers/directory"
	"numberfleet.dev/numberfleet/internal/config"
	gateapi "numberfleet.dev/numberfleet/internal/gate/api"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/ingest/events"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/secret"
	"numberfleet.dev/numberfleet/internal/server"
)

// watchFiles has the manager watch all files that secrets are to be in, and the certificates that listeners wait for.
func (p *program) watchFiles() error {
	files := p.config.Secrets()
	if p.webhookCredentials != "" {
		files = append(files, config.AppSecrets("--webhook-credentials", p.webhookCredentials)...)
	}
	for i, app := range p.config.Webhooks.Apps {
		files = append(files, config.AppSecrets(fmt.Sprintf("webhooks.apps[%d].credentials", i), app.Credentials)...)
	}
	for _, listener := range []struct{ address, flag, directory string }{
		{p.webhookAddress, "--webhook-cert-path", p.webhookCerts}, {p.eventsAddress, "--events-cert-path", p.eventsCerts},
		{p.guardAddress, "--guard-cert-path", p.guardCerts}, {p.scalerAddress, "--scaler-cert-path", p.scalerCerts},
		{p.metricsAddress, "--metrics-cert-path", p.metricsCerts},
	} {
		if !served(listener.address) || listener.directory == "" {
			continue
		}
		for _, name := range []string{server.CertificateFile, server.KeyFile} {
			files = append(files, secret.File{Field: listener.flag + "/" + name, Path: filepath.Join(listener.directory, name), Certificate: true})
		}
	}
	return p.manager.Add(secret.NewWatcher(files, p.degraded, metrics.Registry, ctrl.Log.WithName("secrets")))
}

// setUpWebhooks sets up the receiver of Meta's webhooks, for all apps that are configured.
func (p *program) setUpWebhooks() (err error) {
	log := ctrl.Log.WithName("webhook")
	options := webhook.Options{Owners: p.directory(), Clock: p.clock, Metrics: metrics.Registry, Log: log}
	add := func(app webhook.App, directory string, log logr.Logger) {
		app.Credentials = webhook.NewCredentials(directory, log)
		options.Apps = append(options.Apps, app)
		p.credentials = append(p.credentials, app.Credentials)
	}
	if p.webhookCredentials != "" {
		add(webhook.App{}, p.webhookCredentials, log)
	}
	for _, app := range p.config.Webhooks.Apps {
		add(webhook.App{Name: app.Name, Accounts: app.Accounts}, app.Credentials, log.WithValues("app", app.Name))
	}
	if p.webhooks, err = webhook.NewReceiver(options); err != nil {
		return fmt.Errorf("set up the receiver of webhooks: %w", err)
	}
	return nil
}

// setUpAccess sets up who callers with tokens of the cluster are.
func (p *program) setUpAccess() (err error) {
	audiences := strings.FieldsFunc(p.eventsAudiences, func(r rune) bool { return r == ',' || r == ' ' })
	p.access, err = server.NewAccess(p.manager.GetConfig(), p.manager.GetHTTPClient(), audiences)
	return err
}

// setUpEvents sets up the event API and that of the gate, if they are to be served.
func (p *program) setUpEvents() (err error) {
	if !served(p.eventsAddress) {
		return nil
	}
	p.events, err = events.NewReceiver(events.Options{
		Access: p.access, Directory: p.directory(), Clock: p.clock, Metrics: metrics.Registry, Log: ctrl.Log.WithName("event-api"),
	})
	if err != nil {
		return err
	}
	p.gate, err = gateapi.New(gateapi.Options{Access: p.access, Real: clock.RealClock{}, Metrics: metrics.Registry, Log: ctrl.Log.WithName("gate-api")})
	return err
}

// setUpGuard sets up the guard, if it is to be served.
func (p *program) setUpGuard() (err error) {
	if !served(p.guardAddress) {
		return nil
	}
	p.guard, err = guard.New(guard.Options{
		Config: &p.config.Guard, BaseURL: p.config.GraphAPI.BaseURL, Access: p.access, Directory: p.directory(), Clock: clock.RealClock{},
		Metrics: metrics.Registry, Log: ctrl.Log.WithName("guard"),
	})
	return err
}

// served says whether there is an address to serve at.
func served(address string) bool { return address != none && address != "" }

// api is the handler of the event API and of the gate's.
func (p *program) api(w http.ResponseWriter, req *http.Request) {
	if gateapi.Serves(req.URL.Path) {
		p.gate.ServeHTTP(w, req)
	} else {
		p.events.ServeHTTP(w, req)
	}
}

func (p *program) directory() directory.Directory {
	return directory.Directory{Reader: p.manager.GetCache()}
}

// servers are those of webhooks and, if they are to be served, of the event API and the guard.
func (p *program) servers() []*server.Server {
	all := []*server.Server{{
		Name: "the webhook receiver", Listener: server.Listener{Address: p.webhookAddress, CertDir: p.webhookCerts}, Handler: p.webhooks,
		Log: ctrl.Log.WithName("webhook"),
	}}
	if p.events != nil {
		all = append(all, &server.Server{
			Name: "the event API", Listener: server.Listener{Address: p.eventsAddress, CertDir: p.eventsCerts, Tokens: true},
			Handler: http.HandlerFunc(p.api), Log: ctrl.Log.WithName("event-api"), Stopping: p.gate.EndStreams,
		})
	}
	if p.guard != nil {
		all = append(all, &server.Server{
			Name: "the guard", Listener: server.Listener{Address: p.guardAddress, CertDir: p.guardCerts, Tokens: true},
			Handler: p.guard, Limits: guard.Limits, Log: ctrl.Log.WithName("guard"),
		})
	}
	return all
}
