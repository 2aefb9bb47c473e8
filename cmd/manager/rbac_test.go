package main

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/notify/notifytest"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

// What config/default makes of the operator's account and namespace.
const (
	operatorNamespaceName = "numberfleet-system"
	operatorAccount       = "numberfleet-controller-manager"
	operatorUser          = "system:serviceaccount:" + operatorNamespaceName + ":" + operatorAccount
)

// right is one thing that someone may do: in all namespaces if there is none, with all objects if there is no name.
type right struct{ namespace, group, resource, name, verb string }

func (r right) String() string {
	s := r.verb + " " + r.resource
	if r.group != "" {
		s += "." + r.group
	}
	if r.name != "" {
		s += " " + r.name
	}
	return s
}

func (r right) covers(use right) bool {
	return (r.namespace == "" || r.namespace == use.namespace) && (r.name == "" || r.name == use.name) &&
		r.group == use.group && r.resource == use.resource && r.verb == use.verb
}

func rightOf(role client.Object, single rbacv1.PolicyRule) right {
	r := right{namespace: role.GetNamespace(), group: single.APIGroups[0], resource: single.Resources[0], verb: single.Verbs[0]}
	if len(single.ResourceNames) > 0 {
		r.name = single.ResourceNames[0]
	}
	return r
}

// operatorRoles are the roles of config/default that are bound to the operator's account, and their bindings.
func operatorRoles(t *testing.T) (roles []client.Object, bindings []client.Object) {
	t.Helper()
	bound := map[string]bool{}
	bind := func(binding client.Object, to rbacv1.RoleRef, subjects []rbacv1.Subject) {
		if slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool { return s.Name == operatorAccount && s.Namespace == operatorNamespaceName }) {
			bound[to.Name] = true
			bindings = append(bindings, binding)
		}
	}
	for _, object := range installed(t) {
		switch object := object.(type) {
		case *rbacv1.RoleBinding:
			bind(object, object.RoleRef, object.Subjects)
		case *rbacv1.ClusterRoleBinding:
			bind(object, object.RoleRef, object.Subjects)
		default:
			roles = append(roles, object)
		}
	}
	return slices.DeleteFunc(roles, func(role client.Object) bool { return !bound[role.GetName()] }), bindings
}

func rulesOf(role client.Object) *[]rbacv1.PolicyRule {
	if role, ok := role.(*rbacv1.Role); ok {
		return &role.Rules
	}
	return &role.(*rbacv1.ClusterRole).Rules
}

// single writes a rule as rules of one verb, resource and name each.
func single(rule rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				for _, name := range names {
					one := rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{verb}}
					if name != "" {
						one.ResourceNames = []string{name}
					}
					all = append(all, one)
				}
			}
		}
	}
	return all
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: ["` + operatorUser + `"]
- level: None
`

// office is a cluster with the operator under its own account, with all that it has to do there, and the API server's record
// of what it asked for.
type office struct {
	*operator

	api           client.Client
	audit, events string
	roles         []client.Object
	rights        []right
	tokens        map[string]string // by service account
	chat          *notifytest.WebServer
	insecure      *http.Client
	now           func() time.Time // by the operator's clock
}

func newOffice(t *testing.T) *office {
	t.Helper()
	folder := t.TempDir()
	policy := filepath.Join(folder, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	env := &envtest.Environment{}
	s := &office{
		audit: filepath.Join(folder, "audit.log"), events: freeAddress(t), tokens: map[string]string{}, chat: notifytest.NewWebServer(t, false),
		now: time.Now, // the operator under test runs on real time
	}
	env.ControlPlane.GetAPIServer().Configure().Set("audit-policy-file", policy).Set("audit-log-path", s.audit)
	c, err := startCluster(env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop() })
	c.createPolicy(t)
	s.api, s.operator = c.api, newOperatorOf(t, c, envtest.User{
		Name: operatorUser, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + operatorNamespaceName, "system:authenticated"},
	})
	s.insecure = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

	s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespaceName}})
	var policyOfPortfolios v1alpha1.MessagingPolicy
	s.read("policies/meta-2025.yaml", &policyOfPortfolios)
	s.create(&policyOfPortfolios)
	var bindings []client.Object
	s.roles, bindings = operatorRoles(t)
	s.create(s.roles...)
	s.create(bindings...)
	for _, role := range s.roles {
		for _, rule := range *rulesOf(role) {
			for _, one := range single(rule) {
				s.rights = append(s.rights, rightOf(role, one))
			}
		}
	}

	// Those who call: a platform that sends events, and Prometheus.
	for account, name := range map[string]string{"platform": "numberfleet-event-sender", "prometheus": "numberfleet-metrics-reader"} {
		role := clusterRole(t, name)
		caller := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: account}}
		s.create(role, caller, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: account}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: account}},
		})
		request := &authenticationv1.TokenRequest{}
		if account == "platform" {
			request.Spec.Audiences = []string{"numberfleet"}
		}
		if err := s.api.SubResource("token").Create(t.Context(), caller, request); err != nil {
			t.Fatal(err)
		}
		s.tokens[account] = request.Status.Token
	}
	s.write("config.yaml", fmt.Sprintf(`apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
notifications:
  receivers:
  - name: chat
    slack: {url: %q}
`, s.chat.URL))
	s.more = []string{
		"--leader-elect", "--leader-election-namespace=" + operatorNamespaceName, "--events-bind-address=" + s.events,
		"--config=" + filepath.Join(s.folder, "config.yaml"),
	}
	return s
}

func (s *office) read(file string, into any) {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", file))
	if err == nil {
		err = yaml.UnmarshalStrict(content, into)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *office) create(objects ...client.Object) {
	s.t.Helper()
	for _, object := range objects {
		if err := s.api.Create(s.t.Context(), object); err != nil {
			s.t.Fatal(err)
		}
	}
}

// day is what the operator is there for, with resources of its own: numbers alone and in a portfolio, a template, a pool, and what
// Meta, a platform and Prometheus ask of it.
type day struct {
	*office

	number, flagged string // in E.164
	alone, member   *v1alpha1.PhoneNumber
	portfolio       *v1alpha1.BusinessPortfolio
	template        *v1alpha1.MessageTemplate
	pool            *v1alpha1.NumberPool
	works           int    // how often all was asked of the operator
	received        int    // the last answer to Meta
	metrics, sent   int    // to Prometheus and the platform
	logged          int    // what was in the log before
	where           string // namespace whose Events are looked at
}

// policyThatShips is one that somebody deletes before each day.
var policyThatShips = &v1alpha1.MessagingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "taqnyat"}}

// begin starts a day of the operator, the n-th.
func (s *office) begin(n int) *day {
	s.t.Helper()
	if err := client.IgnoreNotFound(s.api.Delete(s.t.Context(), policyThatShips.DeepCopy())); err != nil {
		s.t.Fatal(err)
	}
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprint(name, "-", n)}
	}
	account := fmt.Sprint(2000 + n)
	d := &day{office: s, number: fmt.Sprintf("+155501%05d", 2*n), flagged: fmt.Sprintf("+155501%05d", 2*n+1)}
	d.portfolio = &v1alpha1.BusinessPortfolio{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("acme-", n)}, Spec: v1alpha1.BusinessPortfolioSpec{PortfolioID: fmt.Sprint(3000 + n), PolicyName: "meta-2025"},
	}
	d.alone = &v1alpha1.PhoneNumber{ObjectMeta: named("alone"), Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: d.flagged, PolicyName: "quality-based"}}
	d.member = &v1alpha1.PhoneNumber{ObjectMeta: named("member"), Spec: v1alpha1.PhoneNumberSpec{
		PhoneNumber: d.number, Business: v1alpha1.Business{Portfolio: d.portfolio.Name, WhatsAppBusinessAccountID: account},
	}}
	d.template = &v1alpha1.MessageTemplate{ObjectMeta: named("sale"), Spec: v1alpha1.MessageTemplateSpec{
		TemplateName: "sale", Language: "en", WhatsAppBusinessAccountID: account, PhoneNumberNames: []string{d.member.Name},
	}}
	d.pool = &v1alpha1.NumberPool{ObjectMeta: named("all"), Spec: v1alpha1.NumberPoolSpec{Selector: &metav1.LabelSelector{}}}
	s.create(d.portfolio, d.alone, d.member, d.template, d.pool)
	// What a day before left behind; its lease would keep this one waiting.
	for _, object := range []client.Object{
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespaceName, Name: config.LeaseName}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespaceName, Name: "numberfleet-notifications-since"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespaceName, Name: unclaimed.ConfigMap}},
	} {
		if err := client.IgnoreNotFound(s.api.Delete(s.t.Context(), object)); err != nil {
			s.t.Fatal(err)
		}
	}
	// Someone edits a resource while the receiver hears of it, so that what was sent is written down onto another version.
	edits, edited := 0, []client.Object{d.portfolio.DeepCopy(), d.alone.DeepCopy(), d.template.DeepCopy()}
	s.chat.Answer(func(http.ResponseWriter) bool {
		for _, object := range edited {
			edits++
			edit := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"annotations":{"edits":"%d"}}}`, edits))
			_ = s.api.Patch(s.t.Context(), object.DeepCopyObject().(client.Object), edit)
		}
		return false
	})
	s.start()
	return d
}

// work asks all of the operator once.
func (d *day) work() {
	at := d.now()
	account := d.template.Spec.WhatsAppBusinessAccountID
	// Each time another limit and another status: there is always news to send, which meets an edit sooner or later.
	d.works++
	limit, status := int64(2000), "PAUSED"
	if d.works%2 == 0 {
		limit, status = 10_000, "APPROVED"
	}
	for i, body := range [][]byte{
		// Flagged twice at once, which is one Event that is patched.
		metatest.QualityUpdatePayload(d.flagged, "FLAGGED", "", at.Add(-3*time.Second)),
		metatest.QualityUpdatePayload(d.flagged, "UNFLAGGED", "", at.Add(-2*time.Second)),
		metatest.QualityUpdatePayload(d.flagged, "FLAGGED", "", at.Add(-time.Second)),
		metatest.QualityUpdatePayload(d.flagged, "UNFLAGGED", "", at),
		metatest.CapabilityPayload(account, limit, at),
		metatest.MessagesPayload("+15550100999", []metatest.Status{{ID: "wamid.stray", Status: "delivered", Phone: "15557770000", At: at}}, nil), // nobody's
		metatest.TemplateStatusPayload(account, "sale", "en", status, "FIRST_PAUSE", at),
	} {
		code, err := d.post(d.t.Context(), body)
		if err != nil && i == 0 {
			return // not there yet
		}
		d.received = code
	}
	d.sent = d.ask("platform", http.MethodPost, "http://"+d.events+"/v1/events", fmt.Sprintf(
		`{"specversion":"1.0","id":"%d","source":"/platform","type":"dev.numberfleet.message.received.v1","time":%q,"data":{"number":%q,"user":"+15557770000"}}`,
		at.UnixNano(), at.UTC().Format(time.RFC3339), d.number))
	d.metrics = d.ask("prometheus", http.MethodGet, "https://"+d.operator.metrics+"/metrics", "")
}

// ask is the code of the answer to a service account; 0 if there is none.
func (d *day) ask(account, method, address, body string) int {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+d.tokens[account])
	request.Header.Set("Content-Type", "application/cloudevents+json")
	response, err := d.insecure.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// workUntil asks all of the operator again and again, and says whether it is done.
func (d *day) workUntil(done func() bool) bool {
	return rig.Eventually(d.t.Context(), func() bool {
		d.work()
		time.Sleep(200 * time.Millisecond) // in which something comes of it
		return done()
	})
}

// used are the rights that the API server was asked for, with how it answered, from an offset in its record on.
func (s *office) used(from int64) map[right][]int {
	s.t.Helper()
	file, err := os.Open(s.audit)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		s.t.Fatal(err)
	}
	used := map[right][]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var entry struct {
			Verb      string
			ObjectRef *struct{ Namespace, APIGroup, Resource, Subresource, Name string }
			Status    struct{ Code int } `json:"responseStatus"`
		}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil || entry.ObjectRef == nil {
			continue // a line that is being written, or a question about the API itself
		}
		o := entry.ObjectRef
		r := right{o.Namespace, o.APIGroup, o.Resource, o.Name, entry.Verb}
		if o.Subresource != "" {
			r.resource += "/" + o.Subresource
		}
		used[r] = append(used[r], entry.Status.Code)
		if r.verb == "patch" && (entry.Status.Code == http.StatusCreated || entry.Status.Code == http.StatusForbidden) {
			r.verb = "create" // what is applied where there is nothing takes both
			used[r] = append(used[r], entry.Status.Code)
		}
	}
	return used
}

// recorded is how long the record is, in bytes.
func (s *office) recorded() int64 {
	s.t.Helper()
	info, err := os.Stat(s.audit)
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Size()
}

func (s *office) unused() []right {
	used := s.used(0)
	return slices.DeleteFunc(slices.Clone(s.rights), func(r right) bool {
		for u := range used {
			if r.covers(u) {
				return true
			}
		}
		return false
	})
}

// The API server writes down all that the operator asks for while it does all that it does: everything that config/default gives
// it, and nothing else.
func TestTheOperatorUsesEachOfItsRightsAndNoOther(t *testing.T) {
	t.Parallel()
	s := newOffice(t)
	if len(s.rights) < 20 {
		t.Fatalf("config/default gives the operator only %v", s.rights)
	}
	listing := func(r right) bool { return r.verb == "list" }
	if d := s.begin(0); !d.workUntil(func() bool { return !slices.ContainsFunc(s.unused(), func(r right) bool { return !listing(r) }) }) {
		t.Errorf("not used: %v", s.unused())
	}
	s.kill(syscall.SIGTERM)
	// API servers that do not stream what there is, such as those before Kubernetes 1.34, are asked for lists.
	s.environment = []string{"KUBE_FEATURE_WatchListClient=false"}
	if d := s.begin(1); !d.workUntil(func() bool { return len(s.unused()) == 0 }) {
		t.Errorf("not used: %v", s.unused())
	}
	s.kill(syscall.SIGTERM)
	for u, codes := range s.used(0) {
		if !slices.ContainsFunc(s.rights, func(r right) bool { return r.covers(u) }) {
			t.Errorf("not given: %v in namespace %q, answered with %v", u, u.namespace, codes)
		}
		if slices.Contains(codes, http.StatusForbidden) {
			t.Errorf("refused: %v in namespace %q", u, u.namespace)
		}
	}
}

// duties are what the operator does with its rights, by resource and verb, and whether it was done on a day.
var duties = []struct {
	resource string // and the name, where the right is to one
	verbs    []string
	what     string
	done     func(*day) bool
}{
	{"tokenreviews", []string{"create"}, "callers are known", func(d *day) bool { return d.sent == http.StatusOK || d.metrics == http.StatusOK }},
	{"subjectaccessreviews", []string{"create"}, "callers may do something", func(d *day) bool { return d.sent == http.StatusOK || d.metrics == http.StatusOK }},
	{"leases", []string{"get", "create"}, "it leads", func(d *day) bool { return d.get(d.alone) && d.alone.Status.State != "" }},
	{"leases", []string{"update"}, "it gives the lease back", func(d *day) bool {
		d.kill(syscall.SIGTERM)
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespaceName, Name: config.LeaseName}}
		return d.get(lease) && (lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "")
	}},
	{"events", []string{"create"}, "there is an Event", func(d *day) bool { return len(d.told()) > 0 }},
	{"events", []string{"patch"}, "an Event says that it happened again", func(d *day) bool {
		return slices.ContainsFunc(d.told(), func(e eventsv1.Event) bool { return e.Series != nil })
	}},
	{"phonenumbers", []string{"list"}, "numbers are known", func(d *day) bool { return d.get(d.alone) && d.alone.Status.State != "" }},
	{"messagingpolicies", []string{"list"}, "policies are known", func(d *day) bool { return d.get(d.alone) && d.alone.Status.State != "" }},
	{"businessportfolios", []string{"list"}, "portfolios are known", func(d *day) bool { return d.get(d.portfolio) && d.portfolio.Status.ObservedGeneration > 0 }},
	{"messagetemplates", []string{"list"}, "templates are known", func(d *day) bool { return d.get(d.template) && d.template.Status.ObservedGeneration > 0 }},
	{"numberpools", []string{"list"}, "pools are known", func(d *day) bool { return d.get(d.pool) && d.pool.Status.ObservedGeneration > 0 }},
	{"phonenumbers/status", []string{"patch"}, "numbers have a status", func(d *day) bool { return d.get(d.alone) && d.alone.Status.State != "" }},
	{"businessportfolios/status", []string{"patch"}, "portfolios have a status", func(d *day) bool { return d.get(d.portfolio) && d.portfolio.Status.ObservedGeneration > 0 }},
	{"messagetemplates/status", []string{"patch"}, "templates have a status", func(d *day) bool { return d.get(d.template) && d.template.Status.ObservedGeneration > 0 }},
	{"numberpools/status", []string{"patch"}, "pools have a status", func(d *day) bool { return d.get(d.pool) && d.pool.Status.ObservedGeneration > 0 }},
	{"configmaps", []string{"create"}, "it is remembered since when receivers are there", func(d *day) bool {
		return d.get(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespaceName, Name: "numberfleet-notifications-since"}})
	}},
	{"configmaps numberfleet-notifications-since", []string{"get", "patch"}, "it is remembered since when receivers are there", func(d *day) bool {
		return d.get(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespaceName, Name: "numberfleet-notifications-since"}})
	}},
	{"configmaps numberfleet-unclaimed", []string{"get", "patch"}, "what is not claimed is told", func(d *day) bool {
		return d.get(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespaceName, Name: unclaimed.ConfigMap}})
	}},
	// What these are for, it does another way or a moment later; that it misses them, the log says.
	{"phonenumbers", []string{"get", "watch"}, "it misses nothing", quiet},
	{"messagingpolicies", []string{"create", "patch"}, "a policy that ships is there again", func(d *day) bool { return d.get(policyThatShips.DeepCopy()) }},
	{"messagingpolicies", []string{"watch"}, "it misses nothing", quiet},
	{"businessportfolios", []string{"get", "watch"}, "it misses nothing", quiet},
	{"messagetemplates", []string{"get", "watch"}, "it misses nothing", quiet},
	{"numberpools", []string{"watch"}, "it misses nothing", quiet},
}

// quiet says whether the log goes on without a word of a right that is missing.
func quiet(d *day) bool {
	return !rig.Eventually(d.t.Context(), func() bool { return strings.Contains(d.log.String()[d.logged:], "is forbidden: User") })
}

// get reads an object, and says whether it is there.
func (d *day) get(object client.Object) bool {
	d.t.Helper()
	err := d.api.Get(d.t.Context(), client.ObjectKeyFromObject(object), object)
	if client.IgnoreNotFound(err) != nil {
		d.t.Fatal(err)
	}
	return err == nil
}

// told are the Events about a number of the day and, where the right in question is there, about the lease.
func (d *day) told() []eventsv1.Event {
	d.t.Helper()
	var all eventsv1.EventList
	if err := d.api.List(d.t.Context(), &all, client.InNamespace(d.where)); err != nil {
		d.t.Fatal(err)
	}
	return slices.DeleteFunc(all.Items, func(e eventsv1.Event) bool {
		return e.Regarding.Name != d.alone.Name && !e.CreationTimestamp.After(d.alone.CreationTimestamp.Time)
	})
}

// Each right is taken away in turn: the API server then refuses what the operator asks for, and what the right is for is not
// done. Webhooks are acknowledged all the same.
func TestWithoutOneOfItsRightsTheOperatorFailsAtWhatItIsFor(t *testing.T) {
	t.Parallel()
	s := newOffice(t)
	s.environment = []string{"KUBE_FEATURE_WatchListClient=false"}
	n := 0
	for _, role := range s.roles {
		var all []rbacv1.PolicyRule
		for _, rule := range *rulesOf(role) {
			all = append(all, single(rule)...)
		}
		for i, rule := range all {
			taken := rightOf(role, rule)
			n++
			*rulesOf(role) = slices.Delete(slices.Clone(all), i, i+1)
			if err := s.api.Update(t.Context(), role); err != nil {
				t.Fatal(err)
			}
			from := s.recorded()
			d := s.begin(n)
			d.logged, d.where = len(s.log.String()), cmp.Or(taken.namespace, "default")
			refused := func() bool {
				for u, codes := range s.used(from) {
					if taken.covers(u) && slices.Contains(codes, http.StatusForbidden) {
						return true
					}
				}
				return false
			}
			known := 0
			if !d.workUntil(func() bool { return d.received == http.StatusOK && refused() }) {
				t.Errorf("without %v nothing is refused, or webhooks are answered with %d", taken, d.received)
			}
			for _, duty := range duties {
				if (duty.resource == taken.resource || duty.resource == taken.resource+" "+taken.name) && slices.Contains(duty.verbs, taken.verb) {
					known++
					if duty.done(d) {
						t.Errorf("without %v, %s all the same", taken, duty.what)
					}
				}
			}
			if known != 1 {
				t.Errorf("it is not said what %v is for", taken)
			}
			s.kill(syscall.SIGKILL)
			*rulesOf(role) = all
			if err := s.api.Update(t.Context(), role); err != nil {
				t.Fatal(err)
			}
		}
	}
}
