package ingest

import (
	"context"
	"strconv"
	"strings"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// eventRecords makes ledger records of events, so that what webhooks tell as well is recorded once: by the same keys, under
// the same subjects, in the same words.
type eventRecords struct {
	backend *EventBackend
	batch   *counts.Batch
	// What was looked up.
	portfolios map[string]string
	templates  map[[2]string][]string
}

// recordEvents makes a batch of events. One that is about nothing that the ledger could keep it under is wrong; an error says
// that this cannot be told now.
func recordEvents(ctx context.Context, backend *EventBackend, events []cloudevents.Event) (*counts.Batch, *cloudevents.Error, error) {
	r := &eventRecords{
		backend: backend, batch: &counts.Batch{Entries: make([]counts.Entry, 0, len(events))},
		portfolios: map[string]string{}, templates: map[[2]string][]string{},
	}
	for i := range events {
		if wrong, err := r.record(ctx, &events[i]); wrong != nil || err != nil {
			return nil, wrong, err
		}
	}
	return r.batch, nil, nil
}

func (r *eventRecords) record(ctx context.Context, e *cloudevents.Event) (*cloudevents.Error, error) {
	hasher := r.backend.Hasher
	switch e.Type {
	case cloudevents.MessageDelivered:
		r.entry(e, counts.Entry{Kind: counts.Delivered, Reply: e.Reply(), Message: hasher.Message(e.MessageID)})
	case cloudevents.MessageReceived:
		r.entry(e, counts.Entry{Kind: counts.Received})
	case cloudevents.MessageFailed: // counts for nothing
	case cloudevents.FeedbackReceived:
		did := counts.NewComplaint(v1alpha1.FeedbackKind(e.Kind), v1alpha1.FeedbackReason(e.Reason))
		r.entry(e, counts.Entry{Kind: counts.Complained, Did: did, Message: hasher.Message(e.Source + "\x00" + e.ID)})
	case cloudevents.QualityReported:
		r.report(e, e.Number, counts.QualityReport, e.Rating)
	case cloudevents.ConnectionReported:
		r.report(e, e.Number, counts.ConnectionReport, e.State)
	case cloudevents.LimitReported:
		limit := "Unlimited"
		if e.Limit != cloudevents.Unlimited {
			limit = strconv.FormatInt(e.Limit, 10)
		}
		return r.reportOf(ctx, e, counts.LimitReport, limit)
	case cloudevents.VerificationReported:
		return r.reportOf(ctx, e, counts.VerificationReport, e.Verification)
	case cloudevents.TemplateReported:
		return r.reportTemplate(ctx, e)
	default:
		return e.Refuse("type", "is not recorded"), nil
	}
	return nil, nil
}

func (r *eventRecords) entry(e *cloudevents.Event, entry counts.Entry) {
	entry.Number, entry.User, entry.At = e.Number, r.backend.Hasher.User(e.User), e.Time.Unix()
	r.batch.Entries = append(r.batch.Entries, entry)
}

func (r *eventRecords) report(e *cloudevents.Event, subject string, kind counts.ReportKind, value string) {
	r.batch.Reports = append(r.batch.Reports, counts.Report{
		Number: subject, Kind: kind, At: e.Time.Unix(), Value: value, Reason: strings.ToValidUTF8(e.Reason, "\uFFFD"),
	})
}

// reportOf records a report about a number or a portfolio.
func (r *eventRecords) reportOf(ctx context.Context, e *cloudevents.Event, kind counts.ReportKind, value string) (*cloudevents.Error, error) {
	if e.Portfolio == "" {
		r.report(e, e.Number, kind, value)
		return nil, nil
	}
	subject, known := r.portfolios[e.Portfolio]
	if !known {
		var err error
		if subject, err = r.backend.Directory.Portfolio(ctx, e.Portfolio); err != nil {
			return nil, err
		}
		r.portfolios[e.Portfolio] = subject
	}
	if subject == "" {
		return e.Refuse("data.portfolio", "must be Meta's id of a portfolio, or the name of a BusinessPortfolio that has it in spec.portfolioID"), nil
	}
	r.report(e, subject, kind, value)
	return nil, nil
}

// reportTemplate records a report about a template: about each of its languages, since the event names none.
func (r *eventRecords) reportTemplate(ctx context.Context, e *cloudevents.Event) (*cloudevents.Error, error) {
	key := [2]string{e.Template, e.Number}
	subjects, known := r.templates[key]
	if !known {
		var err error
		if subjects, err = r.backend.Directory.Templates(ctx, e.Template, e.Number); err != nil {
			return nil, err
		}
		r.templates[key] = subjects
	}
	if len(subjects) == 0 {
		return e.Refuse("data.template", "must be spec.templateName of a MessageTemplate of one WhatsApp Business Account: in the namespace of the number's PhoneNumber, and of its account, where data.number is set"), nil
	}
	for _, subject := range subjects {
		rating := func() { r.report(e, subject, counts.QualityReport, e.Rating) }
		state := func() { r.report(e, subject, counts.TemplateReport, e.State) }
		switch {
		case e.State == "":
			rating()
		case e.Rating == "":
			state()
		case e.StateFirst():
			state()
			rating()
		default:
			rating()
			state()
		}
	}
	return nil, nil
}
