package events

import (
	"context"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
)

// What a caller needs the verb create on: in the namespace of the number that an event is about, or cluster-wide.
const (
	numbersResource    = "phonenumbers"
	portfoliosResource = "businessportfolios"
	eventsSubresource  = "events"
)

// Directory knows what events are about. An error says that it cannot tell now.
type Directory interface {
	// Namespace is the namespace of the PhoneNumber of a number in E.164; empty if there is none.
	Namespace(ctx context.Context, number string) (string, error)
	// Portfolio is the subject of reports about a portfolio; nobody if there is none of that name.
	Portfolio(ctx context.Context, name string) (report.Subject, error)
	// Templates are the subjects of reports about the languages of a template, of those that the number sends where it is not
	// empty; none if it is not clear which.
	Templates(ctx context.Context, name, number string) ([]report.Subject, error)
}

// rights says which events the caller of one request may send.
type rights struct {
	caller     *server.Caller
	directory  Directory
	namespaces map[string]string // by number
}

// allowed says whether the caller may send an event. Of a number that there is no resource of, it says what it says of one in a
// namespace without the right.
func (r *rights) allowed(ctx context.Context, e *cloudevents.Event) (bool, error) {
	if e.Portfolio != "" {
		return r.create(ctx, portfoliosResource, "")
	}
	if everywhere, err := r.create(ctx, numbersResource, ""); err != nil || everywhere || e.Number == "" {
		return everywhere, err
	}
	namespace, known := r.namespaces[e.Number]
	if !known {
		var err error
		if namespace, err = r.directory.Namespace(ctx, e.Number); err != nil {
			return false, err
		}
		r.namespaces[e.Number] = namespace
	}
	if namespace == "" {
		return false, nil
	}
	return r.create(ctx, numbersResource, namespace)
}

// create says whether the caller may create events of a resource in a namespace, or in all if that is empty.
func (r *rights) create(ctx context.Context, resource, namespace string) (bool, error) {
	return r.caller.Allowed(ctx, server.Permission{Verb: "create", Resource: resource, Subresource: eventsSubresource, Namespace: namespace})
}

// forbidden says which right is missing for an event.
func forbidden(e *cloudevents.Event) *cloudevents.Error {
	needs := func(resource string) string {
		return "that takes create on " + resource + "/" + eventsSubresource + " of " + v1alpha1.GroupVersion.Group
	}
	switch {
	case e.Portfolio != "":
		return e.Refuse("data.portfolio", "you may not send events about portfolios: "+needs(portfoliosResource)+" in the whole cluster")
	case e.Number == "":
		return e.Refuse("data.number", "you may not send events that name no number: "+needs(numbersResource)+" in the whole cluster")
	default:
		return e.Refuse("data.number", "you may not send events about this number: "+needs(numbersResource)+
			" in the namespace of its PhoneNumber, or in the whole cluster where it has none")
	}
}
