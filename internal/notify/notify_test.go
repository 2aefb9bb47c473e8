package notify

import (
	"encoding/json"
	"errors"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/notify/notifytest"
)

func notice() *Notice {
	at := metav1.NewTime(time.Date(2026, 11, 29, 14, 0, 0, 0, time.UTC))
	return &Notice{
		Receiver: "ops",
		Subject:  Subject{Kind: "PhoneNumber", Resource: "phonenumbers", Namespace: "shop", Name: "flash-sales", UID: "6f1d"},
		Now:      v1alpha1.Summary{Policy: "quality-based", State: "Connected", Tier: "1", Limit: 1000, Used: new(int64(321)), Quality: "Low"},
		Transitions: []Transition{
			{Number: 3, Transition: v1alpha1.Transition{Time: at, Reason: v1alpha1.ReasonFlagCleared, Message: "the flag ends: the rating stayed Low for 7 d, and the tier falls"}},
			{Number: 4, Transition: v1alpha1.Transition{Time: at, Reason: v1alpha1.ReasonTierDowngraded, From: "2", To: "1", Message: "the limit falls from 10000 to 1000 <&> é"}},
		},
		Last: 5,
	}
}

// content is a mail's header and text.
func content(t *testing.T, m notifytest.Mail) (mail.Header, string) {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(m.Content))
	if err != nil {
		t.Fatal(err)
	}
	body := message.Body
	if message.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return message.Header, strings.ReplaceAll(string(text), "\r\n", "\n")
}

func TestAMailIsOneNoticeWithAStableIdentity(t *testing.T) {
	for _, way := range []config.TLS{config.StartTLS, config.Implicit} {
		t.Run(string(way), func(t *testing.T) {
			server := notifytest.NewMailServer(t, way)
			sender := New(&config.Receiver{Email: &config.Email{
				Host: "127.0.0.1", Port: server.Port, TLS: way, CAFile: server.CAFile, From: "numberfleet <fleet@example.com>",
				To: []string{"ops@example.com", "Sales <sales@example.com>"}, Username: notifytest.Username,
				PasswordFile: notifytest.File(t, "password", notifytest.Password+"\n"),
			}})
			for range 2 {
				if reached, err := sender.Send(t.Context(), notice()); err != nil || reached != 5 {
					t.Fatalf("it reaches %d: %v", reached, err)
				}
			}
			mails := server.Mails()
			if len(mails) != 2 || !mails[0].TLS || !mails[0].Authenticated || !slices.Equal(mails[0].To, []string{"ops@example.com", "sales@example.com"}) {
				t.Fatalf("the mails are %+v", mails)
			}
			header, text := content(t, mails[0])
			again, _ := content(t, mails[1])
			if id := header.Get("Message-Id"); id != "<6f1d.3-5.ops@numberfleet.dev>" || id != again.Get("Message-Id") {
				t.Errorf("the identities are %q and %q", id, again.Get("Message-Id"))
			}
			if got := header.Get("Subject"); got != "[numberfleet] shop/flash-sales: FlagCleared, TierDowngraded" {
				t.Errorf("the subject is %q", got)
			}
			if want := `PhoneNumber shop/flash-sales

2026-11-29 14:00:00 UTC  FlagCleared
  the flag ends: the rating stayed Low for 7 d, and the tier falls

2026-11-29 14:00:00 UTC  TierDowngraded (2 -> 1)
  the limit falls from 10000 to 1000 <&> é

Now: state Connected, tier 1, limit 1000, used 321, quality Low, policy quality-based

To look closer:
  kubectl -n shop describe phonenumber flash-sales
`; strings.TrimSpace(text) != strings.TrimSpace(want) {
				t.Errorf("the text is\n%s\nnot\n%s", text, want)
			}
		})
	}
}

func TestAMailServerThatRefusesSaysWhyWithoutAddressesAndSecrets(t *testing.T) {
	server := notifytest.NewMailServer(t, config.StartTLS)
	settings := config.Email{
		Host: "127.0.0.1", Port: server.Port, TLS: config.StartTLS, CAFile: server.CAFile, From: "fleet@example.com", To: []string{"ops@example.com"},
		Username: notifytest.Username, PasswordFile: notifytest.File(t, "password", notifytest.Password),
	}
	fails := func(what string, change func(*config.Email), want string) {
		t.Helper()
		changed := settings
		change(&changed)
		reached, err := New(&config.Receiver{Email: &changed}).Send(t.Context(), notice())
		if err == nil || reached != 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: it reaches %d: %v; %q should be said", what, reached, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "example.com") || strings.Contains(err.Error(), notifytest.Password) || strings.Contains(err.Error(), "wrong one")) {
			t.Errorf("%s: the error tells too much: %v", what, err)
		}
	}
	server.Busy(1)
	fails("busy", func(*config.Email) {}, "451 4.3.2")
	server.Answer(func() error {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "no mail for ops@example.com"}
	})
	fails("refused", func(*config.Email) {}, "550 5.7.1")
	fails("password", func(e *config.Email) { e.PasswordFile = notifytest.File(t, "password", "the wrong one") }, "535")
	fails("no password", func(e *config.Email) { e.PasswordFile = "/no/such/file" }, "passwordFile /no/such/file: no such file")
	fails("untrusted", func(e *config.Email) { e.CAFile = "" }, "certificate")
	fails("no TLS there", func(e *config.Email) {
		plain := notifytest.NewMailServer(t, config.NoTLS)
		e.Port = plain.Port
	}, "STARTTLS")
}

func TestASlackMessageIsOneNoticeInPlainText(t *testing.T) {
	server := notifytest.NewWebServer(t, true)
	sender := New(&config.Receiver{Slack: &config.Slack{URLFile: notifytest.File(t, "url", server.URL+"/services/T0/B0/secret\n"), CAFile: server.CAFile}})
	n := notice()
	n.Missed = 2
	if reached, err := sender.Send(t.Context(), n); err != nil || reached != 5 {
		t.Fatalf("it reaches %d: %v", reached, err)
	}
	var message struct{ Text string }
	if err := json.Unmarshal([]byte(server.Posts()[0].Body), &message); err != nil {
		t.Fatal(err)
	}
	if want := "*shop/flash-sales: FlagCleared, TierDowngraded*\n" +
		"Up to 2 transitions were missed: they left the history before they could be sent.\n" +
		"2026-11-29 14:00:00 UTC  FlagCleared: the flag ends: the rating stayed Low for 7 d, and the tier falls\n" +
		"2026-11-29 14:00:00 UTC  TierDowngraded (2 -&gt; 1): the limit falls from 10000 to 1000 &lt;&amp;&gt; é\n" +
		"Now: state Connected, tier 1, limit 1000, used 321, quality Low, policy quality-based\n" +
		"`kubectl -n shop describe phonenumber flash-sales`"; message.Text != want {
		t.Errorf("the text is\n%s\nnot\n%s", message.Text, want)
	}
}

func TestACloudEventIsOneTransition(t *testing.T) {
	server := notifytest.NewWebServer(t, true)
	token := notifytest.File(t, "token", "the first")
	sender := New(&config.Receiver{CloudEvents: &config.CloudEvents{URL: server.URL, TokenFile: token, CAFile: server.CAFile}})
	n := notice()
	n.Missed = 1
	if reached, err := sender.Send(t.Context(), n); err != nil || reached != 5 {
		t.Fatalf("it reaches %d: %v", reached, err)
	}
	// A token that was rotated is used from then on.
	if err := os.WriteFile(token, []byte("the second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sender.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	posts := server.Posts()
	if len(posts) != 6 {
		t.Fatalf("%d were posted, not 3 and 3", len(posts))
	}
	if got := posts[0].Header.Get("Authorization") + ", " + posts[3].Header.Get("Authorization"); got != "Bearer the first, Bearer the second" {
		t.Errorf("the tokens are %s", got)
	}
	for i := range 3 {
		if posts[i].Body != posts[i+3].Body {
			t.Errorf("the same is sent as\n%s\nand as\n%s", posts[i].Body, posts[i+3].Body)
		}
	}
	if got := posts[2].Header.Get("Content-Type"); got != "application/cloudevents+json" {
		t.Errorf("the content type is %q", got)
	}
	for i, want := range []string{
		`{"specversion":"1.0","id":"6f1d/missed/2","source":"/apis/whatsapp.numberfleet.dev/v1alpha1/namespaces/shop/phonenumbers/flash-sales","type":"dev.numberfleet.transitions.missed.v1","subject":"shop/flash-sales","datacontenttype":"application/json","data":{"kind":"PhoneNumber","namespace":"shop","name":"flash-sales","missed":1,"message":"Up to 1 transitions were missed: they left the history before they could be sent."}}`,
		`{"specversion":"1.0","id":"6f1d/3","source":"/apis/whatsapp.numberfleet.dev/v1alpha1/namespaces/shop/phonenumbers/flash-sales","type":"dev.numberfleet.transition.flagcleared.v1","subject":"shop/flash-sales","datacontenttype":"application/json","time":"2026-11-29T14:00:00Z","data":{"kind":"PhoneNumber","namespace":"shop","name":"flash-sales","transition":3,"reason":"FlagCleared","message":"the flag ends: the rating stayed Low for 7 d, and the tier falls","policy":"quality-based","tier":"1","state":"Connected"}}`,
	} {
		if posts[i].Body != want {
			t.Errorf("event %d is\n%s\nnot\n%s", i, posts[i].Body, want)
		}
	}
}

func TestOfSeveralEventsThoseThatWereTakenAreTold(t *testing.T) {
	server := notifytest.NewWebServer(t, false)
	sender := New(&config.Receiver{CloudEvents: &config.CloudEvents{URL: server.URL}})
	n := 0
	server.Answer(func(w http.ResponseWriter) bool {
		if n++; n == 1 {
			return false
		}
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	reached, err := sender.Send(t.Context(), notice())
	answer, ok := errors.AsType[*ResponseError](err)
	if reached != 3 || !ok || answer.Code != http.StatusServiceUnavailable || answer.RetryAfter != 17*time.Second {
		t.Errorf("it reaches %d: %v", reached, err)
	}
}

func TestWhatAWebhookAnswersIsToldWithoutItsURL(t *testing.T) {
	server := notifytest.NewWebServer(t, false)
	elsewhere := notifytest.NewWebServer(t, false)
	senders := map[string]Sender{
		"slack":       New(&config.Receiver{Slack: &config.Slack{URL: server.URL + "/secret"}}),
		"cloudEvents": New(&config.Receiver{CloudEvents: &config.CloudEvents{URL: server.URL + "/secret"}}),
	}
	for kind, sender := range senders {
		for _, answer := range []struct {
			code             int
			retryAfter, date string
			want             time.Duration
		}{
			{code: http.StatusInternalServerError},
			{code: http.StatusTooManyRequests, retryAfter: "30", want: 30 * time.Second},
			{code: http.StatusTooManyRequests, retryAfter: "-30"},
			{code: http.StatusTooManyRequests, retryAfter: "100000000", want: time.Hour},
			{code: http.StatusServiceUnavailable, retryAfter: "Sun, 29 Nov 2026 14:01:00 GMT", date: "Sun, 29 Nov 2026 14:00:00 GMT", want: time.Minute},
			{code: http.StatusServiceUnavailable, retryAfter: "soon"},
			{code: http.StatusTemporaryRedirect},
		} {
			server.Answer(func(w http.ResponseWriter) bool {
				w.Header().Set("Location", elsewhere.URL)
				w.Header().Set("Retry-After", answer.retryAfter)
				if answer.date != "" {
					w.Header().Set("Date", answer.date)
				}
				w.WriteHeader(answer.code)
				return true
			})
			_, err := sender.Send(t.Context(), notice())
			if got, ok := errors.AsType[*ResponseError](err); !ok || got.Code != answer.code || got.RetryAfter != answer.want {
				t.Errorf("%s: %d with Retry-After %q is told as %v", kind, answer.code, answer.retryAfter, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the URL is told: %v", kind, err)
			}
		}
	}
	if elsewhere.Attempts() != 0 {
		t.Error("a redirect was followed")
	}
	for kind, broken := range map[string]Sender{
		"slack":       New(&config.Receiver{Slack: &config.Slack{URL: "http://127.0.0.1:1/secret"}}),
		"cloudEvents": New(&config.Receiver{CloudEvents: &config.CloudEvents{URL: "http://127.0.0.1:1/secret"}}),
		"a file":      New(&config.Receiver{Slack: &config.Slack{URLFile: notifytest.File(t, "url", "ftp://secret")}}),
		"a token":     New(&config.Receiver{CloudEvents: &config.CloudEvents{URLFile: notifytest.File(t, "url", server.URL+"/secret"), TokenFile: notifytest.File(t, "token", "secret")}}),
	} {
		if _, err := broken.Send(t.Context(), notice()); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
