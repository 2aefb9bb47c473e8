package controllers_test

import (
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"

	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
)

func TestMain(m *testing.M) { os.Exit(controllertest.Main(m)) }

func conditionApply(conditionType string, status metav1.ConditionStatus, reason string, now time.Time) *applymetav1.ConditionApplyConfiguration {
	return applymetav1.Condition().WithType(conditionType).WithStatus(status).WithReason(reason).WithMessage("").WithLastTransitionTime(metav1.NewTime(now))
}
