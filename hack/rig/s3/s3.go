// Package s3 runs an S3 server on this machine.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/ledger/bucket"
)

// Server is one with a bucket and an account. Its methods are for one goroutine.
type Server struct {
	certificate rig.Certificate
	folder      string
	port        string
	process     *rig.Process
}

const (
	name        = "fleet"
	accessKeyID = "numberfleet"
	// SecretAccessKey is that of the account.
	SecretAccessKey = "the-key-of-a-test"
)

// New makes a server with its data in a folder, and starts it. Its program is what the environment's S3_SERVER names.
func New(ctx context.Context, folder string) (*Server, error) {
	addresses, err := rig.FreeAddresses(1)
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder}
	if _, s.port, err = net.SplitHostPort(addresses[0]); err != nil {
		return nil, err
	}
	if s.certificate, err = rig.NewCertificate(filepath.Join(folder, "tls"), "localhost"); err != nil {
		return nil, err
	}
	o := s.Options()
	err = errors.Join(os.MkdirAll(s.data(), 0o700), os.WriteFile(o.AccessKeyID, []byte(accessKeyID+"\n"), 0o600), os.WriteFile(o.SecretAccessKey, []byte(SecretAccessKey+"\n"), 0o600))
	if err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

func (s *Server) address() string { return "127.0.0.1:" + s.port }

func (s *Server) data() string { return filepath.Join(s.folder, "buckets", name) }

// Start starts the server again, with the data that it had.
func (s *Server) Start(ctx context.Context) (err error) {
	program := os.Getenv("S3_SERVER")
	if program == "" {
		return errors.New("there is no S3 server: run make test, or set S3_SERVER to one")
	}
	s.process, err = rig.Start(rig.Command{Name: "the S3 server", Path: program, Log: filepath.Join(s.folder, "log"), Args: []string{
		"--address", s.address(), "--folder", s.folder, "--access-key-id", accessKeyID, "--secret-access-key", SecretAccessKey,
		"--certificate", s.certificate.Public(), "--key", s.certificate.Key(),
	}})
	if err != nil {
		return err
	}
	listens := func() bool {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address())
		return !s.process.Alive() || err == nil && connection.Close() == nil
	}
	if !rig.Eventually(ctx, listens) || !s.process.Alive() {
		s.Kill()
		return fmt.Errorf("the S3 server does not listen: %w", s.process.Err())
	}
	return nil
}

// Kill ends the server.
func (s *Server) Kill() {
	if s.process.Alive() {
		s.process.Kill()
	}
}

// Options are those of the bucket, with the access key in files of the server's folder.
func (s *Server) Options() bucket.Options {
	return bucket.Options{
		Name: name, Endpoint: "https://localhost:" + s.port, Region: "us-east-1", PathStyle: true, CertificateAuthority: s.certificate.Authority(),
		AccessKeyID: filepath.Join(s.folder, "id"), SecretAccessKey: filepath.Join(s.folder, "secret"),
	}
}

// Object is the file with the content of an object of the bucket.
func (s *Server) Object(name string) string { return filepath.Join(s.data(), filepath.FromSlash(name)) }
