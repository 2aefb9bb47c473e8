package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// seenWithin is how long after a resource was written the operator has a status of it, while it runs.
const seenWithin = time.Minute

// ofConfiguration are the conditions that are True where all is configured well. The others tell of Meta and of users: a number that is flagged is
// not misconfigured.
var ofConfiguration = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionUsageFresh, v1alpha1.ConditionUsageComplete, v1alpha1.ConditionReportsFresh,
	v1alpha1.ConditionBudgetsFit, v1alpha1.ConditionMembersFit,
}

// advice is how bad a reason is, and which command mends it or shows more. NAMESPACE, KIND and NAME become those of the first object.
type advice struct {
	severity Severity
	command  string
}

// editIt opens the resource in an editor.
const editIt = "kubectl edit KIND NAME -n NAMESPACE"

// advices are by the reason of the condition. Any other reason is a warning.
var advices = map[string]advice{
	v1alpha1.ReasonSuspended:          {Info, editIt},
	v1alpha1.ReasonPolicyNotFound:     {Error, "kubectl get messagingpolicies"},
	v1alpha1.ReasonPolicyInvalid:      {Error, "kubectl get messagingpolicies -o yaml"},
	v1alpha1.ReasonPolicyConflict:     {Error, editIt},
	v1alpha1.ReasonPortfolioNotFound:  {Error, "kubectl get businessportfolios"},
	v1alpha1.ReasonPortfolioPending:   {Error, "kubectl get businessportfolios"},
	v1alpha1.ReasonDuplicatePortfolio: {Error, "kubectl delete KIND NAME"},
	v1alpha1.ReasonDuplicateTemplate:  {Error, "kubectl delete KIND NAME -n NAMESPACE"},
	v1alpha1.ReasonDuplicateNumber:    {Error, "kubectl delete KIND NAME -n NAMESPACE"},
	v1alpha1.ReasonNoNumbers:          {Error, editIt},
	v1alpha1.ReasonSelectorInvalid:    {Error, editIt},
	v1alpha1.ReasonTooManyNumbers:     {Error, editIt},

	v1alpha1.ReasonNotSubscribed:         {Error, `curl -X POST -H "Authorization: Bearer $(cat TOKEN-FILE)" https://graph.facebook.com/` + graph.DefaultVersion + `/ACCOUNT-ID/subscribed_apps`},
	v1alpha1.ReasonSecretMissing:         {Error, "kubectl -n OPERATOR get secrets"},
	v1alpha1.ReasonNothingReceived:       {Warning, "kubectl phonenumbers unclaimed"},
	v1alpha1.ReasonSourceNotConfigured:   {Error, "kubectl -n OPERATOR get configmaps"},
	v1alpha1.ReasonTokenRefused:          {Error, "kubectl -n OPERATOR get secrets"},
	v1alpha1.ReasonPermissionMissing:     {Error, "kubectl -n OPERATOR get secrets"},
	v1alpha1.ReasonNotFoundAtMeta:        {Error, editIt},
	v1alpha1.ReasonNumberMismatch:        {Error, editIt},
	v1alpha1.ReasonReadRefused:           {Error, "kubectl -n OPERATOR logs deployment/DEPLOYMENT --since=1h"},
	v1alpha1.ReasonNotMeasured:           {Info, ""},
	v1alpha1.ReasonNotSampledYet:         {Info, ""},
	v1alpha1.ReasonDeliveriesMissing:     {Warning, "kubectl phonenumbers explain NAME -n NAMESPACE"},
	v1alpha1.ReasonGuaranteesExceedLimit: {Warning, editIt},
	v1alpha1.ReasonLimitShared:           {Warning, editIt},
	v1alpha1.ReasonSetElsewhere:          {Warning, editIt},
}

// kindOfFinding is what makes findings of several resources one.
type kindOfFinding struct{ condition, reason string }

// findConditions gathers what the operator says of resources: one finding for each reason, however many have it.
func findConditions(ctx context.Context, e *examination) (findings []Finding, err error) {
	fleet := e.readFleet(ctx)
	affected := map[kindOfFinding][]v1alpha1.Object{}
	for _, object := range fleet.objects {
		status := object.CommonStatus()
		if written := lastWrite(object); status.ObservedGeneration < object.GetGeneration() && e.Now.Sub(written.Time) > seenWithin {
			of := kindOfFinding{reason: notSeen}
			affected[of] = append(affected[of], object)
			continue
		}
		for i := range status.Conditions {
			if c := &status.Conditions[i]; c.Status != metav1.ConditionTrue && slices.Contains(ofConfiguration, c.Type) || c.Reason == v1alpha1.ReasonSuspended {
				of := kindOfFinding{c.Type, c.Reason}
				affected[of] = append(affected[of], object)
			}
		}
	}
	for _, of := range slices.SortedFunc(maps.Keys(affected), func(a, b kindOfFinding) int {
		return cmp.Or(slices.Index(ofConfiguration, a.condition)-slices.Index(ofConfiguration, b.condition), strings.Compare(a.reason, b.reason))
	}) {
		findings = append(findings, e.conditionOf(of, affected[of]))
	}
	return findings, errors.Join(fleet.unread...)
}

// notSeen is the reason of resources that the operator has not worked on.
const notSeen = "NotSeen"

func (e *examination) conditionOf(of kindOfFinding, objects []v1alpha1.Object) Finding {
	first := objects[0]
	f := Finding{Severity: Warning, Command: "kubectl describe KIND NAME -n NAMESPACE"}
	for _, object := range objects {
		f.Objects = append(f.Objects, e.nameOf(object))
	}
	if of.reason == notSeen {
		f.Severity, f.Message = Error, "The operator has not seen the resource as it is now: it does not run, or does not keep up."
		f.Command = "kubectl -n OPERATOR logs deployment/DEPLOYMENT --since=1h"
	} else {
		if known, ok := advices[of.reason]; ok {
			f.Severity, f.Command = known.severity, known.command
		}
		if command := e.putToken(first); command != "" && (of.reason == v1alpha1.ReasonTokenRefused || of.reason == v1alpha1.ReasonPermissionMissing) {
			f.Command = command
		}
		for _, c := range first.CommonStatus().Conditions {
			if c.Type == of.condition {
				f.Message = fmt.Sprintf("%s is %s, %s: %s", c.Type, c.Status, c.Reason, c.Message)
			}
		}
	}
	deployment := "NAME"
	if e.operator != nil {
		deployment = e.operator.deployment.Name
	}
	kind := strings.ToLower(strings.SplitN(f.Objects[0], "/", 2)[0])
	if first.GetNamespace() == "" {
		f.Command = strings.ReplaceAll(f.Command, " -n NAMESPACE", "")
	}
	f.Command = strings.NewReplacer("NAMESPACE", first.GetNamespace(), "OPERATOR", e.OperatorNamespace, "DEPLOYMENT", deployment, "KIND", kind, "NAME", first.GetName()).Replace(f.Command)
	return f
}

// putToken is the command that gives the operator another token for the account of a resource, empty where it is not known where it has it from.
func (e *examination) putToken(object v1alpha1.Object) string {
	var id string
	switch of := object.(type) {
	case *v1alpha1.PhoneNumber:
		id = of.Spec.Business.WhatsAppBusinessAccountID
	case *v1alpha1.MessageTemplate:
		id = of.Spec.WhatsAppBusinessAccountID
	}
	if e.operator == nil || e.operator.config == nil {
		return ""
	}
	for i := range e.operator.config.GraphAPI.Accounts {
		if account := &e.operator.config.GraphAPI.Accounts[i]; account.ID == id {
			if from, _ := e.operator.sourceOf(account.TokenFile); from.secret != "" {
				return e.putSecret(from, true)
			}
		}
	}
	return ""
}
