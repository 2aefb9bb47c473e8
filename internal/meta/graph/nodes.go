package graph

import (
	"encoding/json"
	"fmt"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/report"
)

// PhoneNumber is a business phone number as Meta sees it.
type PhoneNumber struct {
	ID                 string         // Meta's id, digits
	DisplayPhoneNumber string         // as Meta writes it, such as +1 555-000-1111; identity.E164 reads it
	VerifiedName       string         // the display name, approved or not; at most 256 characters
	Connection         v1alpha1.State // Meta's status
	Rating             v1alpha1.QualityRating

	// PortfolioLimit is the limit of the portfolio that owns the number, from version v24.0 on. Before that, Limit is that of
	// the number alone. One of the two is always empty.
	PortfolioLimit string // as the value of a Limit report
	Limit          string // likewise

	Platform      string // where it is registered, such as CLOUD_API
	Throughput    string // how many messages it may send per second, such as STANDARD
	Health        Health
	OnBusinessApp bool // shared with the WhatsApp Business app, which fixes its throughput

	Unread []string // names of fields that Meta refused to tell, or that came in a shape that is not known; sorted
}

// Registered reports whether messages can be sent from the number through the Cloud API.
func (n *PhoneNumber) Registered() bool {
	return n.Connection == v1alpha1.StateConnected && (n.Platform == "CLOUD_API" || n.Platform == "")
}

// Account is a WhatsApp Business account (WABA).
type Account struct {
	ID                   string // Meta's id, digits
	Review               report.Decision
	BusinessVerification v1alpha1.Verification
}

// Template is a message template in one language.
type Template struct {
	ID             string // Meta's id, digits
	Name           string // at most 512 characters
	Language       string // as it came, such as en_US
	State          v1alpha1.TemplateState
	Category       report.CategoryName
	Rating         v1alpha1.QualityRating
	RejectedReason string // a word, as it came; empty where it was not rejected

	Unread []string // names of fields that Meta refused to tell, or that came in a shape that is not known; sorted
}

// Health is whether all that is needed to send messages can do so.
type Health struct {
	Overall  string // a word as CanSendMessage; empty if nothing was told
	Entities []HealthEntity
}

// HealthEntity is one of the things that are needed to send messages.
type HealthEntity struct {
	Type           string   // PHONE_NUMBER, WABA, BUSINESS, APP or MESSAGE_TEMPLATE
	CanSendMessage string   // a word of Meta's, such as AVAILABLE
	Info           []string // why it is limited, in Meta's words, each at most 256 characters
	Errors         []HealthError
}

// HealthError is a reason why something is blocked.
type HealthError struct {
	Code        string // digits
	Description string // in Meta's words, at most 256 characters
}

// Messaging is the worst that is said about sending messages, empty if nothing is.
//
// Meta's page computes Overall from the entities, but it has been seen blocked where only calls were: entities that all say
// whether they can send therefore count more.
func (h Health) Messaging() report.Sending {
	if len(h.Entities) == 0 {
		return meta.Sending(h.Overall)
	}
	worst := report.SendingAvailable
	for _, e := range h.Entities {
		if e.CanSendMessage == "" {
			return meta.Sending(h.Overall)
		}
		if is := meta.Sending(e.CanSendMessage); severity(is) > severity(worst) {
			worst = is
		}
	}
	return worst
}

// severity orders the ways of sending from the best to the worst. A word that is none of Meta's is worse than Available, since something
// is said, and better than what is known to be bad.
func severity(s report.Sending) int {
	switch s {
	case report.SendingAvailable:
		return 0
	case report.SendingLimited:
		return 2
	case report.SendingBlocked:
		return 3
	default:
		return 1
	}
}

// Hindrances are what keeps messages from being sent, or limits it, in Meta's words: of each entity that is not available, its
// type, the code of an error, and what it says. Meta's ids and advice are left out.
func (h Health) Hindrances() []string {
	var all []string
	for _, e := range h.Entities {
		if is := meta.Sending(e.CanSendMessage); is == report.SendingAvailable || is == "" {
			continue
		}
		for _, cause := range e.Errors {
			all = append(all, fmt.Sprintf("%s: %s (code %s)", e.Type, cause.Description, cause.Code))
		}
		for _, info := range e.Info {
			all = append(all, e.Type+": "+info)
		}
		if len(e.Errors)+len(e.Info) == 0 {
			all = append(all, fmt.Sprintf("%s: %s", e.Type, e.CanSendMessage))
		}
	}
	return all
}

// The fields that are asked for. Meta tells only those that are named; only an id is told in any case.
const (
	fieldPortfolioLimit = "whatsapp_business_manager_messaging_limit" // from v24.0 on
	fieldLimit          = "messaging_limit_tier"                      // deprecated since
	fieldHealth         = "health_status"
)

var (
	phoneNumberFields = []string{
		"id", "display_phone_number", "verified_name", "status", "quality_rating", "platform_type", "throughput", fieldHealth, "is_on_biz_app",
	}
	accountFields  = []string{"id", "account_review_status", "business_verification_status"}
	templateFields = []string{"id", "name", "language", "status", "category", "quality_score", "rejected_reason"}
)

const (
	maxEntities = 32 // of one health status: Meta's have four or five
	maxReasons  = 16 // of one entity
)

// page is an answer with a list.
type page struct {
	Data   []json.RawMessage `json:"data"`
	Paging struct {
		Cursors struct {
			After string `json:"after"`
		} `json:"cursors"`
		Next string `json:"next"`
	} `json:"paging"`
}

func readPage(body []byte) (page, error) {
	var p page
	if err := json.Unmarshal(body, &p); err != nil || p.Data == nil {
		return page{}, errShape // the decoder's error may quote the body
	}
	return p, nil
}

// readNode reads a node that an answer tells, in which the fields named in refused are known to be missing. One without an id is of no
// use.
func readNode[T any](raw []byte, refused []string, read func(of *object, id string) T) (id string, node T, err error) {
	o, err := newObject(raw, refused)
	if err != nil {
		return "", node, err
	}
	id, ok := readID(o.get("id"))
	if !ok {
		return "", node, errShape
	}
	return id, read(o, id), nil
}

func readPhoneNumber(o *object, id string) PhoneNumber {
	n := PhoneNumber{
		ID:                 id,
		DisplayPhoneNumber: o.text("display_phone_number"),
		VerifiedName:       o.text("verified_name"),
		Connection:         meta.Connection(o.word("status")),
		Rating:             meta.ReadRating(o.word("quality_rating")),
		PortfolioLimit:     meta.Limit(o.word(fieldPortfolioLimit)),
		Limit:              meta.Limit(o.word(fieldLimit)),
		Platform:           o.word("platform_type"),
		Throughput:         o.object("throughput").word("level"),
		Health:             readHealth(o.object(fieldHealth)),
		OnBusinessApp:      o.flag("is_on_biz_app"),
	}
	n.Unread = o.unread()
	return n
}

func readAccount(o *object, id string) Account {
	return Account{
		ID:                   id,
		Review:               meta.Decision(o.word("account_review_status")),
		BusinessVerification: meta.Verification(o.word("business_verification_status")),
	}
}

func readTemplate(o *object, id string) Template {
	t := Template{
		ID:             id,
		Name:           o.name("name"),
		Language:       o.word("language"),
		State:          meta.TemplateState(o.word("status")),
		Category:       meta.TemplateCategory(o.word("category")),
		Rating:         meta.ReadRating(o.object("quality_score").word("score")),
		RejectedReason: o.word("rejected_reason"),
	}
	if t.RejectedReason == "NONE" {
		t.RejectedReason = ""
	}
	t.Unread = o.unread()
	return t
}

func readHealth(o *object) Health {
	h := Health{Overall: o.word("can_send_message")}
	for _, e := range o.objects("entities", maxEntities) {
		entity := HealthEntity{
			Type:           e.word("entity_type"),
			CanSendMessage: e.word("can_send_message"),
			Info:           e.texts("additional_info", maxReasons),
		}
		for _, reason := range e.objects("errors", maxReasons) {
			entity.Errors = append(entity.Errors, HealthError{
				Code:        reason.word("error_code"),
				Description: reason.text("error_description"),
			})
		}
		h.Entities = append(h.Entities, entity)
	}
	return h
}
