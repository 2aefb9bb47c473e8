package apiserver

import (
	"context"
	"errors"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"numberfleet.dev/numberfleet/hack/rig"
)

// Permits waits until an API server lets a user do something: it knows of a role and of its binding a moment after they were made. It returns
// an error where it does not within rig.Patience.
func Permits(ctx context.Context, admin *rest.Config, user string, what authorizationv1.ResourceAttributes) error {
	api, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return err
	}
	ask := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &what}}
	permits := func() bool {
		var answer *authorizationv1.SubjectAccessReview
		answer, err = api.AuthorizationV1().SubjectAccessReviews().Create(ctx, ask, metav1.CreateOptions{})
		return err == nil && answer.Status.Allowed
	}
	if !rig.Eventually(ctx, permits) {
		return errors.Join(fmt.Errorf("after %s %s may not %s %s", rig.Patience, user, what.Verb, what.Resource), err)
	}
	return nil
}
