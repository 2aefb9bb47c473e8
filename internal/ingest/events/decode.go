package events

import (
	"mime"
	"net/http"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/spec"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"numberfleet.dev/numberfleet/internal/cloudevents"
)

const (
	linesType      = "application/x-ndjson"
	otherLinesType = "application/jsonl"
)

// parserOf is what reads the body of a request with such headers; nil if nothing does.
func parserOf(header http.Header) func(*cloudevents.Parser, []byte) ([]cloudevents.Event, error) {
	bounds := cloudevents.Bounds{Events: MaxEvents, Bytes: MaxEvent}
	in := func(parse func(*cloudevents.Parser, []byte, cloudevents.Bounds) ([]cloudevents.Event, error)) func(*cloudevents.Parser, []byte) ([]cloudevents.Event, error) {
		return func(p *cloudevents.Parser, body []byte) ([]cloudevents.Event, error) { return parse(p, body, bounds) }
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	switch media {
	case event.ApplicationCloudEventsJSON:
		return in((*cloudevents.Parser).Parse)
	case event.ApplicationCloudEventsBatchJSON:
		return in((*cloudevents.Parser).ParseBatch)
	case linesType, otherLinesType:
		return in((*cloudevents.Parser).ParseLines)
	}
	message := cehttp.NewMessage(header, nil)
	if message.ReadEncoding() != binding.EncodingBinary {
		return nil
	}
	attribute := func(name string) string {
		value, _ := attributeOf(message, name).(string)
		return value
	}
	return func(p *cloudevents.Parser, body []byte) ([]cloudevents.Event, error) {
		return p.ParseAttributes(attribute, body, bounds)
	}
}

func attributeOf(message *cehttp.Message, name string) any {
	for kind := spec.ID; kind <= spec.Time; kind++ {
		if kind.String() == name {
			_, value := message.GetAttribute(kind)
			return value
		}
	}
	return nil
}
