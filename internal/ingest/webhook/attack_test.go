package webhook

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// What someone may send who wants more than to be heard, over real sockets.

// attacked is a receiver with a ledger, served.
func attacked(t *testing.T, change func(*fixture, *server.Server)) (f *fixture, book *ledger.Ledger, address string) {
	t.Helper()
	f = newFixture(t)
	book = ledger.OpenMemory()
	f.SetBackend(&ingest.Backend{Ledger: book, Hasher: book.Hasher()})
	s := &server.Server{Name: "the receiver", Log: f.log, Handler: f}
	if change != nil {
		change(f, s)
	}
	address, stop := servertest.Serve(t, s)
	t.Cleanup(func() { _ = stop() })
	return f, book, address
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// converse sends bytes and returns all that comes back until the server hangs up.
func converse(t *testing.T, address, sent string) string {
	t.Helper()
	c := dial(t, address)
	go func() { _, _ = io.WriteString(c, sent) }() // the server may hang up before its end
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// head is a request's, with more header lines.
func head(length int, lines ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n", DefaultPath, length, strings.Join(append(lines, ""), "\r\n"))
}

const signatureHeader = "X-Hub-Signature-256: "

func TestAForgedSignatureIsRefused(t *testing.T) {
	f, book, address := attacked(t, nil)
	servertest.Write(t, f.dir, config.PreviousAppSecretKey, "the one before")
	f.apps[DefaultPath].credentials.read()
	body := delivered(1)
	right, zero := metatest.Sign(appSecret, body), "sha256="+strings.Repeat("0", 64)
	for _, test := range []struct {
		name  string
		code  string
		lines []string
	}{
		{"none", "401", nil},
		{"an empty one", "401", []string{signatureHeader}},
		{"SHA-1 in its own header", "401", []string{"X-Hub-Signature: sha1=" + strings.Repeat("0", 40)}},
		{"another algorithm", "401", []string{signatureHeader + strings.Replace(right, "sha256", "sha512", 1)}},
		{"no algorithm", "401", []string{signatureHeader + strings.TrimPrefix(right, "sha256=")}},
		{"the algorithm in capitals", "401", []string{signatureHeader + strings.Replace(right, "sha256", "SHA256", 1)}},
		{"cut short", "401", []string{signatureHeader + right[:len(right)-2]}},
		{"too long", "401", []string{signatureHeader + right + "00"}},
		{"one bit wrong", "401", []string{signatureHeader + flip(right)}},
		{"of another body", "401", []string{signatureHeader + metatest.Sign(appSecret, delivered(2))}},
		{"with the empty secret", "401", []string{signatureHeader + metatest.Sign("", body)}},
		{"with another secret", "401", []string{signatureHeader + metatest.Sign("guessed", body)}},
		{"a right one after a wrong one", "401", []string{signatureHeader + zero, signatureHeader + right}},
		{"a wrong one after a right one", "401", []string{signatureHeader + right, signatureHeader + zero}},
		{"two in one line", "401", []string{signatureHeader + right + ", " + right}},
		{"over two lines", "401", []string{signatureHeader + right[:20], " " + right[20:]}},
		{"with a line feed alone", "401", []string{signatureHeader + zero + "\nX-Other: " + right}},
		{"with the secret before", "200", []string{signatureHeader + metatest.Sign("the one before", body)}},
		{"in capitals", "200", []string{signatureHeader + "sha256=" + strings.ToUpper(strings.TrimPrefix(right, "sha256="))}},
	} {
		before := book.Count(number, v1alpha1.MeasureMessages, now.Add(-time.Hour), now.Add(time.Hour))
		if test.code != "200" && before != 0 {
			t.Fatalf("before %s: something was stored", test.name)
		}
		if answer := converse(t, address, head(len(body), test.lines...)+string(body)); !strings.HasPrefix(answer, "HTTP/1.1 "+test.code+" ") {
			t.Errorf("%s: got %q", test.name, answer)
		}
	}
	if strings.Contains(f.logs.String(), right[7:]) {
		t.Error("the log has a signature")
	}
}

// flip changes the last digit.
func flip(signature string) string {
	last := byte('0')
	if signature[len(signature)-1] == '0' {
		last = '1'
	}
	return signature[:len(signature)-1] + string(last)
}

// Who has overheard a signed webhook can send it again as often as they like.
func TestAReplayChangesNothing(t *testing.T) {
	f, book, address := attacked(t, nil)
	body := delivered(10)
	request := strings.Replace(head(len(body), signatureHeader+metatest.Sign(appSecret, body)), "Connection: close\r\n", "", 1) + string(body)
	const times = 2000
	c := dial(t, address)
	go func() { _, _ = io.WriteString(c, strings.Repeat(request, times)) }()
	const answer = "HTTP/1.1 200 OK\r\n"
	got, buffer := 0, make([]byte, 64<<10)
	for rest := ""; got < times; {
		n, err := c.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %d answers", err, got)
		}
		rest += string(buffer[:n])
		got += strings.Count(rest, answer)
		rest = rest[max(0, strings.LastIndex(rest, answer)+len(answer), len(rest)-len(answer)):]
	}
	if n := book.Count(number, v1alpha1.MeasureMessages, now.Add(-time.Hour), now.Add(time.Hour)); n != 10 {
		t.Errorf("%d messages are counted", n)
	}
	if n := book.Count(number, v1alpha1.MeasureUniqueUsers, now.Add(-time.Hour), now.Add(time.Hour)); n != 1 {
		t.Errorf("%d users are counted", n)
	}
	const repeated = "numberfleet_webhook_repeated_updates_total"
	f.expectMetric(t, repeated, fmt.Sprintf("%s %d", repeated, (times-1)*10))
}

func TestABodyThatIsNotWhatItSaysIsRefused(t *testing.T) {
	f, book, address := attacked(t, nil)
	impatient, stop := servertest.Serve(t, &server.Server{Name: "the receiver", Log: f.log, Handler: f, Limits: server.Limits{Read: time.Second}})
	t.Cleanup(func() { _ = stop() })
	body := delivered(1)
	right := signatureHeader + metatest.Sign(appSecret, body)
	long := strings.Repeat(" ", MaxBody+1)
	longSigned := signatureHeader + metatest.Sign(appSecret, []byte(long))
	chunked := func(chunks ...string) string {
		s := "POST " + DefaultPath + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n" + longSigned + "\r\n\r\n"
		for _, chunk := range chunks {
			s += fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk)
		}
		return s
	}
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write(make([]byte, 8<<20))
	_ = w.Close()
	plain := strings.Replace(head(len(body), right), "HTTP/1.1", "HTTP/1.0", 1)
	t.Run("bodies", func(t *testing.T) {
		for name, test := range map[string]struct{ code, sent string }{
			"a byte more than is read":               {"413", head(MaxBody+1, longSigned) + long},
			"a length of exabytes":                   {"413", head(1<<62, longSigned) + long},
			"a length that is none":                  {"400", strings.Replace(head(1, right), "Content-Length: 1", "Content-Length: 0x1", 1)},
			"a length below zero":                    {"400", strings.Replace(head(1, right), "Content-Length: 1", "Content-Length: -1", 1)},
			"two lengths":                            {"400", head(1, right, "Content-Length: 2") + "{}"},
			"less than its length":                   {"408", head(len(body)+1, right) + string(body)},
			"more than its length":                   {"401", head(len(body)-1, right) + string(body)},
			"chunks without end":                     {"413", chunked(long[:MaxBody], " ", " ")},
			"a chunk as long as a body may not be":   {"413", chunked(long)},
			"a chunk that is cut off":                {"408", strings.TrimSuffix(chunked(" "), " \r\n")},
			"a chunk of a length that is none":       {"400", chunked() + "zz\r\n"},
			"a gzip bomb":                            {"415", head(bomb.Len(), signatureHeader+metatest.Sign(appSecret, bomb.Bytes()), "Content-Encoding: gzip") + bomb.String()},
			"a bomb that is not said to be one":      {"400", head(bomb.Len(), signatureHeader+metatest.Sign(appSecret, bomb.Bytes())) + bomb.String()},
			"a second, innocent encoding":            {"415", head(len(body), right, "Content-Encoding: identity", "Content-Encoding: gzip") + string(body)},
			"an unknown transfer encoding":           {"501", strings.Replace(chunked(), "chunked", "gzip, chunked", 1)},
			"HTTP/1.0, as a proxy may speak":         {"200", plain + string(body)},
			"HTTP/1.0 with chunks, which it has not": {"4", strings.Replace(chunked(string(body)), "HTTP/1.1", "HTTP/1.0", 1)},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				to := address
				if test.code == "408" { // else a slow machine would not send all of it in time
					to = impatient
				}
				answer := converse(t, to, test.sent)
				if _, after, _ := strings.Cut(answer, " "); !strings.HasPrefix(answer, "HTTP/1.") || !strings.HasPrefix(after, test.code) {
					t.Errorf("got %.200q", answer)
				}
			})
		}
	})
	if strings.Contains(f.logs.String(), "wamid") {
		t.Error("the log has a message")
	}
	if n := book.Count(number, v1alpha1.MeasureMessages, now.Add(-time.Hour), now.Add(time.Hour)); n != 1 {
		t.Errorf("%d messages are counted", n)
	}
}

// A request that hides another in its body, to be read as the next by whoever measures the body otherwise, gains nothing:
// the hidden one needs a signature of its own.
func TestASmuggledRequestNeedsItsOwnSignature(t *testing.T) {
	_, book, address := attacked(t, nil)
	hidden := head(2) + "{}"
	body := delivered(1)
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	for name, sent := range map[string]string{
		"chunks and a length":     strings.Replace(head(len(chunks)+len(hidden), signatureHeader+metatest.Sign(appSecret, body), "Transfer-Encoding: chunked"), "Connection: close\r\n", "", 1) + chunks + hidden,
		"a request after another": strings.Replace(head(len(body), signatureHeader+metatest.Sign(appSecret, body)), "Connection: close\r\n", "", 1) + string(body) + hidden,
		"a space in a header's name": strings.Replace(head(len(body), signatureHeader+metatest.Sign(appSecret, body), "Transfer-Encoding : chunked"), "Connection: close\r\n", "", 1) +
			string(body) + hidden,
		"two hosts": head(0, "Host: y"),
	} {
		answer := converse(t, address, sent)
		for i, part := range strings.Split(answer, "HTTP/1.1 ")[1:] {
			if i > 0 && strings.HasPrefix(part, "200") || i > 1 {
				t.Errorf("%s: the hidden request was served: %q", name, answer)
			}
		}
		if !strings.Contains(answer, "HTTP/1.1 401") && !strings.HasPrefix(answer, "HTTP/1.1 400") {
			t.Errorf("%s: got %q", name, answer)
		}
	}
	if n := book.Count(number, v1alpha1.MeasureMessages, now.Add(-time.Hour), now.Add(time.Hour)); n > 1 {
		t.Errorf("%d messages are counted", n)
	}
}

func TestHeadersAndPathsAreBounded(t *testing.T) {
	f, _, address := attacked(t, nil)
	get := func(target string, lines ...string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
	}
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("X-%d: y", i)
	}
	hand := DefaultPath + "?hub.mode=subscribe&hub.verify_token=" + token + "&hub.challenge="
	for name, test := range map[string]struct{ code, sent, body string }{
		"many headers":                {"431", get(DefaultPath, many...), ""},
		"a great header":              {"431", get(DefaultPath, "X: "+strings.Repeat("y", 128<<10)), ""},
		"a great target":              {"431", get(DefaultPath + "?" + strings.Repeat("y", 128<<10)), ""},
		"a header's value with a NUL": {"400", get(DefaultPath, "X: \x00"), ""},
		"a bare carriage return":      {"400", get(DefaultPath, "X: a\rX-Hub-Signature-256: b"), ""},
		"a path with dots":            {"404", get("/x/.." + DefaultPath), ""},
		"a path with two slashes":     {"404", get("/" + DefaultPath), ""},
		"a path in capitals":          {"404", get(strings.ToUpper(DefaultPath)), ""},
		"a path with a NUL":           {"404", get(DefaultPath + "%00"), ""},
		"another host's address":      {"403", get("http://elsewhere" + DefaultPath), ""},
		"a target that is none":       {"400", get("webhooks"), ""},
		"TRACE":                       {"405", strings.Replace(get(DefaultPath, "X-Secret: y"), "GET", "TRACE", 1), ""},
		"CONNECT":                     {"40", strings.Replace(get(DefaultPath), "GET", "CONNECT", 1), ""},
		"OPTIONS":                     {"405", strings.Replace(get(DefaultPath), "GET", "OPTIONS", 1), ""},
		"a method of its own":         {"405", strings.Replace(get(DefaultPath), "GET", "STEAL", 1), ""},
		"HTTP/2 without TLS":          {"404", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
		"an upgrade":                  {"403", get(DefaultPath, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), ""},
		"TLS, spoken to plain HTTP":   {"400", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\r\n\r\n", ""},
		"a challenge with markup":     {"200", get(hand + "%3Cscript%3Ealert(1)%3C/script%3E"), "<script>alert(1)</script>"},
		"a challenge that ends lines": {"403", get(hand + "1%0d%0aSet-Cookie:%20a=b"), ""},
		"two tokens":                  {"403", get(DefaultPath + "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=guess&hub.verify_token=" + token), ""},
	} {
		answer := converse(t, address, test.sent)
		if !strings.HasPrefix(answer, "HTTP/1.1 "+test.code) || strings.Contains(answer, "Set-Cookie") || strings.Contains(answer, "X-Secret") || !strings.HasSuffix(answer, test.body) {
			t.Errorf("%s: got %.200q", name, answer)
		}
		if test.code == "200" && !(strings.Contains(answer, "Content-Type: text/plain") && strings.Contains(answer, "X-Content-Type-Options: nosniff")) {
			t.Errorf("%s: a browser may read it as a page: %q", name, answer)
		}
	}
	if strings.Contains(f.logs.String(), token) {
		t.Error("the log has the verify token")
	}
}

// Signed is not safe: whoever has the secret, or Meta itself, may send what no parser expects.
func TestJSONThatMeansHarmIsAnsweredAndForgotten(t *testing.T) {
	f, book, address := attacked(t, nil)
	status := func(id, timestamp string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001111"},"statuses":[{"id":` + id + `,"status":"delivered","timestamp":` + timestamp + `,"recipient_id":"15557770000"}]}}]}]}`
	}
	// What cannot be read in a body that is JSON is passed over, with 200: sending it again would not help.
	for name, test := range map[string]struct{ code, body string }{
		"a million brackets":          {"400", strings.Repeat("[", 1<<20)},
		"nested objects":              {"400", strings.Repeat(`{"a":`, 1<<18) + "1" + strings.Repeat("}", 1<<18)},
		"three megabytes of zeros":    {"413", "[" + strings.Repeat("0,", MaxBody/2-2) + "0]"},
		"a number of a million nines": {"200", status(`"m"`, `"`+strings.Repeat("9", 1<<20)+`"`)},
		"an exponent":                 {"200", status(`"m"`, "1e999999999")},
		"a time of minus one":         {"200", status(`"m"`, `"-1"`)},
		"bytes that are no UTF-8":     {"200", status("\"\xff\xfe\"", `"1790000000"`)},
		"half a surrogate":            {"200", status(`"\ud800"`, `"1790000000"`)},
		"a NUL":                       {"200", status(`"\u0000"`, `"1790000000"`)},
		"a bare control character":    {"400", status("\"\x01\"", `"1790000000"`)},
		"an id that is a number":      {"200", status("1", `"1790000000"`)},
		"a million spaces":            {"200", strings.Repeat(" ", 1<<20) + status(`"m"`, `"1790000000"`)},
		"an array for an object":      {"400", `[{"entry":[]}]`},
		"two texts":                   {"400", "{}{}"},
		"nothing but null":            {"400", "null"},
	} {
		body := test.body
		answer := converse(t, address, head(len(body), signatureHeader+metatest.Sign(appSecret, []byte(body)))+body)
		if !strings.HasPrefix(answer, "HTTP/1.1 "+test.code) || len(answer) > 1024 {
			t.Errorf("%s: got %.300q", name, answer)
		}
	}
	// Of two keys of one name the first counts, and the other is nothing more.
	twice := strings.Replace(status(`"twice"`, `"1790000000"`), `"id":"twice"`, `"id":"twice","id":"other"`, 1)
	for range 2 {
		converse(t, address, head(len(twice), signatureHeader+metatest.Sign(appSecret, []byte(twice)))+twice)
	}
	if n := book.Count(number, v1alpha1.MeasureMessages, now.Add(-time.Hour), now.Add(time.Hour)); n != 6 {
		t.Errorf("%d messages are counted", n)
	}
	if logs := f.logs.String(); strings.Contains(logs, "15557770000") || len(logs) > 64<<10 {
		t.Errorf("%d bytes of log, which may name a user", len(logs))
	}
}

// Many clients that send slowly, or nothing, hold back nobody.
func TestSlowClientsHoldBackNobody(t *testing.T) {
	_, _, address := attacked(t, func(_ *fixture, s *server.Server) { s.Limits.Connections = 20 })
	starts := []string{"", "P", "POST " + DefaultPath + " HTTP/1.1\r\nHost: x\r\nX-", head(1000, signatureHeader+"sha256="+strings.Repeat("0", 64)) + "{"}
	var slow []net.Conn
	for i := range 100 {
		c := dial(t, address)
		_, _ = io.WriteString(c, starts[i%len(starts)])
		slow = append(slow, c)
	}
	body := delivered(1)
	for range 10 {
		if answer := converse(t, address, head(len(body), signatureHeader+metatest.Sign(appSecret, body))+string(body)); !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("got %q", answer)
		}
	}
	// Those that waited longest are gone.
	for _, c := range slow[:60] {
		if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
	}
}

// Bodies that never end take the memory that is there for bodies, but not from others.
func TestSlowBodiesHoldBackNobody(t *testing.T) {
	_, book, address := attacked(t, func(f *fixture, _ *server.Server) { f.bodies = server.NewBodies(MaxBody, 1<<20) })
	half := strings.Repeat(" ", 300_000)
	for range 12 {
		c := dial(t, address)
		_, _ = io.WriteString(c, head(MaxBody, signatureHeader+"sha256="+strings.Repeat("0", 64))+half)
	}
	body := delivered(900)
	if len(body) < 96<<10 {
		t.Fatalf("%d bytes are no great body", len(body))
	}
	for range 5 {
		if answer := converse(t, address, head(len(body), signatureHeader+metatest.Sign(appSecret, body))+string(body)); !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("got %.200q", answer)
		}
	}
	if n := book.Count(number, v1alpha1.MeasureMessages, now.Add(-time.Hour), now.Add(time.Hour)); n != 900 {
		t.Errorf("%d messages are counted", n)
	}
}
