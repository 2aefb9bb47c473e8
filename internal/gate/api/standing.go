package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"k8s.io/utils/clock"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/standing"
)

// item is where a number, a portfolio or a pool stands.
type item struct {
	Kind      string `json:"kind"` // PhoneNumber, BusinessPortfolio or NumberPool
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Number    string `json:"number,omitempty"`
	NumberID  string `json:"numberID,omitempty"`
	Portfolio string `json:"portfolio,omitempty"` // that has the number's limit

	Limit     *int64 `json:"limit,omitempty"` // left out where there is none
	Used      *int64 `json:"used,omitempty"`  // left out where nobody knows, and of a pool
	Reserved  int64  `json:"reserved"`
	Remaining int64  `json:"remaining"`
	Sendable  bool   `json:"sendable"`
	Reason    string `json:"reason,omitempty"`
	Until     string `json:"until,omitempty"`

	Budgets []budget `json:"budgets,omitempty"` // of who has the limit
}

// budget is where a budget of a limit stands.
type budget struct {
	Name       string `json:"name"`
	Used       int64  `json:"used"`
	Reserved   int64  `json:"reserved"`
	Guaranteed int64  `json:"guaranteed"`
	Maximum    *int64 `json:"maximum,omitempty"` // left out where there is none
	Remaining  int64  `json:"remaining"`
}

// items is the body of the answer to what may be sent now.
type items struct {
	Items []item `json:"items"`
}

// selection says what is asked about. Empty fields are for all.
type selection struct{ namespace, number, numberID, portfolio, pool string }

var parameters = []string{"namespace", "number", "numberID", "portfolio", "pool"}

func selectionOf(query url.Values) (s selection, err error) {
	for name, values := range query {
		if !slices.Contains(parameters, name) || len(values) != 1 {
			return s, badRequest("a parameter is not known or comes twice; the parameters are namespace, number, numberID, portfolio and pool")
		}
	}
	return selection{query.Get("namespace"), query.Get("number"), query.Get("numberID"), query.Get("portfolio"), query.Get("pool")}, nil
}

// includes says whether an item is asked about. Portfolios belong to no namespace.
func (s *selection) includes(i *item) bool {
	portfolio := i.Portfolio
	if i.Kind == portfolioKind {
		portfolio = i.Name
	}
	return (s.namespace == "" || s.namespace == i.Namespace) && (s.number == "" || s.number == i.Number) &&
		(s.numberID == "" || s.numberID == i.NumberID) && (s.portfolio == "" || s.portfolio == portfolio) &&
		(s.pool == "" || i.Kind == poolKind && s.pool == i.Name)
}

// The kinds of items.
const (
	numberKind    = "PhoneNumber"
	portfolioKind = "BusinessPortfolio"
	poolKind      = "NumberPool"
)

// itemsOf are the items of a view that are asked about: numbers, portfolios, then pools, each in the order of namespaces and names.
func itemsOf(v *standing.View, s *selection) []item {
	all := []item{}
	for n := range v.AllNumbers() {
		i := item{Kind: numberKind, Namespace: n.Namespace, Name: n.Name, Number: n.Spec.PhoneNumber, NumberID: n.Spec.PhoneNumberID, Portfolio: n.Status.Portfolio}
		if s.includes(&i) {
			stands := v.Number(n)
			i.stands(&stands.Room, stands.Used, &n.Status.Tier, stands.Budgets)
			all = append(all, i)
		}
	}
	for p := range v.AllPortfolios() {
		i := item{Kind: portfolioKind, Name: p.Name}
		if s.includes(&i) {
			stands := v.Portfolio(p)
			i.stands(&stands.Room, stands.Used, &p.Status.Tier, stands.Budgets)
			all = append(all, i)
		}
	}
	for p := range v.AllPools() {
		i := item{Kind: poolKind, Namespace: p.Namespace, Name: p.Name}
		if s.includes(&i) {
			stands := v.Pool(p)
			i.stands(&stands.Room, nil, &v1alpha1.TierStatus{}, nil)
			all = append(all, i)
		}
	}
	kinds := []string{numberKind, portfolioKind, poolKind}
	slices.SortFunc(all, func(a, b item) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func (i *item) stands(room *rules.Room, used *int64, tier *v1alpha1.TierStatus, budgets []standing.Budget) {
	if tier.Name != "" && room.Limit != rules.Unlimited {
		i.Limit = new(room.Limit)
	}
	i.Used, i.Reserved, i.Remaining, i.Sendable, i.Reason = used, room.Reserved, room.Remaining, room.Sendable, string(room.Reason)
	if !room.Until.IsZero() {
		i.Until = room.Until.UTC().Format(time.RFC3339)
	}
	for _, b := range budgets {
		of := budget{Name: b.Name, Used: b.Used, Reserved: b.Held, Guaranteed: b.Guaranteed, Remaining: b.Remaining}
		if b.Maximum >= 0 {
			of.Maximum = new(b.Maximum)
		}
		i.Budgets = append(i.Budgets, of)
	}
}

// AgeHeader says how old what an answer tells may be: seconds, with a fraction. An answer lacks nothing that anyone was told before.
const AgeHeader = "Numberfleet-Log-Age"

// now is a view of this instant, and the real instant of which it lacks nothing. It is an error where that is too long ago.
func (b *Backend) now(real clock.PassiveClock) (view *standing.View, asOf time.Time, err error) {
	if err := b.Ledger.Fresh(); err != nil {
		return nil, asOf, err
	}
	asOf = real.Now().Add(-b.Ledger.Age())
	view, err = b.Standing.Now()
	return view, asOf, err
}

// list answers where numbers, portfolios and pools stand.
func (a *API) list(w http.ResponseWriter, req *http.Request, from *from) (int, error) {
	s, err := a.selected(req, from.caller)
	if err != nil {
		return 0, err
	}
	view, asOf, err := from.now(a.Real)
	if err != nil {
		return 0, a.failed(req.Context(), err, "Where numbers stand could not be told")
	}
	all := itemsOf(view, &s)
	w.Header().Set(AgeHeader, strconv.FormatFloat(a.Real.Since(asOf).Seconds(), 'f', 3, 64))
	return a.write(w, http.StatusOK, jsonType, &items{all}), nil
}

// selected is what a request asks about, of a caller who may know it.
func (a *API) selected(req *http.Request, caller *server.Caller) (selection, error) {
	s, err := selectionOf(req.URL.Query())
	if err != nil {
		return s, err
	}
	return s, a.mayKnow(req.Context(), caller, s.namespace)
}

// mayKnow refuses a caller who may not know where the numbers of a namespace stand, or those of all where that is empty. It looks at no
// number, so it tells of none.
func (a *API) mayKnow(ctx context.Context, caller *server.Caller, namespace string) error {
	allowed, err := caller.Allowed(ctx, server.Permission{Verb: "get", Resource: "phonenumbers", Subresource: "standing", Namespace: namespace})
	switch {
	case err != nil:
		return a.failed(ctx, err, "A caller of the gate could not be authorised")
	case !allowed:
		where := "in the namespace that is asked about"
		if namespace == "" {
			where = "in the whole cluster, unless namespace is given"
		}
		return &server.Error{Code: http.StatusForbidden, Message: fmt.Sprintf("that takes get on phonenumbers/standing of %s %s", v1alpha1.GroupVersion.Group, where)}
	}
	return nil
}
