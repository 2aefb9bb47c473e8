package lookup

import (
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// The kinds of keys.
const (
	PhoneNumber       = "PhoneNumber"
	BusinessPortfolio = "BusinessPortfolio"
	MessageTemplate   = "MessageTemplate"
	NumberPool        = "NumberPool"
	Subject           = "Subject" // what a number or a template was about that may be gone
)

// Key names a resource.
type Key struct {
	Kind string
	types.NamespacedName
}

// NumberKey is the key of a number.
func NumberKey(n *v1alpha1.PhoneNumber) Key { return Key{PhoneNumber, client.ObjectKeyFromObject(n)} }

// PortfolioKey is the key of the portfolio of that name.
func PortfolioKey(name string) Key { return Key{BusinessPortfolio, types.NamespacedName{Name: name}} }

// PoolKey is the key of the pool of that name.
func PoolKey(namespace, name string) Key {
	return Key{NumberPool, types.NamespacedName{Namespace: namespace, Name: name}}
}

// SubjectKey is the key of what a number in E.164 was about or, with its namespace, a template.
func SubjectKey(namespace, subject string) Key {
	return Key{Subject, types.NamespacedName{Namespace: namespace, Name: subject}}
}

// TemplateKey is the key of a template.
func TemplateKey(t *v1alpha1.MessageTemplate) Key {
	return Key{MessageTemplate, client.ObjectKeyFromObject(t)}
}
