package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/notify/notifytest"
	"numberfleet.dev/numberfleet/internal/scaledclock"
)

// What nobody may read anywhere. Each is like nothing else.
const (
	aUser         = "15557340021"
	aScopedUser   = "US.7340021scoped"
	aSender       = "15557340022" // of an event
	aName         = "Wilhelmina-Quux"
	aText         = "meet-me-at-the-zyzzyva"
	aMessage      = "wamid.HBgqvixen7340021"
	aGraphToken   = "EAAGqvixengraph7340021"
	anOldToken    = "EAAGqvixenexpired7340021"
	aSinkToken    = "qvixen-sink-token-7340021"
	aHook         = "qvixen-hook-7340021"
	aWrongToken   = "qvixen-wrong-bearer-7340021"
	aWrongVerify  = "qvixen-wrong-verify-7340021"
	garbage       = "qvixen-garbage-7340021"
	aPreviousHash = "qvixen-previous-secret-7340021"
)

// secrets are all of them, by what they are.
func (s *office) secrets() map[string]string {
	return map[string]string{
		"a user": aUser, "a business-scoped user": aScopedUser, "a user of an event": aSender, "a user's name": aName, "a text": aText, "a message": aMessage,
		"the app secret": appSecret, "the app secret before": aPreviousHash, "the verify token": verifyToken, "a wrong verify token": aWrongVerify,
		"the Graph API's token": aGraphToken, "an expired token": anOldToken, "a sink's token": aSinkToken, "a secret address": aHook,
		"the mail server's password": notifytest.Password, "a sender's token": s.tokens["platform"], "Prometheus's token": s.tokens["prometheus"],
		"a wrong token": aWrongToken, "what was not understood": garbage,
	}
}

// A busy operator is given everything that it takes, and much that it does not. Then all that it wrote is searched: what it
// logs at its most talkative and as it is made to dump its goroutines, its metrics, what it tells those who ask, the Events,
// the statuses and the ledger's files.
func TestNothingPersonalOrSecretLeavesTheOperator(t *testing.T) {
	t.Parallel()
	s := newOffice(t)
	s.busy()
	d := s.begin(0)
	s.create(&v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "of-another-account"}, Spec: v1alpha1.PhoneNumberSpec{
		PhoneNumber: "+15550109999", PolicyName: "quality-based", Business: v1alpha1.Business{WhatsAppBusinessAccountID: "2999"},
	}})
	var told bytes.Buffer // to those who ask
	ask := func(method, address string, header http.Header, body string) int {
		request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		response, err := s.insecure.Do(request)
		if err != nil {
			return 0
		}
		defer func() { _ = response.Body.Close() }()
		_, _ = io.Copy(&told, response.Body)
		return response.StatusCode
	}
	webhook := func(body string) int {
		return ask(http.MethodPost, "http://"+s.webhook+"/webhooks/whatsapp", http.Header{"X-Hub-Signature-256": {metatest.Sign(appSecret, []byte(body))}}, body)
	}
	event := func(token, body string) int {
		return ask(http.MethodPost, "http://"+s.events+"/v1/events", http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/x-ndjson"}}, body)
	}
	if !d.workUntil(func() bool { return d.sent == http.StatusOK && d.metrics == http.StatusOK }) {
		t.Fatalf("it is not at work: %d, %d", d.sent, d.metrics)
	}

	at := s.now()
	messages := string(metatest.MessagesPayload(d.flagged,
		[]metatest.Status{
			{ID: aMessage, Status: "delivered", Phone: aUser, Scoped: aScopedUser, At: at},
			{ID: aMessage + "2", Status: "failed", Phone: aUser, Code: 131049, At: at},
		},
		[]metatest.Inbound{{ID: aMessage + "3", Phone: aUser, Scoped: aScopedUser, At: at}}))
	messages = strings.Replace(messages, `"contacts":[{`, `"contacts":[{"profile":{"name":"`+aName+`"},`, 1)
	messages = strings.Replace(messages, `"messages":[{`, `"messages":[{"text":{"body":"`+aText+`"},`, 1)
	if !strings.Contains(messages, aText) {
		t.Fatal("the message has no text")
	}
	occurred := func(kind, data string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/platform","type":"dev.numberfleet.%s.v1","time":%q,"data":{%s}}`,
			s.now().UnixNano(), kind, at.UTC().Format(time.RFC3339), data)
	}
	ofUser := fmt.Sprintf(`"number":%q,"user":"+%s"`, d.flagged, aSender)
	for i, test := range []struct{ got, want int }{
		{webhook(messages), 200},
		{webhook(string(metatest.PreferencePayload(d.flagged, aUser, "stop", at))), 200},
		{webhook(strings.Replace(messages, `"delivered"`, `"`+garbage+`"`, 1)), 200},
		{webhook(strings.Replace(messages, `"statuses"`, `"`+garbage+`"`, 1)), 200},
		{webhook(strings.Replace(messages, `"timestamp":"`, `"timestamp":"`+garbage, 1)), 200},
		{webhook(`{"` + garbage + `":`), 400},
		{webhook(garbage + messages), 400},
		{ask(http.MethodPost, "http://"+s.webhook+"/webhooks/whatsapp", http.Header{"X-Hub-Signature-256": {garbage}}, messages), 401},
		{ask(http.MethodPost, "http://"+s.webhook+"/"+garbage, nil, messages), 404},
		{ask(http.MethodGet, "http://"+s.webhook+"/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=1&hub.verify_token="+strings.ReplaceAll(verifyToken, " ", "%20"), nil, ""), 200},
		{ask(http.MethodGet, "http://"+s.webhook+"/webhooks/whatsapp?hub.mode=subscribe&hub.challenge="+garbage+"&hub.verify_token="+aWrongVerify, nil, ""), 403},
		{event(s.tokens["platform"], occurred("message.delivered", ofUser+`,"messageID":"`+aMessage+`"`)), 200},
		{event(s.tokens["platform"], occurred("feedback.received", ofUser+`,"kind":"Block","reason":"Spam"`)), 200},
		{event(s.tokens["platform"], occurred("message.failed", ofUser+`,"messageID":"`+aMessage+`4","code":1`)), 200},
		{event(s.tokens["platform"], occurred("message.delivered", ofUser+`,"`+garbage+`":1`)), 400},
		{event(s.tokens["platform"], occurred("feedback.received", ofUser+`,"kind":"`+garbage+`"`)), 400},
		{event(s.tokens["platform"], occurred("message.received", `"number":"`+aUser+garbage+`","user":"`+aSender+`"`)), 400},
		{event(s.tokens["platform"], garbage+aUser), 400},
		{event(aWrongToken, occurred("message.received", ofUser)), 401},
		{event(s.tokens["prometheus"], occurred("message.received", ofUser)), 401},
		{ask(http.MethodGet, "https://"+d.operator.metrics+"/metrics", http.Header{"Authorization": {"Bearer " + aWrongToken}}, ""), 500},
		{ask(http.MethodGet, "https://"+d.operator.metrics+"/"+garbage, http.Header{"Authorization": {"Bearer " + s.tokens["prometheus"]}}, ""), 404},
		{ask(http.MethodGet, "http://"+s.probe+"/"+garbage, nil, ""), 404},
	} {
		if test.got != test.want {
			t.Errorf("question %d is answered with %d, not %d", i, test.got, test.want)
		}
	}
	// Each receiver that can be reached has heard of it, and each that cannot has been tried; so has each account.
	if !d.workUntil(func() bool {
		log := s.log.String()
		return len(s.chat.Posts()) > 0 && strings.Contains(log, "notification not sent") && strings.Contains(log, "the access token has expired")
	}) {
		t.Error("what goes out has not gone out")
	}
	if code := ask(http.MethodGet, "https://"+d.operator.metrics+"/metrics", http.Header{"Authorization": {"Bearer " + s.tokens["prometheus"]}}, ""); code != http.StatusOK {
		t.Errorf("the metrics are answered with %d", code)
	}
	s.kill(syscall.SIGQUIT) // which makes a Go program dump its goroutines
	if !strings.Contains(s.log.String(), "SIGQUIT: quit") {
		t.Error("there is no dump")
	}

	written := map[string]string{
		"the log": s.log.String(), "an answer": told.String(), "the Kubernetes API": s.everything(),
		"the ledger": files(t, filepath.Join(s.folder, "ledger")),
	}
	for where, text := range written {
		if len(text) < 1000 {
			t.Errorf("%s has only %d bytes", where, len(text))
		}
		for what, secret := range s.secrets() {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s tells %s: %q", where, what, text[max(0, at-200):min(len(text), at+100)])
			}
		}
		// The fleet's own numbers are in the specs, and the ledger's keys.
		if own := strings.TrimPrefix(d.flagged, "+"); where != "the ledger" && strings.Contains(text, own) {
			t.Errorf("%s tells a number of the fleet: %q", where, text[max(0, strings.Index(text, own)-300):strings.Index(text, own)+50])
		}
	}
}

// busy gives the operator more to do: receivers of each kind, one of which is broken, and an account to read with a token that
// is good, and one with a token that is not.
func (s *office) busy() {
	s.t.Helper()
	// Accounts are read four times an hour: on this clock, every nine seconds.
	anchor := time.Now().UTC().Truncate(time.Second)
	fast, err := scaledclock.New(clock.RealClock{}, anchor, anchor, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	s.now, s.more = fast.Now, append(s.more, "--time-lapse-speed=100", "--time-lapse-anchor="+anchor.Format(time.RFC3339))
	standIn := graphtest.New(fast)
	standIn.AddToken(aGraphToken)
	standIn.AddToken(anOldToken)
	standIn.ExpireToken(anOldToken)
	standIn.AddBusiness("9001", "Acme")
	for _, id := range []string{"2000", "2999"} {
		standIn.AddAccount(id, "9001", "Acme")
	}
	standIn.AddPhoneNumber("1001", "2000", "+1 555-010-0000", "Acme")
	graph := httptest.NewServer(standIn)
	s.t.Cleanup(graph.Close)
	mail, sink := notifytest.NewMailServer(s.t, config.StartTLS), notifytest.NewWebServer(s.t, true)
	sink.Answer(func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusForbidden); return true })
	for name, content := range map[string]string{
		"graph": aGraphToken, "graph-old": anOldToken, "password": notifytest.Password, "hook": s.chat.URL + "/" + aHook, "gone": "http://127.0.0.1:1/" + aHook,
		"sink": aSinkToken, "webhook/app-secret-previous": aPreviousHash,
	} {
		s.write(name, content)
	}
	file := func(name string) string { return filepath.Join(s.folder, name) }
	s.write("config.yaml", fmt.Sprintf(`apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
notifications:
  receivers:
  - name: mail
    email: {host: 127.0.0.1, port: %d, caFile: %s, from: fleet@example.com, to: [ops@example.com], username: %s, passwordFile: %s}
  - name: chat
    slack: {urlFile: %s}
  - name: gone
    slack: {urlFile: %s}
  - name: sink
    cloudEvents: {url: %q, tokenFile: %s, caFile: %s}
graphAPI:
  baseURL: %s
  accounts:
  - {id: "2000", tokenFile: %s}
  - {id: "2999", tokenFile: %s}
`, mail.Port, mail.CAFile, notifytest.Username, file("password"), file("hook"), file("gone"), sink.URL, file("sink"), sink.CAFile, graph.URL, file("graph"), file("graph-old")))
}

// everything is what the operator wrote to the Kubernetes API: Events, statuses, and its ConfigMap.
func (s *office) everything() string {
	s.t.Helper()
	var all []any
	list := func(into client.ObjectList) {
		s.t.Helper()
		if err := s.api.List(s.t.Context(), into); err != nil {
			s.t.Fatal(err)
		}
	}
	var events eventsv1.EventList
	var maps corev1.ConfigMapList
	var numbers v1alpha1.PhoneNumberList
	var portfolios v1alpha1.BusinessPortfolioList
	var templates v1alpha1.MessageTemplateList
	for _, of := range []client.ObjectList{&events, &maps, &numbers, &portfolios, &templates} {
		list(of)
	}
	if len(events.Items) == 0 || len(numbers.Items) == 0 {
		s.t.Error("there are no Events, or no numbers")
	}
	all = append(all, events.Items, maps.Items)
	for i := range numbers.Items {
		all = append(all, numbers.Items[i].Status)
	}
	for i := range portfolios.Items {
		all = append(all, portfolios.Items[i].Status)
	}
	for i := range templates.Items {
		all = append(all, templates.Items[i].Status)
	}
	text, err := yaml.Marshal(all)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// files are the names and contents of all files under a folder.
func files(t *testing.T, folder string) string {
	t.Helper()
	var all strings.Builder
	if err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all.WriteString(path)
		all.Write(content)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all.String()
}
