package simulate

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// One run plays a million events over ten days: deliveries to half a million users from twenty numbers, each on its own under a
// policy of each measure, and all in one portfolio; and every hundredth event is a complaint where ratings are made of them.
func BenchmarkMillion(b *testing.B) {
	const events = 1_000_000
	content := deliveries(events, 900*time.Millisecond)
	shared := &Fleet{}
	for i := range 20 {
		shared.Numbers = append(shared.Numbers, Number{PhoneNumber: fmt.Sprintf("+1555010%04d", 100+i), Portfolio: "acme", HumanEscalation: true})
	}
	for name, config := range map[string]Config{
		"meta-2020":           {Policy: shipped(b, "meta-2020")},
		"meta-2023":           {Policy: shipped(b, "meta-2023")},
		"meta-2025":           {Policy: shipped(b, "meta-2025")},
		"meta-2025/portfolio": {Policy: shipped(b, "meta-2025"), Fleet: shared},
		"careful":             {Policy: policyFile(b, "testdata/scenarios/careful.yaml")},
	} {
		b.Run(name, func(b *testing.B) {
			content := content
			if config.Policy.LowFrom > 0 {
				content = complaints(content)
			}
			for b.Loop() {
				if _, err := Run(b.Context(), config, bytes.NewReader(content)); err != nil {
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

// complaints makes every hundredth delivery a complaint.
func complaints(deliveries []byte) []byte {
	var content bytes.Buffer
	i := 0
	for line := range bytes.Lines(deliveries) {
		if i++; i%100 == 0 {
			line = bytes.Replace(line, []byte("message.delivered"), []byte("feedback.received"), 1)
			line = bytes.Replace(line, []byte(`"messageID"`), []byte(`"kind":"Block","reason":"Spam","more"`), 1)
		}
		content.Write(line)
	}
	return content.Bytes()
}
