package events

import (
	"context"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/report"
)

// recorder makes ledger records of events, so that what webhooks tell as well is recorded once: by the same keys, under
// the same subjects, in the same words.
type recorder struct {
	hasher    records.Hasher
	directory Directory
	batch     *counts.Batch
	known     map[lookup][]report.Subject // what was looked up
}

// recordsOf makes a batch of events. One that is about nothing that the ledger could keep it under is wrong; an error says
// that this cannot be told now.
func recordsOf(ctx context.Context, hasher records.Hasher, directory Directory, events []cloudevents.Event) (*counts.Batch, *cloudevents.Error, error) {
	r := &recorder{
		hasher: hasher, directory: directory, batch: &counts.Batch{Entries: make([]counts.Entry, 0, len(events))},
		known: map[lookup][]report.Subject{},
	}
	for i := range events {
		if wrong, err := r.record(ctx, &events[i]); wrong != nil || err != nil {
			return nil, wrong, err
		}
	}
	return r.batch, nil, nil
}

func (r *recorder) record(ctx context.Context, e *cloudevents.Event) (*cloudevents.Error, error) {
	if entry, is := records.OfEvent(e, r.hasher); is {
		r.batch.Entries = append(r.batch.Entries, entry)
		return nil, nil
	}
	subjects, wrong, err := r.subjects(ctx, e)
	for _, subject := range subjects {
		r.batch.Reports = append(r.batch.Reports, e.Reports(subject)...)
	}
	return wrong, err
}

// subjects are whom a report is about: of a template each of its languages, since the event names none.
func (r *recorder) subjects(ctx context.Context, e *cloudevents.Event) ([]report.Subject, *cloudevents.Error, error) {
	of := lookup{portfolio: e.Portfolio}
	if e.Type == cloudevents.TemplateReported {
		of = lookup{template: e.Template, number: e.Number}
	}
	if of == (lookup{}) {
		return []report.Subject{report.ParseSubject(e.Number)}, nil, nil
	}
	subjects, known := r.known[of]
	if !known {
		var err error
		if subjects, err = of.subjects(ctx, r.directory); err != nil {
			return nil, nil, err
		}
		r.known[of] = subjects
	}
	switch {
	case len(subjects) > 0:
		return subjects, nil, nil
	case of.template != "":
		return nil, e.Refuse("data.template", "must be spec.templateName of a MessageTemplate of one WhatsApp Business Account: in the namespace of the number's PhoneNumber, and of its account, where data.number is set"), nil
	default:
		return nil, e.Refuse("data.portfolio", "must be Meta's id of a portfolio, or the name of a BusinessPortfolio that has it in spec.portfolioID"), nil
	}
}

// lookup is what is looked up in the directory: a portfolio by its name, or a template with the number that sends it.
type lookup struct{ portfolio, template, number string }

func (of lookup) subjects(ctx context.Context, directory Directory) ([]report.Subject, error) {
	if of.template != "" {
		return directory.Templates(ctx, of.template, of.number)
	}
	portfolio, err := directory.Portfolio(ctx, of.portfolio)
	if portfolio == (report.Subject{}) {
		return nil, err
	}
	return []report.Subject{portfolio}, err
}
