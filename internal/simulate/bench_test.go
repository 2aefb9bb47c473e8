package simulate

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// One run plays a million events of twenty numbers over ten days: deliveries to half a million users, under a policy of each
// measure.
func BenchmarkMillion(b *testing.B) {
	const events = 1_000_000
	content := deliveries(events, 900*time.Millisecond)
	for _, name := range []string{"meta-2020", "meta-2023", "meta-2025"} {
		b.Run(name, func(b *testing.B) {
			policy := shipped(b, name)
			for b.Loop() {
				if _, err := Run(b.Context(), Config{Policy: policy}, bytes.NewReader(content)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func deliveries(n int, apart time.Duration) []byte {
	var content bytes.Buffer
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for i := range n {
		fmt.Fprintf(&content, `{"specversion":"1.0","id":"%d","source":"/shop","type":"dev.numberfleet.message.delivered.v1","time":"%s",`+
			`"data":{"number":"+1555010%04d","user":"1555%07d","messageID":"wamid.%d"}}`+"\n",
			i, start.Add(time.Duration(i)*apart).Format(time.RFC3339), 100+i%20, i*7919%500_000, i)
	}
	return content.Bytes()
}
