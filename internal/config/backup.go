package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Backup is a bucket of S3, or of another server that speaks its protocol.
type Backup struct {
	// Bucket is the name of the bucket, which is there already.
	Bucket string `json:"bucket"`
	// Prefix begins the names of all objects, such as production/; none where it is left out.
	Prefix string `json:"prefix"`
	// Endpoint is the URL of the server, https:// or http://; AWS's where it is left out.
	Endpoint string `json:"endpoint"`
	// Region is us-east-1 where it is left out.
	Region string `json:"region"`
	// PathStyle has the name of the bucket in the path of URLs, and not in their host. It is true where it is left out and there is an endpoint.
	PathStyle *bool `json:"pathStyle"`
	// CAFile holds the certificates to trust, in PEM; the system's where it is empty.
	CAFile string `json:"caFile"`
	// AccessKeyIDFile holds the id of an access key: it and SecretAccessKeyFile, or none. Without a key the operator has the identity that EKS or
	// EC2 gives it.
	AccessKeyIDFile string `json:"accessKeyIDFile"`
	// SecretAccessKeyFile holds the secret access key.
	SecretAccessKeyFile string `json:"secretAccessKeyFile"`
	// Encryption is what the server is asked to encrypt with; its default where it is left out.
	Encryption Encryption `json:"encryption"`
	// KMSKeyID is the key of the encryption aws:kms; AWS's own where it is left out.
	KMSKeyID string `json:"kmsKeyID"`
	// EveryMinutes is how often a snapshot is taken and copied at the least, 5 to 120; 60 where it is left out.
	EveryMinutes int `json:"everyMinutes"`
}

// Encryption is what objects are encrypted with where they are kept.
type Encryption string

// The encryptions.
const (
	EncryptionByServer Encryption = "AES256"
	EncryptionByKMS    Encryption = "aws:kms"
)

const (
	defaultEveryMinutes = 60
	leastEveryMinutes   = 5
	mostEveryMinutes    = 120
	maxPrefix           = 512
)

// Every is how often a snapshot is taken and copied at the least.
func (b *Backup) Every() time.Duration { return time.Duration(b.EveryMinutes) * time.Minute }

func (b *Backup) complete() {
	if b.Region == "" {
		b.Region = "us-east-1"
	}
	if b.PathStyle == nil {
		b.PathStyle = new(b.Endpoint != "")
	}
	if b.EveryMinutes == 0 {
		b.EveryMinutes = defaultEveryMinutes
	}
}

func validateBackup(path *field.Path, b *Backup) field.ErrorList {
	var errs field.ErrorList
	invalid := func(name, value, problem string) {
		errs = append(errs, field.Invalid(path.Child(name), value, problem))
	}
	if b.Bucket == "" {
		errs = append(errs, field.Required(path.Child("bucket"), "the name of a bucket, which is there already"))
	} else if len(b.Bucket) < 3 || len(validation.IsDNS1123Subdomain(b.Bucket)) > 0 {
		invalid("bucket", b.Bucket, "must be the name of a bucket alone: 3 to 63 lower-case letters, digits, '-' and '.'")
	}
	if len(b.Prefix) > maxPrefix || strings.HasPrefix(b.Prefix, "/") {
		invalid("prefix", b.Prefix, fmt.Sprintf("must have at most %d bytes, and not begin with /", maxPrefix))
	}
	if u, err := url.Parse(b.Endpoint); b.Endpoint != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || b.Endpoint != u.Scheme+"://"+u.Host) {
		// A URL may have a password in it.
		invalid("endpoint", hidden, "must be written like https://minio.storage.svc:9000, without credentials and path")
	}
	if strings.HasPrefix(b.Endpoint, "http:") && b.CAFile != "" {
		errs = append(errs, field.Forbidden(path.Child("caFile"), "there are no certificates with http://"))
	}
	if (b.AccessKeyIDFile == "") != (b.SecretAccessKeyFile == "") {
		errs = append(errs, field.Required(path, "accessKeyIDFile and secretAccessKeyFile go together: set both or none"))
	}
	errs = append(errs, file(path.Child("caFile"), b.CAFile)...)
	errs = append(errs, secretFile(path.Child("accessKeyIDFile"), b.AccessKeyIDFile)...)
	errs = append(errs, secretFile(path.Child("secretAccessKeyFile"), b.SecretAccessKeyFile)...)
	switch b.Encryption {
	case "", EncryptionByServer, EncryptionByKMS:
	default:
		errs = append(errs, field.NotSupported(path.Child("encryption"), b.Encryption, []Encryption{EncryptionByServer, EncryptionByKMS}))
	}
	if b.KMSKeyID != "" && b.Encryption != EncryptionByKMS {
		errs = append(errs, field.Forbidden(path.Child("kmsKeyID"), "is of the encryption aws:kms"))
	}
	if b.EveryMinutes < leastEveryMinutes || b.EveryMinutes > mostEveryMinutes {
		errs = append(errs, field.Invalid(path.Child("everyMinutes"), b.EveryMinutes, fmt.Sprintf("must be %d to %d", leastEveryMinutes, mostEveryMinutes)))
	}
	return errs
}
