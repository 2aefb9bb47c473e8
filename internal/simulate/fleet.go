package simulate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/manifest"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/textfile"
)

// Fleet is which numbers exist, and what is declared of them.
type Fleet struct {
	Numbers []Number
	// Portfolios that have a manifest; numbers may name others.
	Portfolios []Portfolio
	Templates  []Template
	Pools      []*v1alpha1.NumberPool

	resources []*v1alpha1.PhoneNumber // that the numbers are of
}

// Number is a number of a fleet.
type Number struct {
	PhoneNumber     string // E.164, with the leading plus
	ID              string // that Meta gave to it; may be empty
	Verification    v1alpha1.Verification
	HumanEscalation bool   // whether a direct way to a human is declared
	Portfolio       string // empty for one of its own
	Account         string // Meta's id of its WhatsApp Business account; may be empty
	From            *End   // where it stands when the simulation begins; nil for a new number
}

// Portfolio is a business portfolio.
type Portfolio struct {
	Name         string
	ID           string                // that Meta gave to it; may be empty
	Verification v1alpha1.Verification // empty where it is its numbers'
	Gate         v1alpha1.GateSpec     // how its limit is granted
	From         *End                  // where it stands when the simulation begins; nil for a new portfolio
}

// Template is a message template, and which numbers send it.
type Template struct {
	Names   []string       // that events may have for it
	Numbers []string       // E.164, with the leading plus
	Subject report.Subject // the template in one language
}

// ReadFleet reads a fleet from manifests: YAML documents, or lists as kubectl prints them. What is not of this API group, such
// as a Namespace, is passed over. What the API server would refuse is refused. The error says which document and field it is about.
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
		where := fmt.Sprintf("document %d", n)
		object, err := manifest.Parse(document)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, oneLine(err))
		}
		if object == nil {
			continue // nothing between two separators
		}
		if err := reader.document(where, object); err != nil {
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
	templates []v1alpha1.MessageTemplate
	seen      map[string]string // where each number, id and portfolio stands
}

func (r *fleetReader) document(where string, object map[string]any) error {
	kind, _ := object["kind"].(string)
	version, _ := object["apiVersion"].(string)
	if kind == "" || version == "" {
		return fmt.Errorf("%s: kind: is missing, or apiVersion is: each document must be a manifest", where)
	}
	group, err := schema.ParseGroupVersion(version)
	if err != nil {
		return fmt.Errorf("%s: apiVersion: must be a group and a version, like %s", where, v1alpha1.GroupVersion)
	}
	if strings.HasSuffix(kind, "List") && (group == v1alpha1.GroupVersion || group.Group == "" && kind == "List") {
		return r.list(where, object["items"])
	}
	switch {
	case group.Group != v1alpha1.GroupVersion.Group:
		return nil
	case group != v1alpha1.GroupVersion:
		return fmt.Errorf("%s: apiVersion: must be %s", where, v1alpha1.GroupVersion)
	}
	name, _, _ := unstructured.NestedString(object, "metadata", "name")
	where = fmt.Sprintf("%s, %s %q", where, kind, name)
	if err := r.resource(where, kind, object); err != nil {
		return fmt.Errorf("%s: %w", where, oneLine(err))
	}
	return nil
}

func (r *fleetReader) resource(where, kind string, object map[string]any) error {
	switch kind {
	case "PhoneNumber":
		return r.phoneNumber(where, object)
	case "BusinessPortfolio":
		return r.portfolio(where, object)
	case "MessageTemplate":
		var resource v1alpha1.MessageTemplate
		err := manifest.Decode(object, &resource)
		r.templates = append(r.templates, resource)
		return err
	case "MessagingPolicy": // --policy says which rules hold
		return manifest.Decode(object, &v1alpha1.MessagingPolicy{})
	case "NumberPool":
		var resource v1alpha1.NumberPool
		err := manifest.Decode(object, &resource)
		r.fleet.Pools = append(r.fleet.Pools, &resource)
		return err
	default:
		return errors.New("kind: is not known: it must be PhoneNumber, BusinessPortfolio, MessageTemplate, NumberPool or MessagingPolicy")
	}
}

func (r *fleetReader) list(where string, items any) error {
	all, ok := items.([]any)
	if !ok && items != nil {
		return fmt.Errorf("%s: items: must be a list", where)
	}
	for i, item := range all {
		where := fmt.Sprintf("%s, items[%d]", where, i)
		object, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: must be a manifest: fields and their values", where)
		}
		if err := r.document(where, object); err != nil {
			return err
		}
	}
	return nil
}

// once is an error where something stood before that may stand once.
func (r *fleetReader) once(where, field, value string) error {
	key := field + "/" + value
	if other, ok := r.seen[key]; ok {
		return fmt.Errorf("%s: is that of %s already: each may stand once", field, other)
	}
	r.seen[key] = where
	return nil
}

func (r *fleetReader) phoneNumber(where string, object map[string]any) error {
	var resource v1alpha1.PhoneNumber
	if err := manifest.Decode(object, &resource); err != nil {
		return err
	}
	spec := &resource.Spec
	if spec.Activity == v1alpha1.Suspended {
		return errors.New("spec.activity: is Suspended, and the rules do not run for such a number: leave out the number or the field")
	}
	if err := r.once(where, "spec.phoneNumber", spec.PhoneNumber); err != nil {
		return err
	}
	if spec.PhoneNumberID != "" {
		if err := r.once(where, "spec.phoneNumberID", spec.PhoneNumberID); err != nil {
			return err
		}
	}
	r.fleet.resources = append(r.fleet.resources, &resource)
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

func (r *fleetReader) portfolio(where string, object map[string]any) error {
	var resource v1alpha1.BusinessPortfolio
	if err := manifest.Decode(object, &resource); err != nil {
		return err
	}
	spec := &resource.Spec
	if spec.Activity == v1alpha1.Suspended {
		return errors.New("spec.activity: is Suspended, and the rules do not run for such a portfolio: leave out the field")
	}
	if resource.Name == "" {
		return errors.New("metadata.name: is missing: it is what the portfolio is called by")
	}
	if err := r.once(where, "metadata.name", resource.Name); err != nil {
		return err
	}
	r.fleet.Portfolios = append(r.fleet.Portfolios, Portfolio{Name: resource.Name, ID: spec.PortfolioID, Verification: spec.Verification, Gate: spec.GateSpec})
	return nil
}

// template finds the numbers that send a template. Files for a simulation often leave namespaces out.
func (r *fleetReader) template(t v1alpha1.MessageTemplate) Template {
	found := Template{Subject: report.TemplateSubject(t.Spec.WhatsAppBusinessAccountID, t.Spec.TemplateName, t.Spec.Language)}
	for _, name := range []string{t.Spec.TemplateName, t.Name} {
		if !slices.Contains(found.Names, name) {
			found.Names = append(found.Names, name)
		}
	}
	for _, n := range r.fleet.resources {
		if n.Namespace != t.Namespace && n.Namespace != "" && t.Namespace != "" {
			continue
		}
		if rules.Sends(n, &t) {
			found.Numbers = append(found.Numbers, n.Spec.PhoneNumber)
		}
	}
	return found
}

// oneLine makes one line of an error that has several, as those of YAML do.
func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}
