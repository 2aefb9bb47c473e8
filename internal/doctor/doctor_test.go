package doctor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/doctor"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

// Each check finds what it is for, on a real API server, and nothing while all is well.
func TestDoctor(t *testing.T) {
	h := newHospital(t)             // without a Prometheus operator and a Gateway API
	healthy := func(t *testing.T) { // the API server takes a moment until a kind is there again, or a right
		t.Helper()
		h.lead()
		h.of(t).examineUntil(h.options(), func(report *doctor.Report) bool {
			return len(report.Findings) == 0 && len(report.Checks) == 16 && report.Healthy()
		})
	}
	healthy(t)
	h.installForeign()
	healthy(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Run("found", func(t *testing.T) {
				h := h.of(t)
				o := h.options()
				test.make(h, &o)
				report := h.examineUntil(o, func(report *doctor.Report) bool {
					return len(report.Findings) == 1 && slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
						return f.Check == test.check && f.Severity == test.severity && strings.Contains(f.Message, test.message) && strings.Contains(f.Command, test.command)
					})
				})
				if report.Healthy() != (test.severity == doctor.Info || test.severity == doctor.Unknown) {
					t.Errorf("healthy is %v", report.Healthy())
				}
			})
			healthy(t) // what a test changed is as before
		})
	}
	t.Run("with few rights", func(t *testing.T) { examineWithFewRights(h.of(t)) })
	for _, state := range notReady {
		t.Run("a pod that is not ready: "+state.why, func(t *testing.T) { examineNotReady(h.of(t), state.status, state.why) })
	}
	t.Run("a way in by a Gateway", func(t *testing.T) { examineBehindAGateway(h.of(t)) })
}

var tests = []struct {
	name     string
	make     func(*hospital, *doctor.Options)
	check    string
	severity doctor.Severity
	message  string
	command  string
}{
	{"kinds of another version", func(h *hospital, _ *doctor.Options) {
		change(h, "numberpools.whatsapp.numberfleet.dev", func(d *apiextensionsv1.CustomResourceDefinition) {
			delete(d.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties, "strategy")
		})
	}, "kinds", doctor.Warning, "The kind NumberPool in the cluster is not that of version dev", "kubectl apply --server-side -f crds.yaml"},

	{"no operator", func(h *hospital, o *doctor.Options) { o.OperatorNamespace = "default" },
		"operator", doctor.Error, "Namespace default has no Deployment of the operator", "-l app.kubernetes.io/name=numberfleet"},
	{"an operator of another version", func(h *hospital, _ *doctor.Options) {
		change(h, deployment, func(d *appsv1.Deployment) { d.Labels["app.kubernetes.io/version"] = "0.9.0" })
	}, "operator", doctor.Info, "The operator is of version 0.9.0", ""},
	{"an operator that is scaled to nothing", func(h *hospital, _ *doctor.Options) {
		change(h, deployment, func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(0)) })
	}, "operator", doctor.Error, "no replicas", "scale deployment numberfleet-controller-manager --replicas=1"},
	{"two operators", func(h *hospital, _ *doctor.Options) {
		other := get[appsv1.Deployment](h, deployment)
		h.add(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "second", Labels: other.Labels}, Spec: other.Spec})
	}, "operator", doctor.Error, "There are 2 Deployments of the operator", "get deployments"},

	{"a configuration that cannot be used", func(h *hospital, _ *doctor.Options) { configure(h, "ledger: {engine: Tape}") },
		"configuration", doctor.Error, `ledger.engine: Unsupported value: "Tape"`, "edit configmap numberfleet-config"},
	{"a configuration that was not read", func(h *hospital, _ *doctor.Options) {
		change(h, "manager", func(p *corev1.Pod) { p.Status.StartTime = new(metav1.NewTime(clock.RealClock{}.Now().Add(-time.Hour))) })
	}, "configuration", doctor.Warning, "was changed after the operator had started", "rollout restart deployment numberfleet-controller-manager"},

	{"several replicas of one folder", func(h *hospital, _ *doctor.Options) {
		change(h, deployment, func(d *appsv1.Deployment) {
			d.Spec.Replicas, d.Status.Replicas, d.Status.ReadyReplicas = new(int32(2)), 2, 2
		})
	}, "ledger", doctor.Error, "There are to be 2 replicas", "--replicas=1"},
	{"a ledger that does not last", func(h *hospital, _ *doctor.Options) {
		change(h, deployment, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
		})
	}, "ledger", doctor.Error, "is on no volume that lasts", "edit deployment"},
	{"a volume that is not there", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-ledger", func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimPending })
	}, "ledger", doctor.Error, "is Pending and not Bound", "describe persistentvolumeclaim numberfleet-ledger"},
	{"a log that need not sync", func(h *hospital, _ *doctor.Options) {
		configure(h, "ledger: {engine: Log, log: {servers: ['tls://nats.nats.svc:4222'], secretFile: /etc/numberfleet/secrets/numberfleet-webhook/app-secret, requireSync: false}}")
	}, "ledger", doctor.Warning, "ledger.log.requireSync is false", ""},

	{"no Secret of the app", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-webhook", func(s *corev1.Secret) { delete(s.Data, config.AppSecretKey) })
	}, "secrets", doctor.Error, "--webhook-credentials/app-secret is to be in key app-secret of Secret numberfleet-system/numberfleet-webhook", "patch secret numberfleet-webhook"},
	{"a secret that was forgotten", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-webhook", func(s *corev1.Secret) { s.Data[config.VerifyTokenKey] = []byte("changeme") })
	}, "secrets", doctor.Warning, "looks like a placeholder", "patch secret numberfleet-webhook"},
	{"a token that is mounted nowhere", func(h *hospital, _ *doctor.Options) {
		configure(h, "graphAPI: {accounts: [{id: '2001', tokenFile: /etc/elsewhere/token}]}")
	}, "secrets", doctor.Error, "graphAPI.accounts[0].tokenFile is to be in /etc/elsewhere/token, and nothing is mounted there", "edit deployment"},

	{"no certificate", func(h *hospital, _ *doctor.Options) { remove[corev1.Secret](h, "numberfleet-guard-tls") },
		"certificates", doctor.Info, "the guard waits for a certificate", "create secret tls numberfleet-guard-tls"},
	{"a certificate that ended", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-guard-tls", func(s *corev1.Secret) { s.Data = h.certificate(-time.Minute, "numberfleet-guard."+system+".svc") })
	}, "certificates", doctor.Error, "The certificate of the guard in Secret numberfleet-system/numberfleet-guard-tls ended", "create secret tls"},
	{"a certificate that ends soon", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-guard-tls", func(s *corev1.Secret) { s.Data = h.certificate(13*24*time.Hour, "numberfleet-guard."+system+".svc") })
	}, "certificates", doctor.Warning, "ends at", "create secret tls"},
	{"a certificate for another name", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-guard-tls", func(s *corev1.Secret) { s.Data = h.certificate(90*24*time.Hour, "guard.example.com") })
	}, "certificates", doctor.Warning, "is not for numberfleet-guard.numberfleet-system.svc", "create secret tls"},
	{"a certificate without its key", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-guard-tls", func(s *corev1.Secret) {
			s.Data[corev1.TLSPrivateKeyKey] = h.certificate(time.Hour)[corev1.TLSPrivateKeyKey]
		})
	}, "certificates", doctor.Error, "has no certificate in PEM with its key", "create secret tls"},

	{"a Service that leads nowhere", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-events", func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Conditions.Ready = new(false) })
	}, "services", doctor.Error, "Service numberfleet-system/numberfleet-events has no endpoint that is ready", "describe service numberfleet-events"},
	{"no Service for webhooks", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-webhook", func(s *corev1.Service) { s.Spec.Ports[0].TargetPort = intstr.FromString("hooks") })
	}, "services", doctor.Error, "No Service of namespace numberfleet-system leads to the receiver of webhooks", "get services"},
	{"no way in for Meta", func(h *hospital, _ *doctor.Options) { remove[networkingv1.Ingress](h, "hooks") },
		"route", doctor.Info, "No Ingress or HTTPRoute", "get ingresses"},
	{"a way in without TLS", func(h *hospital, _ *doctor.Options) {
		change(h, "hooks", func(i *networkingv1.Ingress) { i.Spec.TLS = nil })
	}, "route", doctor.Warning, "Meta posts over HTTPS only", "edit ingress hooks"},

	{"a way in by a Gateway that leads elsewhere", func(h *hospital, _ *doctor.Options) {
		remove[networkingv1.Ingress](h, "hooks")
		h.add(h.route("elsewhere"))
	}, "route", doctor.Info, "No Ingress or HTTPRoute", "get ingresses"},
	{"metrics that nobody reads", func(h *hospital, _ *doctor.Options) { removeForeign(h, "ServiceMonitor") },
		"monitoring", doctor.Info, "has no ServiceMonitor", "kubectl get ServiceMonitors -A"},
	{"alerts that nobody gets", func(h *hospital, _ *doctor.Options) { removeForeign(h, "PrometheusRule") },
		"monitoring", doctor.Info, "has no PrometheusRule", "kubectl get PrometheusRules -A"},
	{"a clock of this machine that is off", func(_ *hospital, o *doctor.Options) {
		o.Ahead = -10 * time.Second
	}, "clock", doctor.Warning, "The clock of this machine is 10s behind the API server's", "timedatectl"},
	{"a clock of the operator that is off", func(h *hospital, _ *doctor.Options) {
		change(h, config.LeaseName, func(l *coordinationv1.Lease) {
			l.Spec.RenewTime = new(metav1.NewMicroTime(h.led.Add(45 * time.Second)))
		})
	}, "clock", doctor.Error, "s ahead of the API server's", "timedatectl"},
	{"a leader that is gone", func(_ *hospital, o *doctor.Options) {
		o.Now = o.Now.Add(10 * time.Minute)
		o.ServerTime = func(context.Context) (time.Time, error) { return o.Now, nil }
	}, "clock", doctor.Error, "No replica of the operator has renewed the lease for 10m", "describe lease"},

	{"an operator without its rights", func(h *hospital, _ *doctor.Options) {
		change(h, "numberfleet-manager-role", func(r *rbacv1.ClusterRole) {
			r.Rules = slices.DeleteFunc(r.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "phonenumbers/status") })
		})
	}, "operator-rights", doctor.Error, "patch phonenumbers.whatsapp.numberfleet.dev --subresource=status", "auth can-i patch"},

	{"no default policy", func(h *hospital, _ *doctor.Options) {
		change(h, "meta-2025", func(p *v1alpha1.MessagingPolicy) { delete(p.Annotations, v1alpha1.AnnotationDefaultPolicy) })
	}, "policies", doctor.Error, "None of the 8 MessagingPolicies is the default", "kubectl annotate messagingpolicy"},
	{"two default policies", func(h *hospital, _ *doctor.Options) {
		change(h, "botmaker", func(p *v1alpha1.MessagingPolicy) {
			p.Annotations = map[string]string{v1alpha1.AnnotationDefaultPolicy: "true"}
		})
	}, "policies", doctor.Warning, "botmaker, meta-2025. The first by name, botmaker, applies", "kubectl annotate messagingpolicy meta-2025"},

	{"a policy that is missing", func(h *hospital, _ *doctor.Options) {
		h.add(number("bank", "+15550107001", metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPolicyNotFound, Message: "There is none."}))
	}, "resources", doctor.Error, "Ready is False, PolicyNotFound: There is none.", "kubectl get messagingpolicies"},
	{"a token that Meta refuses, of several numbers", func(h *hospital, _ *doctor.Options) {
		for i := range 3 {
			h.add(number(fmt.Sprint("bank-", i), fmt.Sprintf("+1555010700%d", i), ready,
				metav1.Condition{Type: v1alpha1.ConditionReportsFresh, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonTokenRefused, Message: "It has expired."}))
		}
	}, "resources", doctor.Error, "ReportsFresh is False, TokenRefused: It has expired.", "kubectl -n numberfleet-system get secrets"},
	{"a token that Meta refuses, in a Secret that is known", func(h *hospital, _ *doctor.Options) {
		configure(h, "graphAPI: {accounts: [{id: '2001', tokenFile: /etc/numberfleet/secrets/numberfleet-webhook/token}]}")
		change(h, "numberfleet-webhook", func(s *corev1.Secret) { s.Data["token"] = []byte("EAAB4f1") })
		n := number("bank", "+15550107001", ready, metav1.Condition{Type: v1alpha1.ConditionReportsFresh, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonTokenRefused, Message: "It has expired."})
		n.Spec.Business.WhatsAppBusinessAccountID = "2001"
		h.add(n)
	}, "resources", doctor.Error, "TokenRefused", `kubectl -n numberfleet-system patch secret numberfleet-webhook --type=merge -p "{\"data\":{\"token\":`},
	{"an account without a subscription", func(h *hospital, _ *doctor.Options) {
		h.add(number("bank", "+15550107001", ready, metav1.Condition{Type: v1alpha1.ConditionUsageFresh, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonNotSubscribed, Message: "Subscribe it."}))
	}, "resources", doctor.Error, "NotSubscribed", "subscribed_apps"},
	{"a reason that this program does not know", func(h *hospital, _ *doctor.Options) {
		h.add(number("bank", "+15550107001", ready, metav1.Condition{Type: v1alpha1.ConditionUsageFresh, Status: metav1.ConditionUnknown, Reason: "Novelty", Message: "Something is new."}))
	}, "resources", doctor.Warning, "UsageFresh is Unknown, Novelty: Something is new.", "kubectl describe phonenumber bank -n default"},
	{"budgets that do not fit", func(h *hospital, _ *doctor.Options) {
		h.add(&v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.BusinessPortfolioSpec{DisplayName: "Acme"}, Status: v1alpha1.BusinessPortfolioStatus{
			CommonStatus: v1alpha1.CommonStatus{ObservedGeneration: 1, Conditions: []metav1.Condition{ready,
				{Type: v1alpha1.ConditionBudgetsFit, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonGuaranteesExceedLimit, Message: "Too much.", LastTransitionTime: metav1.Now()}}}}})
	}, "resources", doctor.Warning, "GuaranteesExceedLimit: Too much.", "kubectl edit businessportfolio acme"},
	{"a number that the operator has not seen", func(h *hospital, o *doctor.Options) {
		unseen := number("bank", "+15550107001")
		unseen.Status = v1alpha1.PhoneNumberStatus{}
		h.add(unseen)
		later := clock.RealClock{}.Now().Add(2 * time.Minute)
		o.Now = later
		o.ServerTime = func(context.Context) (time.Time, error) { return later, nil }
		change(h, config.LeaseName, func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil }) // else it is too old
	}, "resources", doctor.Error, "The operator has not seen the resource", "logs deployment/numberfleet-controller-manager"},
	{"two resources of one number at Meta", func(h *hospital, _ *doctor.Options) {
		for i := range 2 {
			n := number(fmt.Sprint("bank-", i), fmt.Sprintf("+1555010700%d", i), ready)
			n.Spec.PhoneNumberID = "106540352242922"
			h.add(n)
		}
	}, "duplicates", doctor.Error, "Several PhoneNumbers have the id 106540352242922", "kubectl delete phonenumber bank-"},
	{"numbers that nobody claims", func(h *hospital, _ *doctor.Options) {
		list, err := json.Marshal([]unclaimed.Number{{Key: "a", LastTime: metav1.Now()}, {Key: "b", LastTime: metav1.NewTime(clock.RealClock{}.Now().AddDate(0, 0, -8))}})
		h.must(err)
		h.add(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: unclaimed.ConfigMap}, Data: map[string]string{unclaimed.Key: string(list)}})
	}, "unclaimed", doctor.Warning, "for numbers that no PhoneNumber claims, 1 of them", "kubectl phonenumbers unclaimed"},
	{"a kind that is missing", func(h *hospital, _ *doctor.Options) {
		remove[apiextensionsv1.CustomResourceDefinition](h, "numberpools.whatsapp.numberfleet.dev")
	}, "kinds", doctor.Error, "The kind NumberPool is not in the cluster", "kubectl apply --server-side -f crds.yaml"},
}

var ready = metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonEvaluated, LastTransitionTime: metav1.Now()}

// number is a PhoneNumber that the operator has seen, with these conditions.
func number(name, phoneNumber string, conditions ...metav1.Condition) *v1alpha1.PhoneNumber {
	n := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: phoneNumber, Business: v1alpha1.Business{Name: "Acme"}}}
	n.Status.ObservedGeneration = 1
	for _, c := range conditions {
		c.LastTransitionTime = metav1.Now()
		n.Status.Conditions = append(n.Status.Conditions, c)
	}
	return n
}

// configure gives the operator another configuration.
func configure(h *hospital, configuration string) {
	h.Helper()
	change(h, "numberfleet-config", func(c *corev1.ConfigMap) {
		c.Data["config.yaml"] = "apiVersion: " + config.APIVersion + "\nkind: " + config.Kind + "\n" + configuration
	})
}

// Whoever may see the numbers of one namespace alone is told what could not be looked at, and gets the rest.
func examineWithFewRights(h *hospital) {
	h.add(number("bank", "+15550107001", metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPolicyNotFound, Message: "There is none."}))
	user, err := h.env.AddUser(envtest.User{Name: "viewer"}, nil)
	h.must(err)
	h.add(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "viewer"}, Subjects: []rbacv1.Subject{{Kind: "User", Name: "viewer", APIGroup: rbacv1.GroupName}},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "numberfleet-phonenumber-viewer-role"}})
	o := h.options()
	o.API = h.client(user.Config())
	h.examineUntil(o, func(report *doctor.Report) bool { // the API server takes a moment until it knows the binding
		for _, want := range []string{"Ready is False, PolicyNotFound", "only namespace default is looked at", `cannot list resource "deployments"`, "You lack rights in all namespaces for status, top, history and explain",
			"for live counts: create serviceaccounts/numberfleet-standing-reader --subresource=token."} {
			if !slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool { return strings.Contains(f.Message, want) }) {
				return false
			}
		}
		return report.Count(doctor.Error) == 1
	})
}
