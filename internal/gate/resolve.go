package gate

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

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
	named   sets.Set[string] // the namespaces that requests name
}

func (s *Service) newResolver(caller Caller) resolver {
	return resolver{service: s, caller: caller, senders: map[address]sender{}, named: sets.New[string]()}
}

// address is how a request names its number or pool.
type address struct{ number, id, pool, namespace string }

// sender is a number or a pool that the caller may send from, or the problem with it.
type sender struct {
	number    *v1alpha1.PhoneNumber
	pool      *v1alpha1.NumberPool
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
	from, err := r.sender(ctx, address{request.Number, request.NumberID, request.Pool, request.Namespace})
	if err != nil || from.problem != nil {
		return o, from.problem, err
	}
	template, err := r.template(ctx, &from, request.Template, request.Language)
	if err != nil {
		return o, nil, err
	}
	ttl, hasher := request.TTL, r.service.ledger.Hasher()
	if ttl == 0 {
		ttl = counts.DefaultTTL
	}
	o = counts.Operation{
		Kind: counts.Reserve, ID: newID(), User: hasher.User(user), Template: template,
		Free: request.FreeForm, Category: counts.NewCategory(request.Category), TTL: uint32(ttl / time.Second),
	}
	if from.pool != nil {
		answer.pool, o.Pool = from.pool, counts.PoolName(from.pool.Namespace, from.pool.Name)
		for _, x := range request.Without {
			without := counts.MemberRefusal{Number: x.Number, Why: string(x.Reason)}
			if x.Wait > 0 {
				without.Until = r.service.clock.Now().Add(x.Wait).Unix() + 1
			}
			o.Without = append(o.Without, without)
		}
	} else {
		answer.of(from.number)
		o.Number = from.number.Spec.PhoneNumber
	}
	if request.Key != "" {
		o.Key = hasher.Key(r.caller.Identity(), request.Key, o.Number+o.Pool, o.User)
	}
	return o, nil, nil
}

// sender is what an address names. Of what there is none of, a caller hears what it hears of what it may not send from.
func (r *resolver) sender(ctx context.Context, a address) (sender, error) {
	if from, known := r.senders[a]; known {
		return from, nil
	}
	if a.namespace != "" && !r.named.Has(a.namespace) && len(r.named) == maxNamespaces {
		return sender{problem: wrong("namespace", fmt.Sprintf("must not be one more: a call may name %d namespaces", maxNamespaces))}, nil
	}
	r.named.Insert(a.namespace)
	from, namespace, err := r.service.find(ctx, a)
	if err != nil {
		return from, err
	}
	allowed, err := MayReserve(ctx, r.caller, namespace)
	switch {
	case err != nil:
		return from, err
	case !allowed:
		from = sender{problem: NewProblem(Forbidden, "")}
	case from.number == nil && from.pool == nil:
		from.problem = NewProblem(NotFound, "")
	default:
		from.templates = map[[2]string]counts.Template{}
	}
	r.senders[a] = from
	return from, nil
}

// find looks up what an address names, and its namespace; empty for all of the cluster.
func (s *Service) find(ctx context.Context, a address) (from sender, namespace string, err error) {
	if a.pool != "" {
		from.pool, err = s.directory.NumberPool(ctx, a.namespace, a.pool)
		return from, a.namespace, err
	}
	subject := report.ParseSubject(a.number)
	if a.id != "" {
		subject = report.NumberIDSubject(a.id)
	}
	number, err := s.directory.Number(ctx, subject)
	switch {
	case err != nil || number == nil || a.namespace != "" && number.Namespace != a.namespace:
		return from, a.namespace, err
	default:
		return sender{number: number}, number.Namespace, nil
	}
}

// MayReserve says whether the caller may reserve for the numbers of a namespace, or of all if that is empty.
func MayReserve(ctx context.Context, caller Caller, namespace string) (bool, error) {
	return caller.Allowed(ctx, server.Permission{Verb: "create", Resource: "phonenumbers", Subresource: "reservations", Namespace: namespace})
}

// template is a template that a number sends, or the numbers of a pool, each that of its account; the zero value for one that there is no
// MessageTemplate of.
func (r *resolver) template(ctx context.Context, from *sender, name, language string) (template counts.Template, err error) {
	if name == "" {
		return template, nil
	}
	template, known := from.templates[[2]string{name, language}]
	if known {
		return template, nil
	}
	var namespace, account string // any account, for a pool
	if from.pool != nil {
		namespace = from.pool.Namespace
	} else {
		namespace, account = from.number.Namespace, from.number.Spec.Business.WhatsAppBusinessAccountID
	}
	all, err := r.service.directory.Sent(ctx, namespace, account, name)
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
