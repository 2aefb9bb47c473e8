// The modules that have the kinds of others that the chart has objects of. Their manifests alone are read, by a test of the chart, so `go mod
// tidy` would remove them.
module numberfleet.dev/numberfleet/hack/chart/kinds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.0
)
