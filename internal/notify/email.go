package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/wneessen/go-mail"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/trust"
)

// email sends one mail a notice.
type email struct{ config *config.Email }

func (e *email) Send(ctx context.Context, notice *Notice) (int64, error) {
	message, err := e.message(notice)
	if err != nil {
		return 0, err
	}
	client, err := e.client()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return 0, fmt.Errorf("connect to the SMTP server: %w", err)
	}
	// A mail that was taken is sent, however the parting goes.
	defer func() { _ = client.CloseWithSMTPClient(connection) }()
	// The library's word for the error would add the addresses.
	if err := client.SendWithSMTPClient(connection, message); err != nil {
		if refusal, ok := errors.AsType[*mail.SendError](err); ok {
			return 0, fmt.Errorf("the SMTP server did not take the mail: %s (%d %s)", refusal.Reason, refusal.ErrorCode(), refusal.EnhancedStatusCode())
		}
		return 0, fmt.Errorf("send the mail: %w", err)
	}
	return notice.Last, nil
}

func (e *email) client() (*mail.Client, error) {
	trusting, err := trust.Config(e.config.CAFile)
	if err != nil {
		return nil, fmt.Errorf("caFile %s: %w", e.config.CAFile, err)
	}
	trusting.ServerName = e.config.Host
	// Timeout bounds the connection and then each mail; the dialogue has half of it each.
	options := []mail.Option{mail.WithPort(e.config.Port), mail.WithTimeout(Timeout / 2), mail.WithTLSConfig(trusting)}
	switch e.config.TLS {
	case config.Implicit:
		options = append(options, mail.WithSSL())
	case config.NoTLS:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if e.config.Username != "" {
		password, err := secretIn("passwordFile", e.config.PasswordFile)
		if err != nil {
			return nil, err
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.config.Username), mail.WithPassword(password))
	}
	client, err := mail.NewClient(e.config.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("set up the SMTP client: %w", err)
	}
	return client, nil
}

func (e *email) message(n *Notice) (*mail.Msg, error) {
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(m.From(e.config.From), m.To(e.config.To...)); err != nil {
		return nil, fmt.Errorf("address the mail: %w", err)
	}
	m.Subject("[numberfleet] " + n.headline())
	m.SetDate()
	// The same each time that it is tried, so that mail systems can drop a repeat.
	m.SetMessageIDWithValue(n.span() + "." + n.Receiver + "@numberfleet.dev")
	m.SetGenHeader("Auto-Submitted", "auto-generated") // nobody's absence notice is wanted
	m.SetBodyString(mail.TypeTextPlain, body(n))
	return m, nil
}

func body(n *Notice) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n\n", n.Subject.Kind, n.Subject)
	if n.Missed > 0 {
		fmt.Fprintf(&b, "%s\n\n", n.missedSentence())
	}
	for _, t := range n.Transitions {
		fmt.Fprintf(&b, "%s  %s%s\n  %s\n\n", t.when(), t.Reason, t.change(), t.Message)
	}
	if standing := n.standing(); standing != "" {
		fmt.Fprintf(&b, "Now: %s\n\n", standing)
	}
	fmt.Fprintf(&b, "To look closer:\n  %s\n", n.command())
	return b.String()
}
