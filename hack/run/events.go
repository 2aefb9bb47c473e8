package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// forwarder is who may post events about the numbers of the fleet's namespace: what docs/events.md makes with kubectl.
const forwarder = `
apiVersion: v1
kind: ServiceAccount
metadata:
  name: forwarder
  namespace: fleet
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: forwarder
  namespace: fleet
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: numberfleet-event-sender
subjects:
- kind: ServiceAccount
  name: forwarder
  namespace: fleet
`

// platform is a chat platform whose webhooks are not Meta's: it posts CloudEvents to the event API.
type platform struct {
	kubernetes client.Client
	operator   *rig.Operator
	token      string
}

func newPlatform(config *rest.Config, to *rig.Operator) (*platform, error) {
	kubernetes, err := client.New(config, client.Options{})
	return &platform{kubernetes: kubernetes, operator: to}, err
}

// authenticate gets a token that is good for the event API alone.
func (p *platform) authenticate(ctx context.Context) error {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "forwarder"}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"numberfleet"}}}
	if err := p.kubernetes.SubResource("token").Create(ctx, account, request); err != nil {
		return fmt.Errorf("a token for the event API: %w", err)
	}
	p.token = request.Status.Token
	return nil
}

// post posts what happened to a number, until it is acknowledged.
func (p *platform) post(ctx context.Context, number string, delivered []metatest.Status, received []metatest.Inbound, reports []event) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	line := func(id, kind string, at time.Time, data map[string]any) error {
		data["number"] = number
		return encoder.Encode(map[string]any{
			"specversion": "1.0", "id": id, "source": "/chat-platform", "type": "dev.numberfleet." + kind + ".v1", "time": at.UTC().Format(time.RFC3339), "data": data,
		})
	}
	for _, m := range received {
		if err := line(m.ID, "message.received", m.At, map[string]any{"user": "+" + m.Phone}); err != nil {
			return err
		}
	}
	for _, m := range delivered {
		if err := line(m.ID, "message.delivered", m.At, map[string]any{"user": "+" + m.Phone, "messageID": m.ID}); err != nil {
			return err
		}
	}
	for _, r := range reports {
		if err := line(fmt.Sprint("rating-", r.at.Unix()), "quality.reported", r.at, map[string]any{"rating": r.rating}); err != nil {
			return err
		}
	}
	if lines.Len() == 0 {
		return nil
	}
	for {
		status, answer, err := p.operator.PostEvents(ctx, lines.Bytes(), "application/x-ndjson", p.token)
		switch {
		case err != nil || status == http.StatusServiceUnavailable:
		case status == http.StatusOK:
			return nil
		case status == http.StatusUnauthorized: // no token yet, or it has expired
			if err := p.authenticate(ctx); err != nil {
				return err
			}
			continue
		default:
			return fmt.Errorf("the operator answered events with %d: %s", status, answer)
		}
		if err := rig.Sleep(ctx, retryAfter); err != nil {
			return err
		}
	}
}
