package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// prefix is what config/default puts before the names of the operator's own objects, and before no others.
const prefix = "numberfleet-"

// builtIn makes the objects that are decoded strictly, by apiVersion and kind.
var builtIn = map[string]func() metav1.Object{
	"v1/Namespace":                                    func() metav1.Object { return &corev1.Namespace{} },
	"v1/PersistentVolumeClaim":                        func() metav1.Object { return &corev1.PersistentVolumeClaim{} },
	"v1/Service":                                      func() metav1.Object { return &corev1.Service{} },
	"v1/ServiceAccount":                               func() metav1.Object { return &corev1.ServiceAccount{} },
	"apps/v1/Deployment":                              func() metav1.Object { return &appsv1.Deployment{} },
	"rbac.authorization.k8s.io/v1/Role":               func() metav1.Object { return &rbacv1.Role{} },
	"rbac.authorization.k8s.io/v1/RoleBinding":        func() metav1.Object { return &rbacv1.RoleBinding{} },
	"rbac.authorization.k8s.io/v1/ClusterRole":        func() metav1.Object { return &rbacv1.ClusterRole{} },
	"rbac.authorization.k8s.io/v1/ClusterRoleBinding": func() metav1.Object { return &rbacv1.ClusterRoleBinding{} },
	"networking.k8s.io/v1/NetworkPolicy":              func() metav1.Object { return &networkingv1.NetworkPolicy{} },
	"apiextensions.k8s.io/v1/CustomResourceDefinition": func() metav1.Object {
		return &apiextensionsv1.CustomResourceDefinition{}
	},
}

// set is the rendered objects, by "Kind namespace/name".
type set map[string]metav1.Object

func key(kind, namespace, name string) string { return kind + " " + namespace + "/" + name }

// check says what is wrong with the manifests, and how many objects there are.
func check(r io.Reader) (problems []string, count int, err error) {
	objects := set{}
	docs := utilyaml.NewYAMLReader(bufio.NewReader(r))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		kind, object, err := decode(doc)
		if err != nil {
			return nil, 0, err
		}
		if object == nil {
			continue
		}
		id := key(kind, object.GetNamespace(), object.GetName())
		if _, twice := objects[id]; twice {
			problems = append(problems, id+" is there twice")
		}
		objects[id] = object
	}
	if len(objects) == 0 {
		return nil, 0, errors.New("no objects on standard input")
	}

	for id, object := range objects {
		for _, problem := range objects.problems(object) {
			problems = append(problems, id+": "+problem)
		}
	}
	slices.Sort(problems)
	return problems, len(objects), nil
}

// decode reads one document: a built-in kind with no unknown field, or any other as it is.
func decode(doc []byte) (kind string, object metav1.Object, err error) {
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &meta); err != nil {
		return "", nil, err
	}
	if meta.Kind == "" {
		return "", nil, nil
	}
	object = &unstructured.Unstructured{}
	unmarshal := func(b []byte, o any) error { return yaml.Unmarshal(b, o) }
	if newObject, ok := builtIn[meta.APIVersion+"/"+meta.Kind]; ok {
		object = newObject()
		unmarshal = func(b []byte, o any) error { return yaml.UnmarshalStrict(b, o) }
	}
	if err := unmarshal(doc, object); err != nil {
		return "", nil, fmt.Errorf("%s %q: %w", meta.Kind, object.GetName(), err)
	}
	return meta.Kind, object, nil
}

func (s set) problems(object metav1.Object) []string {
	switch o := object.(type) {
	case *corev1.Namespace:
		return namespaceProblems(o)
	case *appsv1.Deployment:
		return append(s.deploymentProblems(o), prefixProblems(o)...)
	case *corev1.Service:
		return append(s.serviceProblems(o), prefixProblems(o)...)
	case *rbacv1.RoleBinding:
		return s.bindingProblems(o.Namespace, o.RoleRef, o.Subjects)
	case *rbacv1.ClusterRoleBinding:
		return s.bindingProblems("", o.RoleRef, o.Subjects)
	case *apiextensionsv1.CustomResourceDefinition:
		if want := o.Spec.Names.Plural + "." + o.Spec.Group; o.Name != want {
			return []string{"must be named " + want}
		}
	case *unstructured.Unstructured:
		return s.customProblems(o)
	}
	return nil
}

func prefixProblems(o metav1.Object) []string {
	if !strings.HasPrefix(o.GetName(), prefix) {
		return []string{"lacks the name prefix " + prefix}
	}
	return nil
}

func namespaceProblems(n *corev1.Namespace) []string {
	if got := n.Labels[api.EnforceLevelLabel]; got != string(api.LevelRestricted) {
		return []string{fmt.Sprintf("enforces the pod security profile %q, not restricted", got)}
	}
	return nil
}

func (s set) deploymentProblems(d *appsv1.Deployment) (problems []string) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []string{err.Error()}
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	template := &d.Spec.Template
	for _, result := range evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
		if !result.Allowed {
			problems = append(problems, "restricted pod security profile: "+result.ForbiddenReason+": "+result.ForbiddenDetail)
		}
	}

	if _, ok := s[key("ServiceAccount", d.Namespace, template.Spec.ServiceAccountName)]; !ok {
		problems = append(problems, "runs as the missing ServiceAccount "+template.Spec.ServiceAccountName)
	}
	for _, volume := range template.Spec.Volumes {
		if claim := volume.PersistentVolumeClaim; claim != nil {
			if _, ok := s[key("PersistentVolumeClaim", d.Namespace, claim.ClaimName)]; !ok {
				problems = append(problems, "mounts the missing PersistentVolumeClaim "+claim.ClaimName)
			}
		}
	}
	if selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector); err != nil {
		problems = append(problems, err.Error())
	} else if !selector.Matches(labels.Set(template.Labels)) {
		problems = append(problems, "does not select its own pods")
	}
	return problems
}

// serviceProblems looks for a Deployment that the Service selects and that has its ports.
func (s set) serviceProblems(service *corev1.Service) (problems []string) {
	selector := labels.SelectorFromSet(service.Spec.Selector)
	for _, object := range s {
		d, ok := object.(*appsv1.Deployment)
		if !ok || d.Namespace != service.Namespace || !selector.Matches(labels.Set(d.Spec.Template.Labels)) {
			continue
		}
		for _, port := range service.Spec.Ports {
			if !listens(&d.Spec.Template.Spec, port.TargetPort) {
				problems = append(problems, fmt.Sprintf("sends to port %s, which %s does not have", port.TargetPort.String(), d.Name))
			}
		}
		return problems
	}
	return []string{"selects no pods"}
}

func listens(pod *corev1.PodSpec, target intstr.IntOrString) bool {
	for _, container := range pod.Containers {
		for _, port := range container.Ports {
			if port.Name == target.StrVal && target.StrVal != "" || port.ContainerPort == target.IntVal {
				return true
			}
		}
	}
	return false
}

// bindingProblems holds that role and accounts exist, and that no account gets a wildcard.
func (s set) bindingProblems(namespace string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) (problems []string) {
	if ref.Kind == "ClusterRole" {
		namespace = ""
	}
	var rules []rbacv1.PolicyRule
	switch role := s[key(ref.Kind, namespace, ref.Name)].(type) {
	case *rbacv1.Role:
		rules = role.Rules
	case *rbacv1.ClusterRole:
		rules = role.Rules
	default:
		problems = append(problems, fmt.Sprintf("binds the missing %s %s", ref.Kind, ref.Name))
	}
	for _, rule := range rules {
		if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), rbacv1.VerbAll) {
			problems = append(problems, fmt.Sprintf("gives a wildcard through %s %s: %v", ref.Kind, ref.Name, rule))
		}
	}
	for _, subject := range subjects {
		if subject.Kind != rbacv1.ServiceAccountKind {
			continue
		}
		if _, ok := s[key("ServiceAccount", subject.Namespace, subject.Name)]; !ok {
			problems = append(problems, fmt.Sprintf("binds the missing ServiceAccount %s/%s", subject.Namespace, subject.Name))
		}
	}
	return problems
}

// customProblems holds an object of one of our kinds against its definition's scope, and the operator's prefix off its name.
func (s set) customProblems(o *unstructured.Unstructured) (problems []string) {
	group, version, _ := strings.Cut(o.GetAPIVersion(), "/")
	for _, object := range s {
		crd, ok := object.(*apiextensionsv1.CustomResourceDefinition)
		if !ok || crd.Spec.Group != group || crd.Spec.Names.Kind != o.GetKind() {
			continue
		}
		if !slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
			return v.Name == version && v.Served
		}) {
			problems = append(problems, "has a version that is not served")
		}
		if crd.Spec.Scope == apiextensionsv1.ClusterScoped && o.GetNamespace() != "" {
			problems = append(problems, "is cluster-scoped and has a namespace")
		}
		if strings.HasPrefix(o.GetName(), prefix) {
			problems = append(problems, "has the operator's name prefix")
		}
		return problems
	}
	return nil
}
