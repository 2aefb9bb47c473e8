package counts

import (
	"slices"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// twoClusters is a machine that clusters named a and b lead, each for its own resources.
type twoClusters struct {
	*Machine
	t     *testing.T
	terms map[string]uint64
}

func newTwoClusters(t *testing.T) *twoClusters {
	t.Helper()
	c := &twoClusters{NewMachine(), t, map[string]uint64{}}
	for i, cluster := range []string{"a", "b"} {
		c.Apply(c.Position()+1, &Round{Proposer: uint64(i + 1), Batch: 1, Cluster: cluster, Lead: true})
		c.terms[cluster] = c.Position()
	}
	return c
}

// set has the leader of a cluster set what a record is of.
func (c *twoClusters) set(cluster string, r *Record) {
	c.t.Helper()
	applied := c.Apply(c.Position()+1, &Round{Cluster: cluster, Term: c.terms[cluster], Records: []*Record{r}})
	if applied[0].Fenced {
		c.t.Fatalf("cluster %s is refused", cluster)
	}
}

func sharedLimit(limit int64) LimitSetting {
	return LimitSetting{Subject: PortfolioKey("acme"), Limit: limit, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}
}

// A portfolio that two clusters share has the numbers of both, and counts their users once. Its limit is that of the cluster that set it
// first, until this one removes it. It stays so in a snapshot.
func TestAPortfolioOfTwoClustersHasOneLimit(t *testing.T) {
	c := newTwoClusters(t)
	c.set("a", &Record{Portfolios: []Portfolio{{"acme", []string{"+1", "+2"}}}, Settings: Settings{Limits: []LimitSetting{sharedLimit(10)}}})
	c.set("b", &Record{Portfolios: []Portfolio{{"acme", []string{"+3"}}}, Settings: Settings{Limits: []LimitSetting{sharedLimit(99)}}})
	for i, number := range []string{"+1", "+3", "+3"} {
		c.set("", &Record{Clock: begin.UnixMilli(), Batch: Batch{Entries: []Entry{{Number: number, Kind: Delivered, User: UserKey(1 + i/2), Message: MessageKey(i + 1), At: begin.Unix()}}}})
	}
	stands := func(limit, used int64) {
		t.Helper()
		key := PortfolioKey("acme")
		if got := c.Count(key, v1alpha1.MeasureUniqueUsers, begin.Add(-time.Hour), begin); got != used {
			t.Errorf("%d users are counted, not %d", got, used)
		}
		if l := c.gate.limits[key]; l.setting.Limit != limit {
			t.Errorf("the limit is %d, not %d", l.setting.Limit, limit)
		}
	}
	stands(10, 2)
	for cluster, numbers := range map[string][]string{"a": {"+1", "+2"}, "b": {"+3"}} {
		if !c.HasPortfolio(Portfolio{"acme", numbers}, cluster) {
			t.Errorf("cluster %s did not give the portfolio %v", cluster, numbers)
		}
	}
	if got := c.Changes(Settings{Limits: []LimitSetting{sharedLimit(99)}}, "b"); !got.Empty() {
		t.Errorf("cluster b would write %+v", got)
	}
	if got := c.SetElsewhere(PortfolioKey("acme"), "b"); got != "a" || c.SetElsewhere("+1", "a") != "" || c.SetElsewhere("+3", "a") != "b" {
		t.Errorf("the limit is set by %q", got)
	}
	capture := c.Capture(true)
	again, err := Restore(rowsOf(slices.Collect(capture.Rows())), oneByOne)
	if err != nil {
		t.Fatal(err)
	}
	capture.End(true)
	c.Machine = again
	c.set("b", &Record{Settings: Settings{Limits: []LimitSetting{sharedLimit(99)}}})
	stands(10, 2)
	c.set("a", &Record{Portfolios: []Portfolio{{Name: "acme"}}, Settings: Settings{Limits: []LimitSetting{{Subject: PortfolioKey("acme"), Removed: true}}}})
	c.set("b", &Record{Settings: Settings{Limits: []LimitSetting{sharedLimit(99)}}})
	stands(99, 2)
}

// A number that resources of two clusters name follows the one that named it first.
func TestANumberOfTwoClustersFollowsOne(t *testing.T) {
	c := newTwoClusters(t)
	sender := func(namespace string) *Record {
		return &Record{Windows: []NumberWindows{{"+1", Windows{Service: time.Duration(len(namespace)) * time.Hour}}}, Settings: Settings{Senders: []SenderSetting{{Number: "+1", Namespace: namespace}}}}
	}
	c.set("b", sender("shop"))
	c.set("a", sender("other"))
	c.set("a", &Record{Settings: Settings{Senders: []SenderSetting{{Number: "+1", Removed: true}}}})
	if got := c.number("+1").namespace(); got != "shop" || c.Windows("+1").Service != 4*time.Hour {
		t.Errorf("the number is of namespace %q", got)
	}
	c.set("b", &Record{Settings: Settings{Senders: []SenderSetting{{Number: "+1", Removed: true}}}})
	c.set("a", sender("other"))
	if got := c.number("+1").namespace(); got != "other" {
		t.Errorf("the number is of namespace %q after its resource was removed", got)
	}
}

// A number whose limit becomes that of a portfolio stays of its cluster: another one that gives the portfolio its own numbers leaves it there.
func TestANumberThatSharesALimitFromNowOnStaysItsClusters(t *testing.T) {
	c := newTwoClusters(t)
	own := sharedLimit(10)
	own.Subject = "+1"
	c.set("a", &Record{Settings: Settings{Senders: []SenderSetting{{Number: "+1", Namespace: "shop"}}, Limits: []LimitSetting{own}}})
	c.set("a", &Record{Portfolios: []Portfolio{{"acme", []string{"+1"}}}})
	c.set("a", &Record{Settings: Settings{Limits: []LimitSetting{{Subject: "+1", Removed: true}}}})
	c.set("b", &Record{Portfolios: []Portfolio{{"acme", []string{"+2"}}}})
	if !c.HasPortfolio(Portfolio{"acme", []string{"+1"}}, "a") || c.SetElsewhere("+1", "b") != "a" {
		t.Errorf("the number is set by cluster %q, and the portfolio lacks it", c.SetElsewhere("+1", "b"))
	}
}

// A cluster that gets a name owns what it set before it had one: it writes that again, though nothing else of it changes. So another cluster
// that comes then leaves it as it is.
func TestAClusterOwnsWhatItSetBeforeItHadAName(t *testing.T) {
	c := newTwoClusters(t)
	settings := Settings{Limits: []LimitSetting{sharedLimit(10)}, Senders: []SenderSetting{{Number: "+1", Namespace: "shop"}}}
	acme := Portfolio{"acme", []string{"+1"}}
	c.set("", &Record{Portfolios: []Portfolio{acme}, Settings: settings})
	if !c.HasPortfolio(acme, "") || !c.same(settings, "") {
		t.Error("without a name it writes again what is known")
	}
	if c.HasPortfolio(acme, "a") || c.same(settings, "a") {
		t.Error("with a name it writes nothing, and owns nothing")
	}
	c.set("a", &Record{Portfolios: []Portfolio{acme}, Settings: c.Changes(settings, "a")})
	c.set("b", &Record{Portfolios: []Portfolio{{"acme", []string{"+2"}}}, Settings: Settings{Limits: []LimitSetting{sharedLimit(99)}}})
	if !c.HasPortfolio(acme, "a") || !c.same(settings, "a") {
		t.Error("another cluster has changed what it set")
	}
}

// same says whether a cluster would change nothing.
func (c *twoClusters) same(settings Settings, cluster string) bool {
	changes := c.Changes(settings, cluster)
	return changes.Empty()
}

// The leader of one cluster does not fence that of another.
func TestClustersHaveTheirOwnLeaders(t *testing.T) {
	c := newTwoClusters(t)
	c.Apply(c.Position()+1, &Round{Proposer: 3, Batch: 1, Cluster: "a", Lead: true})
	for cluster, fenced := range map[string]bool{"a": true, "b": false} {
		r := &Record{Windows: []NumberWindows{{"+1" + cluster, DefaultWindows}}}
		if got := c.Apply(c.Position()+1, &Round{Cluster: cluster, Term: c.terms[cluster], Records: []*Record{r}}); got[0].Fenced != fenced {
			t.Errorf("the first leader of cluster %s is fenced: %t", cluster, got[0].Fenced)
		}
	}
}
