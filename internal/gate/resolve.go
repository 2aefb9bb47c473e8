package gate

import (
	"context"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/standing"
)

// resolver makes operations of the requests of one call. What several of them need is looked up once.
type resolver struct {
	service *Service
	caller  Caller
	senders map[address]sender
}

// address is how a request names its number.
type address struct{ number, id, namespace string }

// sender is a number that the caller may send from, or the problem with it.
type sender struct {
	number    *v1alpha1.PhoneNumber
	problem   *Problem
	templates map[[2]string]counts.Template // by name and language
}

// resolve is the operation of a request, or the problem with it. The answer gets the number.
func (r *resolver) resolve(ctx context.Context, request *Request, answer *Answer) (o counts.Operation, problem *Problem, err error) {
	if problem := request.validate(); problem != nil {
		return o, problem, nil
	}
	user, ok := identity.ParseUser(request.User)
	if !ok {
		return o, wrong("user", identity.AUser), nil
	}
	from, err := r.sender(ctx, address{request.Number, request.NumberID, request.Namespace})
	if err != nil || from.problem != nil {
		return o, from.problem, err
	}
	answer.of(from.number)
	template, err := r.template(ctx, &from, request.Template, request.Language)
	if err != nil {
		return o, nil, err
	}
	ttl, hasher := request.TTL, r.service.ledger.Hasher()
	if ttl == 0 {
		ttl = DefaultTTL
	}
	o = counts.Operation{
		Kind: counts.Reserve, ID: newID(), Number: from.number.Spec.PhoneNumber, User: hasher.User(user), Template: template,
		Free: request.FreeForm, Category: counts.NewCategory(request.Category), TTL: uint32(ttl / time.Second),
	}
	if request.Key != "" {
		o.Key = hasher.Key(r.caller.Identity(), request.Key)
	}
	return o, nil, nil
}

// sender is the number of an address. Of a number that there is none of, a caller hears what it hears of one that it may not send from.
func (r *resolver) sender(ctx context.Context, a address) (sender, error) {
	from, known := r.senders[a]
	if known {
		return from, nil
	}
	subject := report.ParseSubject(a.number)
	if a.id != "" {
		subject = report.NumberIDSubject(a.id)
	}
	number, err := r.service.directory.Number(ctx, subject)
	if err != nil {
		return from, err
	}
	if number != nil && a.namespace != "" && number.Namespace != a.namespace {
		number = nil
	}
	namespace := a.namespace // empty for all of the cluster
	if number != nil {
		namespace = number.Namespace
	}
	allowed, err := MayReserve(ctx, r.caller, namespace)
	switch {
	case err != nil:
		return from, err
	case !allowed:
		from.problem = NewProblem(Forbidden, "")
	case number == nil:
		from.problem = NewProblem(NotFound, "")
	default:
		from.number, from.templates = number, map[[2]string]counts.Template{}
	}
	r.senders[a] = from
	return from, nil
}

// MayReserve says whether the caller may reserve for the numbers of a namespace, or of all if that is empty.
func MayReserve(ctx context.Context, caller Caller, namespace string) (bool, error) {
	return caller.Allowed(ctx, server.Permission{Verb: "create", Resource: "phonenumbers", Subresource: "reservations", Namespace: namespace})
}

// template is a template that a number sends; the zero value for one that there is no MessageTemplate of.
func (r *resolver) template(ctx context.Context, from *sender, name, language string) (template counts.Template, err error) {
	if name == "" {
		return template, nil
	}
	template, known := from.templates[[2]string{name, language}]
	if known {
		return template, nil
	}
	all, err := r.service.directory.Sent(ctx, from.number, name)
	if err != nil {
		return template, err
	}
	if t := choose(all, language); t != nil {
		template = counts.Template{Name: name, Language: t.Spec.Language, Account: t.Spec.WhatsAppBusinessAccountID}
	}
	from.templates[[2]string{name, language}] = template
	return template, nil
}

// choose is the template in a language; where none is given the first that can be sent, else the first.
func choose(all []*v1alpha1.MessageTemplate, language string) (first *v1alpha1.MessageTemplate) {
	for _, t := range all {
		switch {
		case language != "":
			if named(t, t.Spec.Language) == named(t, language) {
				return t
			}
		case standing.Template(t).Sendable:
			return t
		case first == nil:
			first = t
		}
	}
	return first
}

// named is the ledger's subject of a template in a language.
func named(t *v1alpha1.MessageTemplate, language string) report.Subject {
	return report.TemplateSubject(t.Spec.WhatsAppBusinessAccountID, t.Spec.TemplateName, language)
}
