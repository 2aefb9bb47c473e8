package scaler

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"numberfleet.dev/numberfleet/internal/rules"
	pb "numberfleet.dev/numberfleet/internal/scaler/externalscaler"
	"numberfleet.dev/numberfleet/internal/standing"
)

// The keys of a trigger's metadata, besides those of kinds.
const (
	metricKey = "metric"
	targetKey = "targetValue"
)

// kedaKeys are KEDA's own, which say how the scaler is reached.
var kedaKeys = []string{"scalerAddress", "enableTLS", "unsafeSsl", "tlsCertFile", "caCert", "tlsClientCert", "tlsClientKey"}

// kind is a kind of resource that senders are scaled on.
type kind struct {
	key     string // of the metadata, whose value is the resource's name
	name    string
	sending func(v *standing.View, namespace, name string) (standing.Sending, bool)
}

// kinds has all. What has a namespace is looked up in that of the ScaledObject alone.
var kinds = []kind{
	{"phoneNumber", "PhoneNumber", (*standing.View).NumberSending},
	{"numberPool", "NumberPool", (*standing.View).PoolSending},
	{"businessPortfolio", "BusinessPortfolio", func(v *standing.View, _, name string) (standing.Sending, bool) { return v.PortfolioSending(name) }},
}

const remaining = "remaining" // a metric, and the only one that has a limit

// metric is something that senders are scaled on. It is never negative.
type metric struct {
	name  string
	value func(*standing.Sending) int64
}

// metrics has all, the default first.
var metrics = []metric{
	{remaining, func(s *standing.Sending) int64 { return s.Remaining }},
	{"throughput", func(s *standing.Sending) int64 { return s.Throughput }},
	{"sendable", func(s *standing.Sending) int64 {
		if s.Sendable {
			return 1
		}
		return 0
	}},
}

// trigger is what a ScaledObject asks for.
type trigger struct {
	kind            kind
	namespace, name string
	metric          metric
	target          target
}

// target is how much of a metric one replica is for: a value, or a share of the limit.
type target struct {
	value   float64
	ofLimit bool
}

// The bounds of a target. KEDA hands it on in thousandths.
const (
	leastTarget = 0.001
	mostTarget  = math.MaxInt32
	mostPercent = 100
)

// readTrigger reads the metadata of a ScaledObject. The error names the key that is wrong and what is allowed there, and has the code
// InvalidArgument.
func readTrigger(ref *pb.ScaledObjectRef) (trigger, error) {
	t := trigger{namespace: ref.GetNamespace(), metric: metrics[0]}
	named := 0
	for key, value := range ref.GetScalerMetadata() {
		switch {
		case key == metricKey:
			if !t.setMetric(value) {
				return t, invalid("metric must be remaining, throughput or sendable")
			}
		case key == targetKey:
			if !t.setTarget(value) {
				return t, invalid("targetValue must be a number from 0.001 to 2147483647, or a percentage of the limit such as 10%")
			}
		case t.setKind(key, value):
			named++
		case !slices.Contains(kedaKeys, key):
			return t, invalid("a key of the metadata is not known; the keys are phoneNumber, numberPool, businessPortfolio, metric and targetValue")
		}
	}
	switch {
	case named != 1 || t.name == "":
		return t, invalid("the metadata must have phoneNumber, numberPool or businessPortfolio, with the name of one")
	case t.target.value == 0:
		return t, invalid("targetValue must be given: how much of the metric one replica is for")
	case t.target.ofLimit && t.metric.name != remaining:
		return t, invalid("targetValue can be a percentage of the limit for the metric remaining alone")
	}
	return t, nil
}

func invalid(problem string) error { return status.Error(codes.InvalidArgument, problem) }

func (t *trigger) setKind(key, name string) bool {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.key == key })
	if i >= 0 {
		t.kind, t.name = kinds[i], name
	}
	return i >= 0
}

func (t *trigger) setMetric(name string) bool {
	i := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name })
	if i >= 0 {
		t.metric = metrics[i]
	}
	return i >= 0
}

func (t *trigger) setTarget(text string) bool {
	number, ofLimit := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(number, 64)
	most := float64(mostTarget)
	if ofLimit {
		most = mostPercent
	}
	t.target = target{value, ofLimit}
	return err == nil && value >= leastTarget && value <= most
}

// sending is what the resource may send now. The error has the code NotFound.
func (t *trigger) sending(v *standing.View) (standing.Sending, error) {
	sending, ok := t.kind.sending(v, t.namespace, t.name)
	if !ok {
		return sending, status.Errorf(codes.NotFound, "there is no %s of the name in %s", t.kind.name, t.kind.key)
	}
	return sending, nil
}

// targetValue is how much of the metric one replica is for now: at least leastTarget, and at least 1 where it is a share of the limit.
func (t *trigger) targetValue(s *standing.Sending) float64 {
	if !t.target.ofLimit {
		return t.target.value
	}
	limit := s.Limit
	if limit == rules.Unlimited && s.Sendable {
		limit = rules.NoLimit
	}
	return max(1, float64(limit)*t.target.value/100)
}
