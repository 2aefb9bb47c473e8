package unclaimed

import (
	"fmt"
	"testing"
	"time"
)

// What was received is told until it is claimed, and not without bound.
func TestCollector(t *testing.T) {
	var c Collector
	at := time.Unix(1790000000, 0)
	c.Add([]Activity{{Subject: "+15550100009", Updates: 2}}, at)
	c.Add([]Activity{{Subject: "+15550100009", ID: "7009", Updates: 1}}, at.Add(time.Hour))
	want := Summary{Activity: Activity{Subject: "+15550100009", ID: "7009", Updates: 3}, First: at, Last: at.Add(time.Hour)}
	if got := c.All(); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	c.Forget("+15550100009")
	if c.Len() != 0 {
		t.Error("what is forgotten is told")
	}
	for i := range 2 * maxNumbers {
		c.Add([]Activity{{Subject: fmt.Sprint("+1555", 1_000_000+i), Updates: 1}}, at)
	}
	if c.Len() != maxNumbers {
		t.Errorf("%d are told apart", c.Len())
	}
}
