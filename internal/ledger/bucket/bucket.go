// Package bucket keeps objects in a bucket of S3, or of another server that speaks its protocol. The client repeats requests that fail for
// reasons that pass, with growing pauses, for some ten seconds.
package bucket

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"numberfleet.dev/numberfleet/internal/trust"
)

// Options of a bucket. Those that are not required may be left out.
type Options struct {
	Name      string // required: the bucket's, which is there already
	Prefix    string // begins the names of all objects in the bucket
	Endpoint  string // URL of the server; AWS's of the region if it is empty
	Region    string // required
	PathStyle bool   // has the name of the bucket in the path of URLs, and not in their host

	CertificateAuthority string // a file in PEM; the system's if it is empty
	// AccessKeyID and SecretAccessKey are files, both or none: without them the process has an identity of its own, as EKS and EC2 give it.
	AccessKeyID, SecretAccessKey string

	Encryption Encryption // that the server is asked for; its own default if it is empty
	KMSKeyID   string     // of the encryption KMS; AWS's own key for S3 if it is empty
}

// Encryption is what a server encrypts objects with.
type Encryption string

// The encryptions, as the server is asked for them.
const (
	ByServer Encryption = "AES256"
	ByKMS    Encryption = "aws:kms"
)

// Bucket is one of a server.
type Bucket struct {
	client       *minio.Client
	name, prefix string
	encryption   encrypt.ServerSide
}

// Open makes a bucket, without a request to the server.
func Open(o Options) (*Bucket, error) {
	server, err := url.Parse(cmp.Or(o.Endpoint, "https://s3.amazonaws.com"))
	if err != nil {
		return nil, err
	}
	secure := server.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	if secure {
		if transport.TLSClientConfig, err = trust.Config(o.CertificateAuthority); err != nil {
			return nil, fmt.Errorf("the file of the certificate authority %w", err)
		}
	}
	b := &Bucket{name: o.Name, prefix: o.Prefix}
	switch o.Encryption {
	case ByServer:
		b.encryption = encrypt.NewSSE()
	case ByKMS:
		if b.encryption, err = encrypt.NewSSEKMS(o.KMSKeyID, nil); err != nil {
			return nil, err
		}
	}
	lookup := minio.BucketLookupDNS
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	var identity credentials.Provider = &credentials.IAM{Region: o.Region}
	if o.AccessKeyID != "" {
		identity = &keyFiles{id: o.AccessKeyID, secret: o.SecretAccessKey}
	}
	b.client, err = minio.New(server.Host, &minio.Options{Creds: credentials.New(identity), Secure: secure, Transport: transport, Region: o.Region, BucketLookup: lookup})
	return b, err
}

// List is the names of the objects that begin with a prefix, in their order.
func (b *Bucket) List(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	for object := range b.client.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, b.failed("list", object.Err)
		}
		if name, ok := strings.CutPrefix(object.Key, b.prefix); ok { // whatever a server answers
			names = append(names, name)
		}
	}
	return names, b.failed("list", ctx.Err())
}

// Metadata are those of an object. Their keys are as HTTP writes headers: Like-This.
func (b *Bucket) Metadata(ctx context.Context, name string) (map[string]string, error) {
	object, err := b.client.StatObject(ctx, b.name, b.prefix+name, minio.StatObjectOptions{})
	return object.UserMetadata, b.failed("read", err)
}

// Read writes the content of an object to a writer.
func (b *Bucket) Read(ctx context.Context, to io.Writer, name string) error {
	object, err := b.client.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return b.failed("read", err)
	}
	defer func() { _ = object.Close() }() // only read
	_, err = io.Copy(to, object)
	return b.failed("read", err)
}

// Write makes an object of so many bytes. It is there whole, as what is there was written and with the server's check of it, or not at all.
func (b *Bucket) Write(ctx context.Context, name string, metadata map[string]string, from io.Reader, size int64) error {
	_, err := b.client.PutObject(ctx, b.name, b.prefix+name, from, size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", UserMetadata: metadata, ServerSideEncryption: b.encryption,
		SendContentMd5: true, // which every server checks, and for which the client keeps what it would have to send again
	})
	return b.failed("write to", err)
}

// Remove removes an object, if it is there.
func (b *Bucket) Remove(ctx context.Context, name string) error {
	return b.failed("remove from", b.client.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{}))
}

func (b *Bucket) failed(to string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s the bucket %s: %w", to, b.name, err)
}
