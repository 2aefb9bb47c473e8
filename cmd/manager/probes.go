package main

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	ctrl "sigs.k8s.io/controller-runtime"

	"numberfleet.dev/numberfleet/internal/server"
)

// probes are what a kubelet asks. The process lives from its start to its end: to read a large ledger, or to begin a new log with one, takes minutes, and a
// process that is killed meanwhile begins anew. It is ready while it serves.
type probes struct {
	serving atomic.Pointer[func() error] // why it does not serve for now; nil where it does not serve yet, or any more
}

var errNotServing = errors.New("it does not serve")

func (p *probes) ready() error {
	if serving := p.serving.Load(); serving != nil {
		return (*serving)()
	}
	return errNotServing
}

// servers serves the probes at an address, if there is one.
func (p *probes) servers(address string) []*server.Server {
	if !served(address) {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", answer(func() error { return nil }))
	mux.HandleFunc("/readyz", answer(p.ready))
	return []*server.Server{{Name: "the probes", Listener: server.Listener{Address: address}, Handler: mux, Log: ctrl.Log.WithName("probes")}}
}

// answer answers with ok, or not: why is told to nobody, since anyone may ask.
func answer(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if check() != nil {
			http.Error(w, "not ok", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok")
	}
}
