package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promapi "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/notify/notifytest"
	"numberfleet.dev/numberfleet/internal/promquery/promtest"
)

// monitored is a fleet that has all that dashboards show: a number with budgets of its own, one in a portfolio, a template, and a pool.
const monitored = `
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: PhoneNumber
metadata: {name: sales, namespace: default, labels: {team: sales}}
spec:
  phoneNumber: "+15550100081"
  phoneNumberID: "1001"
  policyName: quality-based
  business: {whatsAppBusinessAccountID: "2001"}
  budgets: [{name: logins, categories: [Authentication], guaranteed: 10, maximum: 100}]
---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: PhoneNumber
metadata: {name: support, namespace: default}
spec: {phoneNumber: "+15550100082", business: {portfolio: acme}}
---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: BusinessPortfolio
metadata: {name: acme}
spec: {portfolioID: "3001", policyName: meta-2025}
---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: MessageTemplate
metadata: {name: sale, namespace: default}
spec: {templateName: sale, language: en, whatsAppBusinessAccountID: "2001", policyName: meta-2025}
---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: NumberPool
metadata: {name: sales, namespace: default}
spec: {selector: {matchLabels: {team: sales}}}
`

// Over a live fleet every panel of the dashboards has data, every rule can be evaluated, every metric that either names is there, and what is
// wrong with the fleet is alerted. The operator, its log, Prometheus and the API server are real; Meta is a stand-in.
func TestDashboardsAndAlertsOverALiveFleet(t *testing.T) {
	t.Parallel()
	common, cluster := newOperator(t)
	meta := graphtest.New(clock.RealClock{})
	meta.AddToken("EAAguarded")
	meta.AddAccount(metatest.Account, "", "Harbour")
	meta.AddPhoneNumber("1001", metatest.Account, "+1 555-010-0081", "Harbour")
	upstream := httptest.NewServer(meta)
	t.Cleanup(upstream.Close)
	web := notifytest.NewWebServer(t, false)
	configuration := common.configure(newLog(t), logSecret, "")
	common.write("chat-url", web.URL+"/hook")
	common.write("config.yaml", text(t, configuration)+fmt.Sprintf("graphAPI: {baseURL: %s}\nnotifications: {receivers: [{name: chat, slack: {urlFile: %s}}]}\n",
		upstream.URL, filepath.Join(common.folder, "chat-url")))
	common.backUp(configuration, newBucket(t).Options())
	r := common.replica(configuration)
	guard := freeAddress(t)
	r.more = append(r.more, "--guard-bind-address="+guard)
	objects, err := rig.Parse([]byte(text(t, filepath.Join("..", "..", "config", "policies", "meta-2025.yaml")) + "\n---" + monitored))
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := cluster.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	allowCampaign(t, cluster)
	r.start()
	r.ready()

	rules, err := filepath.Abs(filepath.Join("..", "..", "config", "prometheus", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	server := promtest.Start(t, filepath.Join("..", ".."), &promtest.Options{
		Targets: []string{r.metrics}, Token: newScraperToken(t, cluster), Labels: map[string]string{"namespace": "numberfleet-system"}, Rules: rules,
	})
	connection, err := api.NewClient(api.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	prometheus := promapi.NewAPI(connection)
	has := func(expr string) bool {
		t.Helper()
		values, _, _, err := prometheus.Query(t.Context(), expr, time.Now()) // Prometheus runs on real time
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		vector, ok := values.(model.Vector)
		return ok && slices.ContainsFunc(vector, func(s *model.Sample) bool { return !math.IsNaN(float64(s.Value)) })
	}
	r.within("there is a first scrape: what happens before it is no rate", func() bool { return has("numberfleet_unclaimed_phone_numbers") })
	r.live(guard, gateAt(t, r.events, newToken(t, cluster, campaign)))
	asked := queries(t)
	for _, name := range metricsNamed(text(t, rules), asked) {
		asked["the metric "+name] = name
	}
	for _, alert := range []string{"NumberfleetFlagged", "NumberfleetTemplatePaused"} {
		asked["the alert "+alert] = fmt.Sprintf(`ALERTS{alertname=%q, alertstate="firing"}`, alert)
	}
	rig.Eventually(t.Context(), func() bool { // Prometheus looks five times a second
		maps.DeleteFunc(asked, func(_, expr string) bool { return has(expr) })
		return len(asked) == 0
	})
	for what, expr := range asked {
		t.Errorf("%s has no data: %s", what, expr)
	}
	r.within("Prometheus has evaluated each rule", func() bool { return evaluated(t, prometheus) })
}

// evaluated says whether each rule of a Prometheus was evaluated, without an error.
func evaluated(t *testing.T, prometheus promapi.API) bool {
	t.Helper()
	all, err := prometheus.Rules(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	health := map[string]promapi.RuleHealth{}
	for _, group := range all.Groups {
		for _, rule := range group.Rules {
			switch rule := rule.(type) {
			case promapi.AlertingRule:
				health[rule.Name] = rule.Health
				if rule.LastError != "" {
					t.Fatalf("%s: %s", rule.Name, rule.LastError)
				}
			case promapi.RecordingRule:
				health[rule.Name] = rule.Health
				if rule.LastError != "" {
					t.Fatalf("%s: %s", rule.Name, rule.LastError)
				}
			}
		}
	}
	maps.DeleteFunc(health, func(_ string, is promapi.RuleHealth) bool { return is == promapi.RuleHealthGood })
	return len(all.Groups) > 0 && len(health) == 0
}

// newScraperToken is that of a Prometheus that may read the metrics, and nothing else.
func newScraperToken(t *testing.T, cluster runtimeclient.Client) string {
	t.Helper()
	reader := clusterRole(t, "numberfleet-metrics-reader")
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "prometheus"}}
	for _, object := range []runtimeclient.Object{reader, account, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account.Name, Labels: reader.Labels}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: reader.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	}} {
		if err := cluster.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	request := &authenticationv1.TokenRequest{}
	if err := cluster.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// live has the fleet send, and Meta tell of it: a number rises, is flagged, and has what is delivered, failed, held, refused and unclaimed.
func (r *replica) live(guard string, gate *client.Client) {
	r.t.Helper()
	const sales = "+15550100081"
	r.deliver(sales, 0, 500)
	now := time.Now() // the operator under test runs on real time
	for _, body := range [][]byte{
		metatest.MessagesPayload(sales, []metatest.Status{{ID: "wamid.failed", Status: "failed", Phone: "15577770001", Code: 131026, At: now}}, nil),
		metatest.QualityUpdatePayload(sales, "FLAGGED", "", now),
		metatest.TemplateStatusPayload(metatest.Account, "sale", "en", "PAUSED", "FIRST_PAUSE", now),
	} {
		r.take(body)
	}
	for user := range 3 {
		if _, err := gate.Reserve(r.t.Context(), client.Request{Number: sales, User: fmt.Sprintf("+1557778%04d", user), Category: "Marketing"}); err != nil {
			r.t.Error(err)
		}
	}
	for _, to := range []struct{ url, token, body string }{
		{"http://" + guard + "/v27.0/1001/messages", "EAAguarded", `{"messaging_product":"whatsapp","to":"15557790001","type":"template","template":{"name":"other","language":{"code":"en"}}}`},
		{"http://" + r.events + "/v1/events", "nobody's", `{}`},
	} {
		request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, to.url, strings.NewReader(to.body))
		if err != nil {
			r.t.Fatal(err)
		}
		request.Header = http.Header{"Authorization": {"Bearer " + to.token}, "Content-Type": {"application/json"}}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			r.t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}

// queries are those of all panels of the dashboards, as Grafana would ask them of the number default/sales.
func queries(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "grafana", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range files {
		var board struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ RefID, Expr string }
			}
		}
		if err := json.Unmarshal([]byte(text(t, file)), &board); err != nil {
			t.Fatal(err)
		}
		for _, panel := range board.Panels {
			for _, target := range panel.Targets {
				all[strings.Join([]string{board.Title, panel.Title, target.RefID}, " / ")] =
					strings.NewReplacer("$namespace", "default", "$name", "sales", "$__rate_interval", "10m").Replace(target.Expr)
			}
		}
	}
	if len(all) < 40 {
		t.Fatalf("the dashboards have %d queries", len(all))
	}
	return all
}

var metric = regexp.MustCompile(`\bnumberfleet_[a-z0-9_]+(\{le=[^}]*})?`)

// metricsNamed are the metrics of the operator that rules and queries name, with the bounds of histograms.
func metricsNamed(rules string, queries map[string]string) []string {
	names := metric.FindAllString(rules, -1)
	for _, expr := range queries {
		names = append(names, metric.FindAllString(expr, -1)...)
	}
	return names
}
