package unclaimed

import (
	"fmt"
	"testing"
	"time"
)

// What was received is kept until it is told, and not without bound; what comes while it is told is told later.
func TestCollector(t *testing.T) {
	var c Collector
	at := time.Unix(1790000000, 0)
	c.Add([]Activity{{Subject: "+15550100009", Updates: 2}}, at)
	c.Add([]Activity{{Subject: "+15550100009", ID: "7009", Updates: 1}}, at.Add(time.Hour))
	want := Summary{Activity: Activity{Subject: "+15550100009", ID: "7009", Updates: 3}, First: at, Last: at.Add(time.Hour)}
	if got := c.All(); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	told := c.All()
	c.Add([]Activity{{Subject: "+15550100009", Updates: 4}}, at.Add(2*time.Hour))
	c.Told(told)
	if got := c.All(); len(got) != 1 || got[0].Updates != 4 || !got[0].Last.Equal(at.Add(2*time.Hour)) {
		t.Errorf("what came meanwhile is %+v", got)
	}
	if c.Told(c.All()); len(c.All()) != 0 {
		t.Error("what was told is told again")
	}
	for i := range 2 * maxNumbers {
		c.Add([]Activity{{Subject: fmt.Sprint("+1555", 1_000_000+i), Updates: 1}}, at)
	}
	if n := len(c.All()); n != maxNumbers {
		t.Errorf("%d are told apart", n)
	}
}
