// Package tracingtest is where spans go in tests: a receiver of OTLP over HTTP.
package tracingtest

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is one that was exported. Its ids are in hexadecimal digits.
type Span struct {
	Name, TraceID, ID, Parent string
	Attributes                map[string]string // in the text form of their values
	Failed                    bool
}

// Receiver keeps what is exported to it.
type Receiver struct {
	URL string // for OTEL_EXPORTER_OTLP_ENDPOINT

	mu       sync.Mutex
	spans    []Span
	resource map[string]string
	raw      []byte
}

// New starts a receiver, which ends with the test.
func New(t *testing.T) *Receiver {
	t.Helper()
	r := &Receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var export collector.ExportTraceServiceRequest
		if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &export) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.take(&export, body)
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

func (r *Receiver) take(export *collector.ExportTraceServiceRequest, raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw = append(r.raw, raw...)
	for _, of := range export.GetResourceSpans() {
		r.resource = map[string]string{}
		for _, a := range of.GetResource().GetAttributes() {
			r.resource[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				span := Span{Name: s.GetName(), TraceID: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()),
					Parent: hex.EncodeToString(s.GetParentSpanId()), Attributes: map[string]string{}, Failed: s.GetStatus().GetCode() == 2}
				for _, a := range s.GetAttributes() {
					span.Attributes[a.GetKey()] = a.GetValue().String()
				}
				r.spans = append(r.spans, span)
			}
		}
	}
}

// Named are the spans of that name.
func (r *Receiver) Named(name string) []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.spans), func(s Span) bool { return s.Name != name })
}

// Resource is what the exporter says of itself.
func (r *Receiver) Resource(attribute string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.resource[attribute]
}

// Raw is all that was exported, as it came.
func (r *Receiver) Raw() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.raw)
}
