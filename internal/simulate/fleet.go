package simulate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/textfile"
)

// Fleet is which numbers exist, and what is declared of them.
type Fleet struct {
	Numbers []Number
	// Portfolios that have a manifest; numbers may name others.
	Portfolios []Portfolio
	Templates  []Template
}

// Number is a number of a fleet.
type Number struct {
	PhoneNumber     string // E.164, with the leading plus
	ID              string // that Meta gave to it; may be empty
	Verification    v1alpha1.Verification
	HumanEscalation bool   // whether a direct way to a human is declared
	Portfolio       string // empty for one of its own
	Account         string // Meta's id of its WhatsApp Business account; may be empty
}

// Portfolio is a business portfolio.
type Portfolio struct {
	Name         string
	ID           string                // that Meta gave to it; may be empty
	Verification v1alpha1.Verification // empty where it is its numbers'
}

// Template is a message template, and which numbers send it.
type Template struct {
	Names   []string // that events may have for it
	Numbers []string // E.164, with the leading plus
	Subject string   // of the ledger: the template in one language
}

// ReadFleet reads a fleet from manifests: YAML documents, or lists as kubectl prints them. What is not of this API group, such
// as a Namespace, is passed over. The error says which document and field it is about.
func ReadFleet(r io.Reader) (*Fleet, error) {
	reader := fleetReader{seen: map[string]string{}}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(textfile.NewReader(r)))
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the fleet: %w", err)
		}
		if err := reader.document(fmt.Sprintf("document %d", n), document); err != nil {
			return nil, err
		}
	}
	for _, t := range reader.templates {
		reader.fleet.Templates = append(reader.fleet.Templates, reader.template(t))
	}
	return &reader.fleet, nil
}

type fleetReader struct {
	fleet     Fleet
	numbers   []v1alpha1.PhoneNumber
	templates []v1alpha1.MessageTemplate
	seen      map[string]string // where each number and portfolio stands
}

func (r *fleetReader) document(where string, document []byte) error {
	var object struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Items []any `json:"items"`
	}
	if err := yaml.Unmarshal(document, &object); err != nil {
		return fmt.Errorf("%s: %w", where, oneLine(err))
	}
	if object.Kind == "" && object.APIVersion == "" {
		var anything any
		if err := yaml.Unmarshal(document, &anything); err == nil && anything == nil {
			return nil // nothing between two separators
		}
	}
	if object.Kind == "" || object.APIVersion == "" {
		return fmt.Errorf("%s: kind: is missing, or apiVersion is: each document must be a manifest", where)
	}
	group, err := schema.ParseGroupVersion(object.APIVersion)
	if err != nil {
		return fmt.Errorf("%s: apiVersion: must be a group and a version, like %s", where, v1alpha1.GroupVersion)
	}
	if strings.HasSuffix(object.Kind, "List") && (group == v1alpha1.GroupVersion || group.Group == "" && object.Kind == "List") {
		return r.list(where, object.Items)
	}
	switch {
	case group.Group != v1alpha1.GroupVersion.Group:
		return nil
	case group != v1alpha1.GroupVersion:
		return fmt.Errorf("%s: apiVersion: must be %s", where, v1alpha1.GroupVersion)
	}
	where = fmt.Sprintf("%s, %s %q", where, object.Kind, object.Metadata.Name)
	switch object.Kind {
	case "PhoneNumber":
		return r.phoneNumber(where, document)
	case "BusinessPortfolio":
		return r.portfolio(where, document)
	case "MessageTemplate":
		return r.messageTemplate(where, document)
	case "MessagingPolicy", "NumberPool":
		return nil // --policy says which rules hold; pools decide nothing about a number
	default:
		return fmt.Errorf("%s: kind: is not known: it must be PhoneNumber, BusinessPortfolio, MessageTemplate, NumberPool or MessagingPolicy", where)
	}
}

func (r *fleetReader) list(where string, items []any) error {
	for i, item := range items {
		where := fmt.Sprintf("%s, items[%d]", where, i)
		document, err := yaml.Marshal(item)
		if err != nil {
			return fmt.Errorf("%s: %w", where, oneLine(err))
		}
		if err := r.document(where, document); err != nil {
			return err
		}
	}
	return nil
}

var (
	verifications = []v1alpha1.Verification{"", v1alpha1.Verified, v1alpha1.Unverified, v1alpha1.VerificationPending, v1alpha1.VerificationRejected}
	escalations   = []v1alpha1.HumanEscalationPath{v1alpha1.InChatTransfer, v1alpha1.PhoneCall, v1alpha1.Email, v1alpha1.WebSupport,
		v1alpha1.SupportForm, v1alpha1.StoreVisit}
)

func (r *fleetReader) phoneNumber(where string, document []byte) error {
	var resource v1alpha1.PhoneNumber
	if err := yaml.UnmarshalStrict(document, &resource); err != nil {
		return fmt.Errorf("%s: %w", where, oneLine(err))
	}
	spec := &resource.Spec
	if !identity.IsE164(spec.PhoneNumber) {
		return fmt.Errorf("%s: spec.phoneNumber: must be in E.164: a plus, the country code and 7 to 15 digits in all without spaces", where)
	}
	if other, ok := r.seen[spec.PhoneNumber]; ok {
		return fmt.Errorf("%s: spec.phoneNumber: is that of %s already: each number must stand once", where, other)
	}
	if id := spec.PhoneNumberID; id != "" {
		if other, ok := r.seen["id/"+id]; ok {
			return fmt.Errorf("%s: spec.phoneNumberID: is that of %s already: each id is one number's", where, other)
		}
		r.seen["id/"+id] = where
	}
	if !slices.Contains(verifications, spec.Verification) {
		return fmt.Errorf("%s: spec.verification: must be Verified, Unverified, Pending or Rejected, or be left out", where)
	}
	for i, path := range spec.Business.HumanEscalationPaths {
		if !slices.Contains(escalations, path) {
			return fmt.Errorf("%s: spec.business.humanEscalationPaths[%d]: must be InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit",
				where, i)
		}
	}
	if spec.Activity == v1alpha1.Suspended {
		return fmt.Errorf("%s: spec.activity: is Suspended, and the rules do not run for such a number: leave out the number or the field", where)
	}
	r.seen[spec.PhoneNumber] = where
	r.numbers = append(r.numbers, resource)
	r.fleet.Numbers = append(r.fleet.Numbers, Number{
		PhoneNumber:     spec.PhoneNumber,
		ID:              spec.PhoneNumberID,
		Verification:    spec.Verification,
		HumanEscalation: len(spec.Business.HumanEscalationPaths) > 0,
		Portfolio:       spec.Business.Portfolio,
		Account:         spec.Business.WhatsAppBusinessAccountID,
	})
	return nil
}

func (r *fleetReader) portfolio(where string, document []byte) error {
	var resource v1alpha1.BusinessPortfolio
	if err := yaml.UnmarshalStrict(document, &resource); err != nil {
		return fmt.Errorf("%s: %w", where, oneLine(err))
	}
	spec := &resource.Spec
	if resource.Name == "" {
		return fmt.Errorf("%s: metadata.name: is missing", where)
	}
	if other, ok := r.seen[resource.Name]; ok {
		return fmt.Errorf("%s: metadata.name: is that of %s already: each portfolio must stand once", where, other)
	}
	if !slices.Contains(verifications, spec.Verification) {
		return fmt.Errorf("%s: spec.verification: must be Verified, Unverified, Pending or Rejected, or be left out", where)
	}
	if spec.Activity == v1alpha1.Suspended {
		return fmt.Errorf("%s: spec.activity: is Suspended, and the rules do not run for such a portfolio: leave out the field", where)
	}
	r.seen[resource.Name] = where
	r.fleet.Portfolios = append(r.fleet.Portfolios, Portfolio{Name: resource.Name, ID: spec.PortfolioID, Verification: spec.Verification})
	return nil
}

// messageTemplate reads who sends a template, and nothing else: what becomes of it, events say.
func (r *fleetReader) messageTemplate(where string, document []byte) error {
	var resource v1alpha1.MessageTemplate
	if err := yaml.Unmarshal(document, &resource); err != nil {
		return fmt.Errorf("%s: %w", where, oneLine(err))
	}
	if resource.Spec.TemplateName == "" && resource.Name == "" {
		return fmt.Errorf("%s: spec.templateName: is missing", where)
	}
	r.templates = append(r.templates, resource)
	return nil
}

// template finds the numbers that send a template: those that it names in its namespace, else those of its account. Files for
// a simulation often leave namespaces out.
func (r *fleetReader) template(t v1alpha1.MessageTemplate) Template {
	found := Template{Subject: ledger.TemplateSubject(t.Spec.WhatsAppBusinessAccountID, t.Spec.TemplateName, t.Spec.Language)}
	for _, name := range []string{t.Spec.TemplateName, t.Name} {
		if name != "" && !slices.Contains(found.Names, name) {
			found.Names = append(found.Names, name)
		}
	}
	for _, n := range r.numbers {
		if n.Namespace != t.Namespace && n.Namespace != "" && t.Namespace != "" {
			continue
		}
		sends := slices.Contains(t.Spec.PhoneNumberNames, n.Name)
		if len(t.Spec.PhoneNumberNames) == 0 {
			account := t.Spec.WhatsAppBusinessAccountID
			sends = account != "" && account == n.Spec.Business.WhatsAppBusinessAccountID
		}
		if sends {
			found.Numbers = append(found.Numbers, n.Spec.PhoneNumber)
		}
	}
	return found
}

// oneLine makes one line of an error that has several, as those of YAML do.
func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}
