package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	mostRows  = 500              // of one event: a browser reads them in some milliseconds
	heartbeat = 10 * time.Second // between two signs of life
	deadline  = 30 * time.Second // for an update to leave
)

// stream sends all that there is, and then what changes, as server-sent events:
//
//	rows     the rows of objects, all or those that changed
//	gone     the names of objects that are not there any more
//	news     what happened lately, and what happens next
//	notes    what the page says about itself
//	now      the time of the fleet; it ends an update
func (p *Page) stream(w http.ResponseWriter, req *http.Request) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil { // the server's is for requests that end
		http.Error(w, "a stream cannot be longer than a request", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	alive := p.fleet.Clock.NewTicker(heartbeat)
	defer alive.Stop()
	for version := int64(0); ; {
		u := p.fleet.since(version)
		version = u.version
		if control.SetWriteDeadline(p.fleet.Clock.Now().Add(deadline)) != nil {
			return
		}
		if _, err := w.Write(u.events()); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-req.Context().Done():
			return
		case <-p.ended:
			return
		case <-u.changed:
		case <-alive.C():
		}
	}
}

// events are an update as server-sent events.
func (u *update) events() []byte {
	var out bytes.Buffer
	send := func(event string, data []byte) { fmt.Fprintf(&out, "event: %s\ndata: %s\n\n", event, data) }
	if u.notes != nil {
		send("notes", u.notes)
	}
	for rows := u.rows; len(rows) > 0; {
		n := min(mostRows, len(rows))
		send("rows", append(append([]byte{'['}, bytes.Join(rows[:n], []byte{','})...), ']'))
		rows = rows[n:]
	}
	for _, k := range u.gone {
		name, _ := json.Marshal(map[string]string{"kind": k.kind, "namespace": k.namespace, "name": k.name}) //nolint:errchkjson // strings always marshal
		send("gone", name)
	}
	if u.news != nil {
		send("news", u.news)
	}
	if u.version > 0 {
		send("now", fmt.Appendf(nil, "%d", u.now.UnixMilli()))
	}
	return out.Bytes()
}
