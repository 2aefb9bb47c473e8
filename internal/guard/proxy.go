package guard

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"numberfleet.dev/numberfleet/internal/gate"
)

const (
	upstreamTimeout = 30 * time.Second // of a message; of anything else, until Meta begins to answer
	maxAnswer       = 1 << 20          // bytes about a message
	maxIdle         = 256              // connections to Meta that are kept
	maxHeader       = 64 << 10         // bytes of an answer's
	copyBuffer      = 32 << 10         // bytes, as the standard library's own
)

// exchange is a request and its answer. The proxy finds it in the context of the request.
type exchange struct {
	caller    *caller       // nil where the request passes as it came
	name      string        // NAMESPACE/NAME of its PhoneNumber, that is told with an answer to a message that was sent
	known     bool          // to the sender: it is told in any case
	isMessage bool          // whose answer is read
	refusal   *gate.Problem // that is told, with the number, where Meta answers with 200
	refused   bool          // it was told

	came, sent, answered time.Time   // here, to Meta, from Meta
	reached              atomic.Bool // Meta, perhaps
	status               int         // of the answer
	header               http.Header // of the answer
	answer               answer
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// Headers that do not go to Meta, besides those between two hops and those that say where a request came from.
var (
	// A connection that becomes another protocol's has no bounds, and a method that is overridden was not looked at.
	withheld = []string{"Connection", "Upgrade", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}
	// The answer is to be read here, and a request with an idempotency key is one that the transport may send twice.
	withheldOfMessages = []string{"Accept-Encoding", "Expect", "Idempotency-Key", "X-Idempotency-Key"}
)

// Why an answer of Meta's is not passed on.
var (
	errLong    = errors.New("the answer is too long")
	errRefused = errors.New("the sender may know why it is refused")
)

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = upstreamTimeout
	t.MaxIdleConnsPerHost, t.MaxIdleConns = maxIdle, maxIdle
	t.MaxResponseHeaderBytes = maxHeader
	return t
}

func (g *Guard) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: g.rewrite, Transport: roundTripper(g.roundTrip), ModifyResponse: g.takeAnswer, ErrorHandler: g.unanswered, FlushInterval: -1,
		BufferPool: &buffers{sync.Pool{New: func() any { return new([copyBuffer]byte) }}},
		ErrorLog:   log.New(io.Discard, "", 0), // it would quote what senders and Meta send
	}
}

// buffers are those that answers are copied through, in place of a new one for each.
type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte { return b.pool.Get().(*[copyBuffer]byte)[:] }

// Put implements httputil.BufferPool.
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[copyBuffer]byte)(buffer)) }

// pass forwards a request whose answer is not about a message of the fleet. Bodies are streamed.
func (g *Guard) pass(w http.ResponseWriter, req *http.Request, x *exchange) {
	g.proxy.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), exchangeKey{}, x)))
}

// forward forwards a message, whether or not its sender waits for the answer: what becomes of it must be known.
func (g *Guard) forward(w http.ResponseWriter, req *http.Request, x *exchange, content []byte) {
	x.isMessage = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), upstreamTimeout)
	defer cancel()
	req = req.WithContext(context.WithValue(ctx, exchangeKey{}, x))
	// With a body that it can read again, the transport tries once more where Meta closed a connection that nothing was written to.
	content = bytes.Clone(content)
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	req.Body, _ = req.GetBody()
	req.ContentLength, req.TransferEncoding = int64(len(content)), nil
	g.proxy.ServeHTTP(w, req)
}

// rewrite makes the request to Meta of one that came.
func (g *Guard) rewrite(p *httputil.ProxyRequest) {
	p.SetURL(g.upstream)
	for _, name := range withheld {
		p.Out.Header.Del(name)
	}
	x := exchangeOf(p.In.Context())
	if x.caller != nil {
		x.caller.sign(p.Out)
	}
	if x.isMessage {
		for _, name := range withheldOfMessages {
			p.Out.Header.Del(name)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }

// roundTrip sends a request to Meta, and notes whether it may have got there.
func (g *Guard) roundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { x.reached.Store(true) }}
	x.sent = g.clock.Now()
	return g.client.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
}

// takeAnswer reads an answer of Meta's to a message, which goes on as it came.
func (g *Guard) takeAnswer(res *http.Response) error {
	x := exchangeOf(res.Request.Context())
	x.status, x.header = res.StatusCode, res.Header
	if x.refusal != nil && res.StatusCode == http.StatusOK {
		return errRefused
	}
	if !x.isMessage {
		return nil
	}
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(content) > maxAnswer {
		err = errLong
	}
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(content))
	x.answer, x.answered = readAnswer(res.StatusCode, content), g.clock.Now()
	if x.name != "" && (x.known || x.answer.message != "") {
		res.Header.Set(numberHeader, x.name)
	}
	return nil
}

// unanswered tells a sender what there is to tell instead of an answer of Meta's.
func (g *Guard) unanswered(w http.ResponseWriter, req *http.Request, err error) {
	x := exchangeOf(req.Context())
	var problem *gate.Problem
	switch {
	case errors.Is(err, errRefused):
		w.Header().Set(numberHeader, x.name)
		problem, x.refused = x.refusal, true
	case !x.reached.Load():
		problem, x.answer.nothing = notSent(), true
	case x.isMessage:
		problem = notKnown("Meta did not answer, so the message may have been sent: its place stays held")
	default:
		problem = notKnown("Meta did not answer")
	}
	x.status = g.tell(w, problem)
}
