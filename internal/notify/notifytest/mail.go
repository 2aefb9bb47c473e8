package notifytest

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"numberfleet.dev/numberfleet/internal/config"
)

// Who may send mail through the MailServer.
const (
	Username = "operator"
	Password = "a password of the mail server"
)

// Mail is one that was taken.
type Mail struct {
	From string
	To   []string
	// TLS and Authenticated say how it came.
	TLS, Authenticated bool
	Content            string
}

// MailServer is an SMTP server on loopback with TLS, that takes mail from who knows the password.
type MailServer struct {
	Port   int
	CAFile string

	mu       sync.Mutex
	mails    []Mail
	attempts int
	answer   func() error
}

// NewMailServer starts one that stops with the test.
func NewMailServer(t testing.TB, way config.TLS) *MailServer {
	t.Helper()
	m := &MailServer{}
	cert, ca := certificate(t)
	m.CAFile = ca
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: m, conn: c}, nil }))
	server.Domain = "mail.test"
	server.ErrorLog = log.New(io.Discard, "", 0)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.Port = listener.Addr().(*net.TCPAddr).Port
	switch way {
	case config.NoTLS:
	case config.StartTLS:
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	case config.Implicit:
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	done := make(chan struct{})
	go func() { _ = server.Serve(listener); close(done) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return m
}

// Answer has each further mail answered by what the function returns: nil takes it, an *smtp.SMTPError refuses it.
func (m *MailServer) Answer(answer func() error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = answer
}

// Busy has the next n mails answered with 451.
func (m *MailServer) Busy(n int) {
	m.Answer(func() error {
		if n--; n < 0 {
			return nil
		}
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "try again later"}
	})
}

// Mails are those that were taken.
func (m *MailServer) Mails() []Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Mail(nil), m.mails...)
}

// Attempts is how many were tried.
func (m *MailServer) Attempts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.attempts
}

type session struct {
	server *MailServer
	conn   *smtp.Conn
	mail   Mail
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != Username || password != Password {
			return smtp.ErrAuthFailed
		}
		s.mail.Authenticated = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.mail.From = from; return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = append(s.mail.To, to)
	return nil
}

func (s *session) Data(content io.Reader) error {
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	_, s.mail.TLS = s.conn.TLSConnectionState()
	s.mail.Content = string(text)
	m := s.server
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attempts++
	if m.answer != nil {
		if err := m.answer(); err != nil {
			return err
		}
	}
	m.mails = append(m.mails, s.mail)
	return nil
}

func (s *session) Reset()        { s.mail.From, s.mail.To = "", nil }
func (s *session) Logout() error { return nil }
