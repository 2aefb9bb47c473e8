package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/number"
	"numberfleet.dev/numberfleet/controllers/portfolio"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/simulate"
	"numberfleet.dev/numberfleet/internal/simulate/forecast"
	"numberfleet.dev/numberfleet/internal/simulate/plan"
)

// liveStart is where a number or a portfolio of the cluster stands.
type liveStart struct {
	forecast.Start
	object v1alpha1.Object // a PhoneNumber or a BusinessPortfolio
	policy simulate.Policy // the whole of which Start has the part of the object
}

// refuseWith refuses flags that say where it begins, if a name of the cluster says it.
func refuseWith(cmd *cobra.Command, what string, flags ...string) error {
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return usageErrorf("--%s: does not go with %s, which begins where it stands in the cluster", name, what)
		}
	}
	return nil
}

// live is where a number or a portfolio stands. Of a number that shares the limit of its portfolio that is the portfolio.
func (f *clusterFlags) live(cmd *cobra.Command, what string) (start liveStart, err error) {
	api, namespace, _, err := f.open()
	if err != nil {
		return start, err
	}
	object, err := getObject(cmd.Context(), api, namespace, what)
	if err != nil {
		return start, err
	}
	if n, ok := object.(*v1alpha1.PhoneNumber); ok && n.Status.Portfolio != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s shares the limit of businessportfolio/%s, which stands for it here.\n", argumentOf(n, ""), n.Status.Portfolio)
		if object, err = getObject(cmd.Context(), api, "", "businessportfolio/"+n.Status.Portfolio); err != nil {
			return start, err
		}
	}
	return startOf(cmd.Context(), api, object, time.Now())
}

// startOf is where an object that has a limit stands, as its status says.
func startOf(ctx context.Context, api client.Reader, object v1alpha1.Object, now time.Time) (start liveStart, err error) {
	var state rules.State
	var evaluated bool
	facts := rules.Facts{HumanEscalation: true}
	switch o := object.(type) {
	case *v1alpha1.PhoneNumber:
		state, evaluated = number.State(&o.Status)
		facts.HumanEscalation = len(o.Spec.Business.HumanEscalationPaths) > 0
	case *v1alpha1.BusinessPortfolio:
		state, evaluated = portfolio.State(&o.Status)
	default:
		return start, usageErrorf("%s has no limit of its own: it must be a phonenumber or a businessportfolio", argumentOf(object, ""))
	}
	limit := limitOf(object)
	switch {
	case !evaluated:
		return start, fmt.Errorf("%s has no tier yet: the operator has not seen it, or says in its condition Ready what it lacks", argumentOf(object, ""))
	case limit.Usage.Used == nil:
		return start, fmt.Errorf("%s cannot be forecast or simulated: it is not known how much of its limit is used", argumentOf(object, ""))
	case state.Connection != v1alpha1.StateConnected:
		return start, fmt.Errorf("%s is %s: it sends nothing and reaches no tier until it is connected", argumentOf(object, ""), state.Connection)
	}
	var resource v1alpha1.MessagingPolicy
	if err := api.Get(ctx, client.ObjectKey{Name: object.Summary().Policy}, &resource); err != nil {
		return start, err
	}
	policy, err := rules.Compile(resource.Name, &resource.Spec)
	if err != nil {
		return start, fmt.Errorf("policy %s: spec.%w", resource.Name, err)
	}
	limited := policy
	if _, shared := object.(*v1alpha1.BusinessPortfolio); shared {
		limited = policy.Portfolio()
	}
	facts.Verification = state.Verification
	achieved := *limit.Usage.Used
	if limit.Upgrade.Achieved != nil {
		achieved = *limit.Upgrade.Achieved
	}
	return liveStart{forecast.Live(limited, state, facts, *limit.Usage.Used, achieved, now), object, simulate.Policy{Policy: policy, Scope: resource.Spec.Scope}}, nil
}

// simulation begins there.
func (s liveStart) simulation() simulate.Config {
	if n, ok := s.object.(*v1alpha1.PhoneNumber); ok {
		return simulate.NumberFrom(s.policy, n.Spec.PhoneNumber, simulate.End(s.Start))
	}
	return simulate.PortfolioFrom(s.policy, s.object.GetName(), plan.DefaultNumber, simulate.End(s.Start))
}
