// Package v1alpha1 holds the kinds of numberfleet: fleets of WhatsApp Business phone numbers and the rules they live by.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package=applyconfiguration
// +groupName=whatsapp.numberfleet.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of all kinds here.
	GroupVersion = schema.GroupVersion{Group: "whatsapp.numberfleet.dev", Version: "v1alpha1"}

	// SchemeGroupVersion is GroupVersion under the name that the generated apply configurations use.
	SchemeGroupVersion = GroupVersion

	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the kinds to a scheme.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&PhoneNumber{}, &PhoneNumberList{},
		&MessagingPolicy{}, &MessagingPolicyList{},
		&BusinessPortfolio{}, &BusinessPortfolioList{},
		&MessageTemplate{}, &MessageTemplateList{},
		&NumberPool{}, &NumberPoolList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
