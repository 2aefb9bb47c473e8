package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/trust"
)

// slackWebhook posts one message a notice. It uses text alone, which all that are compatible with Slack take.
type slackWebhook struct {
	config     *config.Slack
	transports *trust.Transports
}

func (s *slackWebhook) Send(ctx context.Context, notice *Notice) (int64, error) {
	address, err := url(s.config.URL, s.config.URLFile)
	if err != nil {
		return 0, err
	}
	client, err := client(s.transports)
	if err != nil {
		return 0, err
	}
	if err := slack.PostWebhookCustomHTTPContext(ctx, address, client, &slack.WebhookMessage{Text: text(notice)}); err != nil {
		if answer, ok := errors.AsType[*ResponseError](err); ok {
			return 0, answer
		}
		return 0, scrub(err)
	}
	return notice.Last, nil
}

func text(n *Notice) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%s*\n", slackutilsx.EscapeMessage(n.headline()))
	if n.Missed > 0 {
		fmt.Fprintf(&b, "%s\n", n.missedSentence())
	}
	for _, t := range n.Transitions {
		fmt.Fprintf(&b, "%s  %s: %s\n", t.when(), slackutilsx.EscapeMessage(string(t.Reason)+t.change()), slackutilsx.EscapeMessage(t.Message))
	}
	if standing := n.standing(); standing != "" {
		fmt.Fprintf(&b, "Now: %s\n", slackutilsx.EscapeMessage(standing))
	}
	fmt.Fprintf(&b, "`%s`", n.command())
	return b.String()
}
