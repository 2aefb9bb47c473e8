package meta_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

func TestAThousandUpdatesAreTakenAndOneMoreIsNot(t *testing.T) {
	at := time.Unix(1790000000, 0)
	for name, build := range map[string]func(n int) []byte{
		"statuses": func(n int) []byte { return payload(n, n, at) },
		"statuses and messages": func(n int) []byte {
			inbound := make([]metatest.Inbound, 400)
			for i := range inbound {
				inbound[i] = metatest.Inbound{ID: "m", Phone: "1", At: at}
			}
			return metatest.MessagesPayload(number, statuses(n-400, at), inbound)
		},
		"changes of other fields": func(n int) []byte {
			change := `{"field":"flows","value":{}},`
			return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` + strings.Repeat(change, n)[:n*len(change)-1] + `]}]}`)
		},
		"changes with nothing in them": func(n int) []byte {
			change := `{"field":"messages","value":{"metadata":{"display_phone_number":"15550001111"}}},`
			return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` + strings.Repeat(change, n)[:n*len(change)-1] + `]}]}`)
		},
		"reports about templates": func(n int) []byte {
			change := `{"field":"message_template_quality_update","value":{"new_quality_score":"RED","message_template_name":"sale","message_template_language":"en"}},`
			return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","time":1790000000,"changes":[` + strings.Repeat(change, n)[:n*len(change)-1] + `]}]}`)
		},
		"alerts": func(n int) []byte {
			change := `{"field":"account_alerts","value":{}},`
			return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` + strings.Repeat(change, n)[:n*len(change)-1] + `]}]}`)
		},
		"restrictions": func(n int) []byte {
			restriction := `{"restriction_type":"X"},`
			return change("2001", "account_update", `"event":"ACCOUNT_RESTRICTION","restriction_info":[`+strings.Repeat(restriction, n)[:n*len(restriction)-1]+`]`)
		},
		"contacts": func(n int) []byte { return messages(`"contacts":[` + strings.Repeat(`{},`, n)[:3*n-1] + `]`) },
	} {
		t.Run(name, func(t *testing.T) {
			u, err := meta.Parse(build(meta.MaxUpdates), latest)
			if err != nil {
				t.Fatal(err)
			}
			u.Release()
			_, err = meta.Parse(build(meta.MaxUpdates+1), latest)
			var many *meta.TooManyError
			if !errors.As(err, &many) || many.Limit != 1000 {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestABodyThatIsTooDeepOrHoldsTooMuchIsRefusedCheaply(t *testing.T) {
	const size = 3 << 20
	for name, body := range map[string][]byte{
		"depth":         bytes.Repeat([]byte("["), size),
		"object depth":  bytes.Repeat([]byte(`{"a":`), size/5),
		"values":        append(append([]byte("["), bytes.Repeat([]byte("0,"), size/2)...), "0]"...),
		"quoted errors": append(bytes.Repeat([]byte("["), 60), bytes.Repeat([]byte("n\x00"), size/2)...),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			allocated := testing.AllocsPerRun(1, func() { _, err = meta.Parse(body, latest) })
			if err == nil || len(err.Error()) > 200 || allocated > 10 {
				t.Errorf("%v after %v allocations", err, allocated)
			}
		})
	}
}

func TestWhatOnePOSTBroughtIsNotSeenInTheNext(t *testing.T) {
	full, err := meta.Parse(read(t, "delivered.json"), latest)
	if err != nil {
		t.Fatal(err)
	}
	full.Release()
	expect(t, []byte(`{"object":"whatsapp_business_account","entry":[]}`), facts{})
	expect(t, read(t, "other_fields.json"), facts{Other: map[string]int{"account_settings_update": 1, "flows": 1, "other": 1}})
}

// Numbers and report values outlive the buffer they were read from.
func TestNumbersAndReportsMayBeKept(t *testing.T) {
	u, err := meta.Parse(qualityUpdate(`"display_phone_number":"15550003333","event":"UPGRADE","current_limit":"TIER_HUGE"`), latest)
	if err != nil {
		t.Fatal(err)
	}
	kept := u.Reports[0]
	u.Release()
	for range 10 {
		u, err := meta.Parse(qualityUpdate(`"display_phone_number":"xxxxxxxxxxx","event":"xxxxxxx","current_limit":"xxxxxxxxx"`), latest)
		if err == nil {
			u.Release()
		}
	}
	if want := (report.Report{Subject: report.ParseSubject("+15550003333"), Kind: report.Limit, Value: "TIER_HUGE", Reason: "UPGRADE", At: 1790000000}); kept != want {
		t.Errorf("got %+v", kept)
	}
}
