// Package dashboard_test looks at the dashboard in Chromium. It runs with `make test-dashboard`, since it needs that.
package dashboard_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"numberfleet.dev/numberfleet/internal/dashboard/dashboardtest"
)

var cluster *dashboardtest.Cluster

func TestMain(m *testing.M) { os.Exit(dashboardtest.Run(m, &cluster)) }

// patience is how long it is waited for what must come.
const patience = time.Minute

// browser is a tab of a browser with the page in it.
type browser struct {
	*testing.T
	ctx context.Context
}

// watchTasks notes what keeps the page from answering: tasks of 50 ms and more, and errors of scripts.
const watchTasks = `
	window.tasks = [];
	new PerformanceObserver(list => tasks.push(...list.getEntries().map(entry => entry.duration))).observe({type: "longtask", buffered: true});
	window.problems = [];
	addEventListener("error", event => problems.push(event.message));
	addEventListener("unhandledrejection", event => problems.push(String(event.reason)));
	document.addEventListener("securitypolicyviolation", event => problems.push(event.violatedDirective + " " + event.blockedURI));`

// open opens the page of a namespace in a window of a size.
func open(t *testing.T, namespace string, width, height int64) *browser {
	t.Helper()
	options := chromedp.DefaultExecAllocatorOptions[:]
	if os.Getuid() == 0 {
		options = append(slices.Clip(options), chromedp.NoSandbox) // Chromium has none for root
	}
	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...) // it ends after what a test cleans up
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	b := &browser{t, ctx}
	if _, err := chromedp.Call(start(b), page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchTasks}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(width, height), chromedp.Navigate(dashboardtest.Serve(t, cluster.Admin, namespace)+"/?token="+dashboardtest.Token))
	t.Cleanup(func() {
		if problems, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`problems`)); err != nil || len(problems) > 0 {
			t.Errorf("the page has problems: %q, %v", problems, err)
		}
	})
	return b
}

// start starts the browser.
func start(b *browser) context.Context {
	b.do()
	return b.ctx
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// keys presses keys, one after the other.
func (b *browser) keys(keys ...string) {
	b.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// value is what an expression comes to.
func value[T any](b *browser, expression string) T {
	b.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return got
}

// await waits until an expression is true.
func (b *browser) await(expression string) {
	b.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(patience), chromedp.WithPollingInterval(50*time.Millisecond))); err != nil {
		b.Fatalf("%v: %s\n%s", err, expression, value[string](b, `document.body.innerText.slice(0, 2000)`))
	}
}

// prefer has the browser say what its user prefers.
func (b *browser) prefer(feature, preference string) {
	b.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: feature, Value: preference}}})
	if err != nil {
		b.Fatal(err)
	}
}

// accessible fails for everything that axe has against the page.
func (b *browser) accessible(what string) {
	b.Helper()
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		b.Fatal(err)
	}
	value[cdp.Empty](b, string(axe)+"; ({})")
	violations := value[[]string](b, `axe.run().then(found => found.violations.map(v => v.id + ": " + v.help + "\n  " + v.nodes.slice(0, 3).map(node => node.html + " " + node.failureSummary).join("\n  ")))`)
	if len(violations) > 0 {
		b.Errorf("%s:\n%s", what, strings.Join(violations, "\n"))
	}
}
