package dashboard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/dashboard/dashboardtest"
)

// fleet makes numbers in a namespace of their own, the first of which has used nothing, and the last all.
func fleet(t *testing.T, names ...string) (namespace string, numbers []*v1alpha1.PhoneNumber) {
	t.Helper()
	namespace = cluster.Namespace(t)
	for i, name := range names {
		n := dashboardtest.Number(namespace, name, i)
		n.Spec.DisplayName = "Harbour " + name
		cluster.Create(t, n)
		evaluate(t, n, int64(1000*i/(len(names)-1)))
		numbers = append(numbers, n)
	}
	return namespace, numbers
}

func evaluate(t *testing.T, n *v1alpha1.PhoneNumber, used int64) {
	t.Helper()
	if err := cluster.Evaluate(t.Context(), n, used); err != nil {
		t.Fatal(err)
	}
}

// names are those of the rows, from the top.
const names = `[...document.querySelectorAll("#rows tbody a")].map(link => link.lastChild.textContent)`

// focused is the name of the row that has the focus.
const focused = `(document.activeElement.closest("#rows tbody tr")?.querySelector("a").lastChild.textContent ?? document.activeElement.tagName)`

// rows says that those, from the top, are shown.
func rows(want ...string) string {
	return fmt.Sprintf(`%s.join() == %q`, names, strings.Join(want, ","))
}

// What changes in the cluster is shown without a reload, and what is gone disappears.
func TestPageIsLive(t *testing.T) {
	namespace, numbers := fleet(t, "desk", "lobby", "pool")
	b := open(t, namespace, 1440, 900)
	b.await(rows("pool", "lobby", "desk")) // the fullest first
	evaluate(t, numbers[0], 900)
	b.await(rows("pool", "desk", "lobby"))
	b.await(`document.querySelector("#rows tbody tr:nth-child(3)").innerText.includes("900 of 1,000")`)
	if err := cluster.API.Delete(t.Context(), numbers[1]); err != nil {
		t.Fatal(err)
	}
	b.await(rows("pool", "desk"))
	b.await(`document.getElementById("lately").innerText.includes("Quality changed High → Medium")`)
	b.await(`document.getElementById("connection").textContent == "From statuses" && document.getElementById("notice").innerText.includes("may be a minute old")`)
}

// The page of an object that is gone says so, and does not say any more what may be sent.
func TestPageOfWhatIsGone(t *testing.T) {
	namespace, numbers := fleet(t, "desk", "lobby")
	b := open(t, namespace, 1440, 900)
	b.await(rows("lobby", "desk"))
	b.do(chromedp.Click(`a[href$="/desk"]`))
	b.await(`document.querySelector("article").innerText.includes("further users may be messaged now")`)
	if err := cluster.API.Delete(t.Context(), numbers[0]); err != nil {
		t.Fatal(err)
	}
	b.await(`document.querySelector("article").innerText.includes("It is not there")`)
	if shown := value[string](b, `document.querySelector("article").innerText`); strings.Contains(shown, "may be messaged") || strings.Contains(shown, "limit") {
		t.Errorf("it shows %q", shown)
	}
}

// What people wrote is text, whatever it looks like.
func TestPageShowsMarkupAsText(t *testing.T) {
	namespace, numbers := fleet(t, "desk", "lobby")
	numbers[0].Spec.DisplayName = `<img src=x onerror="problems.push('ran')"><b>Harbour</b>`
	if err := cluster.API.Update(t.Context(), numbers[0]); err != nil {
		t.Fatal(err)
	}
	b := open(t, namespace, 1440, 900)
	b.await(rows("lobby", "desk"))
	b.do(chromedp.Click(`a[href$="/desk"]`))
	b.await(`document.querySelector("article").innerText.includes('<img src=x onerror="')`)
	if n := value[int](b, `document.querySelectorAll("img, article b").length`); n != 0 {
		t.Errorf("%d elements came of it", n)
	}
}

// All can be done by keyboard: search, walk through the rows, open one, and come back to where one was. What changes meanwhile does not take
// the focus away.
func TestPageByKeyboard(t *testing.T) {
	namespace, numbers := fleet(t, "desk", "lobby", "pool", "spa", "suite")
	b := open(t, namespace, 1440, 900)
	b.await(rows("suite", "spa", "pool", "lobby", "desk"))
	b.keys("/")
	b.await(`document.activeElement.id == "search"`)
	b.keys(kb.Escape, "l", "o", "b", "b") // the protocol, unlike a keyboard, writes the / that the page took
	b.await(rows("lobby"))
	b.keys(kb.Escape)
	b.await(rows("suite", "spa", "pool", "lobby", "desk"))
	for range 40 {
		if b.keys(kb.Tab); value[string](b, focused) == "suite" {
			break
		}
	}
	for _, step := range []struct{ key, row string }{
		{"", "suite"}, {kb.ArrowDown, "spa"}, {kb.End, "desk"}, {kb.ArrowDown, "desk"}, {kb.ArrowUp, "lobby"}, {kb.Home, "suite"}, {kb.PageDown, "desk"}, {kb.PageUp, "suite"}, {kb.ArrowDown, "spa"},
	} {
		if step.key != "" {
			b.keys(step.key)
		}
		if got := value[string](b, focused); got != step.row {
			t.Fatalf("the focus is on %s, not on %s", got, step.row)
		}
	}
	evaluate(t, numbers[0], 990)
	b.await(rows("suite", "desk", "spa", "pool", "lobby"))
	if got := value[string](b, focused); got != "spa" {
		t.Errorf("the focus went to %s", got)
	}
	b.keys(kb.Enter)
	b.await(`document.activeElement.tagName == "H1" && document.activeElement.innerText == "spa" && document.title == "spa · numberfleet"`)
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	b.await(focused + ` == "spa"`)
}

// A heading sorts, and says so; again, and it sorts the other way.
func TestPageSorts(t *testing.T) {
	namespace, _ := fleet(t, "desk", "lobby", "pool")
	b := open(t, namespace, 1440, 900)
	b.await(rows("pool", "lobby", "desk"))
	heading := chromedp.Click(`#rows th.name button`)
	b.do(heading)
	b.await(rows("desk", "lobby", "pool"))
	if sorted := value[string](b, `document.querySelector("th.name").ariaSort + document.querySelectorAll("[aria-sort]").length`); sorted != "ascending1" {
		t.Errorf("sorted is %s", sorted)
	}
	b.do(heading)
	b.await(rows("pool", "lobby", "desk"))
	if sorted := value[string](b, `document.querySelector("th.name").ariaSort`); sorted != "descending" {
		t.Errorf("sorted is %s", sorted)
	}
}

// A button shows the numbers of a state; what is found is said to who does not see it.
func TestPageFilters(t *testing.T) {
	namespace, _ := fleet(t, "desk", "lobby", "pool")
	b := open(t, namespace, 1440, 900)
	b.await(rows("pool", "lobby", "desk"))
	b.do(chromedp.Click(`#filters button.Restricted`))
	b.await(rows("pool"))
	b.await(`document.querySelector("#filters button.Restricted").ariaPressed == "true" && document.getElementById("shown").innerText == "1 shown"`)
}

// No one is kept out: of fleet and number, in light and dark, wide and narrow.
func TestPageIsAccessible(t *testing.T) {
	namespace, _ := fleet(t, "desk", "lobby", "pool")
	for _, width := range []int64{1440, 390} {
		b := open(t, namespace, width, 844)
		b.await(rows("pool", "lobby", "desk"))
		for _, scheme := range []string{"light", "dark"} {
			b.prefer("prefers-color-scheme", scheme)
			paper := value[int](b, `parseInt(getComputedStyle(document.body).backgroundColor.match(/\d+/))`)
			if dark := paper < 128; dark != (scheme == "dark") {
				t.Errorf("in %s the background is %d", scheme, paper)
			}
			b.accessible(fmt.Sprintf("the fleet, %d wide, %s", width, scheme))
			if scrolled := value[int64](b, `document.documentElement.scrollWidth`); scrolled > width {
				t.Errorf("at %d the page is %d wide", width, scrolled)
			}
		}
		value[string](b, fmt.Sprintf(`location.hash = "#/numbers/%s/pool"`, namespace))
		b.await(`document.querySelector("article canvas") != null`)
		for _, scheme := range []string{"light", "dark"} {
			b.prefer("prefers-color-scheme", scheme)
			b.accessible(fmt.Sprintf("a number, %d wide, %s", width, scheme))
		}
		if scrolled := value[int64](b, `document.querySelector("article").scrollWidth`); scrolled > width {
			t.Errorf("at %d the page of a number is %d wide", width, scrolled)
		}
	}
}
