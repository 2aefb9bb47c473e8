package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

const (
	shop, shopSecret = "1002001", "s3cr3t-of-shop"
	bank, bankSecret = "1002002", "s3cr3t-of-bank"

	shopNumber, bankNumber, freeNumber = "+15550101001", "+15550101002", "+15550101003"
)

// deeds are owners by subject.
type deeds map[report.Subject][]string

func (d deeds) Accounts(_ context.Context, subject report.Subject) ([]string, error) {
	if accounts, ok := d[report.ParseSubject("fails")]; ok {
		return nil, errors.New(accounts[0])
	}
	return d[subject], nil
}

// newTenants is a receiver with an app that is trusted for all, whose path has no name, one named hub that is as well, and one each
// for the accounts of a shop and a bank.
func newTenants(t testing.TB) *fixture {
	t.Helper()
	f := newFixture(t)
	options := Options{Clock: clocktesting.NewFakePassiveClock(now), Metrics: prometheus.NewRegistry(), Log: f.log, Owners: deeds{
		report.ParseSubject(shopNumber): {shop}, report.ParseSubject(bankNumber): {bank},
		report.NumberIDSubject("7001"): {shop}, report.NumberIDSubject("7002"): {bank},
		report.PortfolioSubject("8001"): {shop, bank}, report.PortfolioSubject("8002"): {bank},
	}}
	options.Apps = []App{{Credentials: f.apps[DefaultPath].credentials}}
	for name, accounts := range map[string][]string{"hub": nil, "shop": {shop, "1002009"}, "bank": {bank}} {
		dir := t.TempDir()
		servertest.Write(t, dir, config.AppSecretKey, "s3cr3t-of-"+name)
		servertest.Write(t, dir, config.VerifyTokenKey, "t0ken-of-"+name)
		options.Apps = append(options.Apps, App{Name: name, Credentials: NewCredentials(dir, f.log), Accounts: accounts})
	}
	receiver, err := NewReceiver(options)
	if err != nil {
		t.Fatal(err)
	}
	f.Receiver, f.metrics = receiver, options.Metrics.(*prometheus.Registry)
	f.SetBackend(&ingest.Backend{Ledger: f.ledger, Hasher: f.hasher})
	return f
}

func (f *fixture) postTo(app, secret string, body []byte) *httptest.ResponseRecorder {
	req := signed(body, secret)
	req.URL.Path = DefaultPath + "/" + app
	return f.do(req)
}

// of makes a payload one of an account.
func of(account string, body []byte) []byte {
	return bytes.Replace(body, []byte(`"id":"`+metatest.Account+`"`), []byte(`"id":"`+account+`"`), 1)
}

func statusTo(number string) []byte {
	return metatest.MessagesPayload(number, []metatest.Status{{ID: "wamid.A", Status: "delivered", Phone: "15557770000", At: now}}, nil)
}

func failureOn(number string) []byte {
	return metatest.MessagesPayload(number, []metatest.Status{{ID: "wamid.A", Status: "failed", Phone: "15557770000", Code: 131026, At: now}}, nil)
}

// both puts the entries of two payloads into one.
func both(one, other []byte) []byte {
	list := func(body []byte) []byte {
		_, rest, _ := bytes.Cut(body, []byte(`"entry":[`))
		return rest[:bytes.LastIndexByte(rest, ']')]
	}
	return slices.Concat([]byte(`{"object":"whatsapp_business_account","entry":[`), list(one), []byte(","), list(other), []byte(`]}`))
}

func TestEachAppHasAPathASecretAndATokenOfItsOwn(t *testing.T) {
	f := newTenants(t)
	for _, test := range []struct {
		path, secret string
		code         int
	}{
		{DefaultPath, appSecret, 200}, {DefaultPath + "/hub", "s3cr3t-of-hub", 200}, {DefaultPath + "/shop", shopSecret, 200},
		{DefaultPath, shopSecret, 401}, {DefaultPath + "/shop", appSecret, 401}, {DefaultPath + "/shop", bankSecret, 401}, {DefaultPath + "/hub", shopSecret, 401},
		{DefaultPath + "/mall", shopSecret, 404}, {DefaultPath + "/", appSecret, 404}, {DefaultPath + "/shop/", shopSecret, 404}, {"/shop", shopSecret, 404},
	} {
		req := signed(of(shop, statusTo(shopNumber)), test.secret)
		req.URL.Path = test.path
		if w := f.do(req); w.Code != test.code {
			t.Errorf("%s, signed with %s, got %d %s", test.path, test.secret, w.Code, w.Body)
		}
	}
	for _, test := range []struct {
		path, token string
		code        int
	}{
		{DefaultPath, token, 200}, {DefaultPath + "/shop", "t0ken-of-shop", 200}, {DefaultPath + "/shop", token, 403}, {DefaultPath, "t0ken-of-shop", 403},
		{DefaultPath + "/mall", "t0ken-of-shop", 404},
	} {
		if w := f.do(httptest.NewRequest(http.MethodGet, test.path+"?hub.mode=subscribe&hub.challenge=11&hub.verify_token="+test.token, nil)); w.Code != test.code {
			t.Errorf("%s with %s got %d", test.path, test.token, w.Code)
		}
	}
}

// Whatever is asked of a path that is no app's, the answer is the same.
func TestNoAnswerTellsWhichAppsThereAre(t *testing.T) {
	f := newTenants(t)
	var first *httptest.ResponseRecorder
	for _, path := range []string{"/", "/favicon.ico", DefaultPath + "/mall", DefaultPath + "/shop2", DefaultPath + "/shop/x"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
			w := f.do(httptest.NewRequest(method, path, nil))
			if first == nil {
				first = w
			}
			if w.Code != 404 || w.Body.String() != first.Body.String() || fmt.Sprint(w.Header()) != fmt.Sprint(first.Header()) {
				t.Errorf("%s %s got %d %s %v", method, path, w.Code, w.Body, w.Header())
			}
		}
	}
	f.expectMetric(t, "numberfleet_webhook_requests_total", `numberfleet_webhook_requests_total{code="404"} 15`)
}

// What is left out is refused where it is all there is, and else not: the rest counts.
func TestAnAppWithAccountsSpeaksAboutTheseOnly(t *testing.T) {
	alert := func(about, id string) []byte { return metatest.AlertPayload(about, id, "OBA_APPROVED", "", now) }
	added := func(account string) []byte {
		return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"300000000000047","time":1790000000,"changes":[{"field":"account_update","value":` +
			`{"event":"PARTNER_ADDED","waba_info":{"waba_id":"` + account + `","owner_business_id":"5"}}}]}]}`)
	}
	removed := func(account, number string) []byte {
		return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"300000000000047","time":1790000000,"changes":[{"field":"account_update","value":` +
			`{"event":"PARTNER_REMOVED","phone_number":"` + number + `","waba_info":{"waba_id":"` + account + `"},"disconnection_info":{"reason":"PRIMARY_INACTIVITY"}}}]}]}`)
	}
	for name, test := range map[string]struct {
		body   []byte
		code   int
		stored int // records
		left   bool
	}{
		"its account and number":                                                    {of(shop, statusTo(shopNumber)), 200, 1, false},
		"another of its accounts":                                                   {of("1002009", statusTo(shopNumber)), 200, 1, false},
		"a number that no resource gives away":                                      {of(shop, statusTo(freeNumber)), 200, 1, false},
		"another account":                                                           {of(bank, statusTo(shopNumber)), 403, 0, true},
		"another account, with nothing that counts":                                 {[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1002002","changes":[]}]}`), 200, 0, false},
		"an account that nobody has":                                                {of("0", statusTo(shopNumber)), 403, 0, true},
		"an account that is no id":                                                  {of("15557770000 or so", statusTo(shopNumber)), 403, 0, true},
		"an account as a number":                                                    {bytes.Replace(of(shop, statusTo(shopNumber)), []byte(`"`+shop+`"`), []byte(shop), 1), 200, 1, false},
		"another's number":                                                          {of(shop, statusTo(bankNumber)), 403, 0, true},
		"a message that failed":                                                     {of(shop, failureOn(shopNumber)), 200, 1, false},
		"a message of another's number that failed":                                 {of(shop, failureOn(bankNumber)), 403, 0, true},
		"another's number after its own":                                            {both(of(shop, statusTo(shopNumber)), of(shop, statusTo(bankNumber))), 200, 1, true},
		"another account after its own":                                             {both(of(shop, statusTo(shopNumber)), of(bank, statusTo(bankNumber))), 200, 1, true},
		"a rating of another's number":                                              {of(shop, metatest.QualityUpdatePayload(bankNumber, "FLAGGED", "", now)), 403, 0, true},
		"a rating of its number":                                                    {of(shop, metatest.QualityUpdatePayload(shopNumber, "FLAGGED", "", now)), 200, 2, false},
		"a template of its account":                                                 {of(shop, metatest.TemplateStatusPayload(metatest.Account, "sale", "en", "PAUSED", "FIRST_PAUSE", now)), 200, 1, false},
		"a template of another account":                                             {of(bank, metatest.TemplateStatusPayload(metatest.Account, "sale", "en", "PAUSED", "FIRST_PAUSE", now)), 403, 0, true},
		"the limit of another account":                                              {of(bank, metatest.CapabilityPayload(metatest.Account, -1, now)), 403, 0, true},
		"an alert of a portfolio it is in":                                          {of(shop, alert("BUSINESS", "8001")), 200, 1, false},
		"an alert of another's portfolio":                                           {of(shop, alert("BUSINESS", "8002")), 403, 0, true},
		"an alert of a portfolio that nobody names":                                 {of(shop, alert("BUSINESS", "8003")), 200, 1, false},
		"an alert of its number's id":                                               {of(shop, alert("PHONE_NUMBER", "7001")), 200, 1, false},
		"an alert of another's number's id":                                         {of(shop, alert("PHONE_NUMBER", "7002")), 403, 0, true},
		"a verification of another's portfolio":                                     {of(shop, metatest.CertificationPayload(metatest.Account, "8002", "APPROVED", now)), 200, 1, true},
		"a partner of its account, told to the partner's business":                  {added(shop), 200, 0, false},
		"a partner of another account, told to the partner's business":              {added(bank), 200, 0, false},
		"that with what counts":                                                     {both(added(shop), of(shop, statusTo(shopNumber))), 200, 1, false},
		"that its number left, told to the partner's business":                      {removed(shop, "15550101001"), 200, 1, false},
		"that another's number left its account":                                    {removed(shop, "15550101002"), 403, 0, true},
		"that its number left another account":                                      {removed(bank, "15550101001"), 403, 0, true},
		"an account that is another's, of an entry that is its own":                 {bytes.Replace(removed(bank, "15550101003"), []byte("300000000000047"), []byte(shop), 1), 403, 0, true},
		"an alert of its portfolio, told to the partner's business":                 {of("300000000000047", alert("BUSINESS", "8001")), 200, 1, false},
		"an alert of another's portfolio, told to the partner's business":           {of("300000000000047", alert("BUSINESS", "8002")), 403, 0, true},
		"an alert of a portfolio that nobody names, told to the partner's business": {of("300000000000047", alert("BUSINESS", "8003")), 403, 0, true},
		"its own number after another's":                                            {both(of(shop, statusTo(bankNumber)), of(shop, statusTo(shopNumber))), 200, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newTenants(t)
			w := f.postTo("shop", shopSecret, test.body)
			stored := 0
			for _, batch := range f.ledger.batches {
				stored += len(batch.Entries) + len(batch.Reports)
			}
			if w.Code != test.code || stored != test.stored {
				t.Fatalf("got %d %s, and %d records are stored", w.Code, w.Body, stored)
			}
			const metric = "numberfleet_webhook_foreign_requests_total"
			f.expectMetric(t, metric, fmt.Sprintf("%[1]s 0\n%[1]s{app=\"bank\"} 0\n%[1]s{app=\"hub\"} 0\n%[1]s{app=\"shop\"} %[2]d", metric, map[bool]int{true: 1}[test.left]))
			for _, personal := range []string{"15557770000", "1555010100", "wamid", shopSecret} {
				if strings.Contains(f.logs.String(), personal) || strings.Contains(w.Body.String(), personal) {
					t.Errorf("%q is in the answer %s or the logs\n%s", personal, w.Body, f.logs)
				}
			}
			if left := strings.Contains(f.logs.String(), `"app"="shop" "about"=`); left != test.left {
				t.Errorf("the logs are\n%s", f.logs)
			}
			// Who is trusted for all may say each of these things.
			if w := f.postTo("hub", "s3cr3t-of-hub", test.body); w.Code != 200 {
				t.Errorf("of a trusted app it got %d %s", w.Code, w.Body)
			}
			if w := f.post(test.body); w.Code != 200 {
				t.Errorf("of the app without a name it got %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestWhoseNumberItIsMustBeKnownBeforeItIsWritten(t *testing.T) {
	f := newTenants(t)
	f.owners = deeds{report.ParseSubject("fails"): {"the cache is not there"}}
	if w := f.postTo("shop", shopSecret, of(shop, statusTo(shopNumber))); w.Code != 503 || len(f.ledger.batches) != 0 {
		t.Errorf("got %d", w.Code)
	}
	if w := f.postTo("hub", "s3cr3t-of-hub", of(shop, statusTo(shopNumber))); w.Code != 200 {
		t.Errorf("of a trusted app got %d", w.Code)
	}
}

func TestMetricsTellAppsApart(t *testing.T) {
	f := newTenants(t)
	f.postTo("shop", shopSecret, of(shop, statusTo(shopNumber)))
	f.postTo("shop", bankSecret, of(shop, statusTo(shopNumber)))
	f.post(statusTo(bankNumber))
	f.expectMetric(t, "numberfleet_webhook_requests_total", strings.Join([]string{
		`numberfleet_webhook_requests_total{code="200"} 1`, `numberfleet_webhook_requests_total{app="shop"}{code="200"} 1`,
		`numberfleet_webhook_requests_total{app="shop"}{code="401"} 1`,
	}, "\n"))
}

// An app that lacks its secret keeps nothing from the others, and what it alone may speak about is not received.
func TestWhatIsReceivedFollowsFromTheSecretsThatAreThere(t *testing.T) {
	f := newTenants(t)
	for _, name := range []string{"", "hub", "shop"} {
		f.apps[strings.TrimSuffix(DefaultPath+"/"+name, "/")].credentials.current.Store(&secrets{})
	}
	for account, want := range map[string]bool{bank: true, shop: false, "": true} {
		if got := f.Receives(account); got != want {
			t.Errorf("it says that it receives what is about %q: %v", account, got)
		}
	}
	if w := f.postTo("shop", shopSecret, of(shop, statusTo(shopNumber))); w.Code != 503 {
		t.Errorf("the one that lacks it got %d", w.Code)
	}
	f.apps[DefaultPath+"/bank"].credentials.current.Store(&secrets{})
	if f.Receives("") {
		t.Error("it receives without any secret")
	}
}

// Who subscribed hears when an app secret comes and when it goes, and of nothing else.
func TestItIsToldWhenASecretComesAndGoes(t *testing.T) {
	f, told := newFixture(t), 0
	f.Subscribe(func() { told++ })
	of, dir := f.apps[DefaultPath].credentials, t.TempDir()
	of.dir = dir
	for i, step := range []struct {
		secret string
		told   int
	}{{"", 1}, {"", 1}, {"s3cret", 2}, {"an0ther", 2}, {"", 3}} {
		servertest.Write(t, dir, config.AppSecretKey, step.secret)
		if of.read(); told != step.told {
			t.Errorf("step %d: told %d times, want %d", i, told, step.told)
		}
	}
}

func TestAReceiverNeedsAnAppAndNamesOfTheirOwn(t *testing.T) {
	credentials := NewCredentials(t.TempDir(), logr.Discard())
	for name, apps := range map[string][]App{
		"none": nil, "no name twice": {{Credentials: credentials}, {Credentials: credentials}}, "one name": {{Name: "a", Credentials: credentials}, {Name: "a", Credentials: credentials}},
		"no credentials": {{Name: "a"}}, "accounts without owners": {{Name: "a", Credentials: credentials, Accounts: []string{shop}}},
	} {
		if _, err := NewReceiver(Options{Apps: apps, Clock: clocktesting.NewFakePassiveClock(now), Metrics: prometheus.NewRegistry()}); err == nil {
			t.Errorf("%s: it is made", name)
		}
	}
	alone, err := NewReceiver(Options{Apps: []App{{Name: "a", Credentials: credentials}}, Clock: clocktesting.NewFakePassiveClock(now), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if alone.ServeHTTP(w, httptest.NewRequest(http.MethodGet, DefaultPath, nil)); w.Code != 404 {
		t.Errorf("without an app of its own, the path without a name got %d", w.Code)
	}
}

// During a rotation, an app's own two secrets are valid, at its path alone.
func TestAnAppRotatesItsSecretByItself(t *testing.T) {
	m := newMount(t, map[string]string{config.AppSecretKey: "old", config.VerifyTokenKey: token})
	receiver, err := NewReceiver(Options{
		Apps:  []App{{Name: "shop", Credentials: NewCredentials(m.dir, logr.Discard())}},
		Clock: clocktesting.NewFakePassiveClock(now), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Receiver: receiver, ledger: &recorder{}, hasher: &tableHasher{}}
	f.SetBackend(&ingest.Backend{Ledger: f.ledger, Hasher: f.hasher})
	codes := func() string {
		var all []string
		for _, secret := range []string{"old", "new"} {
			all = append(all, fmt.Sprint(f.postTo("shop", secret, statusTo(shopNumber)).Code))
		}
		return strings.Join(all, " ")
	}
	for _, step := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{config.AppSecretKey: "old", config.VerifyTokenKey: token}, "200 401"},
		{map[string]string{config.AppSecretKey: "new", config.PreviousAppSecretKey: "old", config.VerifyTokenKey: token}, "200 200"},
		{map[string]string{config.AppSecretKey: "new", config.VerifyTokenKey: token}, "401 200"},
	} {
		m.publish(step.files)
		f.apps[DefaultPath+"/shop"].credentials.read()
		if got := codes(); got != step.want {
			t.Errorf("with %d files, the old and the new secret got %s", len(step.files), got)
		}
	}
}

func BenchmarkReceiveOfAnAppWithAccounts(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newTenants(b)
			f.log = logr.Discard()
			f.owners = deeds{report.ParseSubject(number): {shop}}
			f.SetBackend(&ingest.Backend{Ledger: nothing{}, Hasher: nothing{}})
			body := of(shop, delivered(n))
			source := bytes.NewReader(body)
			req := signed(body, shopSecret)
			req.URL.Path = DefaultPath + "/shop"
			w := discard{header: http.Header{}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				source.Reset(body)
				req.Body = readerBody{source}
				if f.ServeHTTP(&w, req); w.code != 200 {
					b.Fatal(w.code)
				}
			}
		})
	}
}

type readerBody struct{ *bytes.Reader }

func (readerBody) Close() error { return nil }
