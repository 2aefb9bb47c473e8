package promquery

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// answering is a client of a server that answers so.
func answering(t testing.TB, options Options, answer http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	options.URL = server.URL + "/prefix"
	client, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func body(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, text)
	}
}

const one = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"number":"15550100001"},"value":[1772442000,"12.5"]}]%s}}`

func TestWhatIsAsked(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	for _, secret := range []string{"first", "second"} {
		if err := os.WriteFile(token, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		client := answering(t, Options{TokenFile: token, UserAgent: "numberfleet/test"}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/prefix/api/v1/query" || r.FormValue("query") != "up" || r.FormValue("time") != "" ||
				r.Header.Get("Authorization") != "Bearer "+secret || r.UserAgent() != "numberfleet/test" {
				t.Errorf("asked is %s %v, with %q", r.URL, r.Form, r.Header)
			}
			_, _ = fmt.Fprintf(w, one, "")
		})
		samples, err := client.Query(t.Context(), "up")
		if err != nil || len(samples) != 1 || samples[0].Value != 12.5 || samples[0].Metric["number"] != "15550100001" {
			t.Errorf("the answer is %v, %v", samples, err)
		}
	}
}

// silent does not answer until the client gives up, which the server notices once it has read the request.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestQueriesShareAConnection(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(body(200, fmt.Sprintf(one, "")))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client, err := New(Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := client.Query(t.Context(), "up"); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n > 1 {
		t.Errorf("100 queries took %d connections", n)
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	long := strings.Repeat("ä", 300)
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		kind    Kind
		message string
	}{
		"a wrong query":    {body(400, `{"status":"error","errorType":"bad_data","error":"1:5: parse error:\nunexpected \"}\""}`), Refused, `1:5: parse error: unexpected "}"`},
		"many words":       {body(400, `{"status":"error","errorType":"bad_data","error":"`+long+`"}`), Refused, long[:256]},
		"on that data":     {body(422, `{"status":"error","errorType":"execution","error":"many-to-many"}`), Failed, "many-to-many"},
		"no right":         {body(403, "no"), Refused, "client error: 403"},
		"no such path":     {body(404, "no"), Refused, "client error: 404"},
		"too often":        {body(429, "slow down"), Unreachable, "the server answers 429 Too Many Requests"},
		"elsewhere":        {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, Unreachable, "the server answers 302 Found"},
		"too slow there":   {body(503, `{"status":"error","errorType":"timeout","error":"query timed out"}`), Unreachable, "server error: 503"},
		"broken":           {body(502, "<html>"), Unreachable, "server error: 502"},
		"no JSON":          {body(200, "<html>"), Unreachable, ""},
		"nothing":          {body(200, `{"status":"success"}`), Unreachable, "the answer has no result"},
		"too slow":         {silent, Unreachable, "context deadline exceeded"},
		"cut off":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Unreachable, "EOF"},
		"a part of it":     {body(200, fmt.Sprintf(strings.Replace(one, "%s}}", "}%s}", 1), `,"warnings":["store a: unavailable"]`)), Partial, "store a: unavailable"},
		"warned, noted":    {body(200, fmt.Sprintf(strings.Replace(one, "%s}}", "}%s}", 1), `,"warnings":["PromQL info: noted","PromQL warning: mixed samples"]`)), Partial, "PromQL warning: mixed samples"},
		"a range":          {body(200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`), Refused, "the query gives a matrix and must give an instant vector or a scalar"},
		"a text":           {body(200, `{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`), Unreachable, `unexpected value type "string"`},
		"more than enough": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxAnswer+1)) }, Unreachable, "http: request body too large"},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Minute
			if name == "too slow" {
				timeout = 100 * time.Millisecond
			}
			_, err := answering(t, Options{Timeout: timeout}, c.answer).Query(t.Context(), `used{number="15550100001"}`)
			failed, is := errors.AsType[*Error](err)
			if !is || failed.Kind != c.kind || c.message != "" && failed.Message != c.message {
				t.Errorf("the error is %#v", err)
			}
			if strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "15550100001") {
				t.Errorf("the error shows what was asked, or whom: %v", err)
			}
		})
	}
}

func TestNotesOnAQueryAreNoMissingData(t *testing.T) {
	for name, notes := range map[string]string{
		"of a newer server":  `,"infos":["PromQL info: metric might not be a counter"]`,
		"of an older server": `,"warnings":["PromQL info: metric might not be a counter"]`,
	} {
		answer := `{"status":"success","data":{"resultType":"scalar","result":[1772442000,"3"]}` + notes + `}`
		if samples, err := answering(t, Options{}, body(200, answer)).Query(t.Context(), "3"); err != nil || len(samples) != 1 {
			t.Errorf("%s: it is read as %v, %v", name, samples, err)
		}
	}
}

func TestAScalarIsASample(t *testing.T) {
	samples, err := answering(t, Options{}, body(200, `{"status":"success","data":{"resultType":"scalar","result":[1772442000,"3"]}}`)).Query(t.Context(), "3")
	if err != nil || len(samples) != 1 || samples[0].Value != 3 {
		t.Errorf("it is read as %v, %v", samples, err)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]Options{
		"no token": {TokenFile: empty + "x"}, "an empty token": {TokenFile: empty}, "no certificates": {CAFile: empty + "x"}, "none in it": {CAFile: os.Args[0]},
	} {
		_, err := answering(t, options, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: it is asked all the same", name) }).Query(t.Context(), "up")
		if failed, is := errors.AsType[*Error](err); !is || failed.Kind != Refused || strings.Contains(failed.Message, empty) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestCertificatesToTrustAreReadAgain(t *testing.T) {
	server := httptest.NewTLSServer(body(200, fmt.Sprintf(one, "")))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.crt")
	write := func(content []byte) {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client, err := New(Options{URL: server.URL, CAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	write([]byte("none yet"))
	if _, err := client.Query(t.Context(), "up"); err == nil {
		t.Error("it is trusted without a certificate")
	}
	write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	if _, err := client.Query(t.Context(), "up"); err != nil {
		t.Errorf("with its certificate it is not trusted: %v", err)
	}
}

func TestRoundingNeverShowsMoreRoomNorAnEarlierUpgrade(t *testing.T) {
	for _, c := range []struct {
		value    float64
		up, down int64
	}{{0, 0, 0}, {249.2, 250, 249}, {250, 250, 250}, {0.001, 1, 0}, {1 << 53, 1 << 53, 1 << 53}} {
		sample := &model.Sample{Value: model.SampleValue(c.value)}
		up, err := Count(sample, Up)
		down, also := Count(sample, Down)
		if err != nil || also != nil || up != c.up || down != c.down {
			t.Errorf("%v is %d and %d, %v, %v", c.value, up, down, err, also)
		}
	}
	for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -0.001, 1 << 54} {
		if _, err := Count(&model.Sample{Value: model.SampleValue(value)}, Up); err == nil {
			t.Errorf("%v is taken for a count", value)
		}
	}
	if _, err := Count(&model.Sample{Histogram: &model.SampleHistogram{}}, Up); err == nil {
		t.Error("a histogram is taken for a count")
	}
}

// Whatever a server answers, it is samples that are counts, or an error of a kind.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(fmt.Sprintf(one, "")))
	f.Add(200, []byte(`{"status":"success","data":{"resultType":"scalar","result":[1e999,"NaN"]}}`))
	f.Add(200, []byte(`{"status":"success","data":{"resultType":"vector","result":[{"histogram":[1,{"count":"1","buckets":[[0,"a","b","c"]]}]}]}}`))
	f.Add(200, []byte(`{"status":"success","warnings":[""],"data":{"resultType":"vector","result":[null]}}`))
	f.Add(400, []byte(`{"status":"error","errorType":"bad_data","error":"\u0000\u200b\uffff"}`))
	var status int
	var answer []byte
	without, err := api.NewClient(api.Config{Address: "http://server", RoundTripper: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(answer))}, nil
	})})
	if err != nil {
		f.Fatal(err)
	}
	client := &Client{api: v1.NewAPI(without), timeout: DefaultTimeout}
	f.Fuzz(func(t *testing.T, code int, content []byte) {
		status, answer = 200+abs(code)%400, content
		samples, err := client.Query(t.Context(), "up")
		if err != nil {
			failed, is := errors.AsType[*Error](err)
			if !is || failed.Kind < Refused || failed.Kind > Unreachable || len(failed.Message) > maxMessage || strings.ContainsAny(failed.Message, "\n\r\x00") {
				t.Errorf("%d %q gives %#v", status, content, err)
			}
			return
		}
		for _, sample := range samples {
			if count, err := Count(sample, Up); err == nil && count < 0 {
				t.Errorf("%q is %d", content, count)
			}
		}
	})
}

// roundTrip answers without a network: there are not as many ports as there are tries.
type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

func abs(n int) int { return max(n, -n, 0) }
