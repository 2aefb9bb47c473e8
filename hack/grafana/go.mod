// Writes the Grafana dashboards in config/grafana. A module of its own, so that its dependencies stay out of the operator's.
module numberfleet.dev/numberfleet/hack/grafana

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
