package bucket

import (
	"fmt"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"numberfleet.dev/numberfleet/internal/secret"
)

// keyFiles are files with the two parts of an access key. They are read for each request: a key that was replaced is taken up at once.
type keyFiles struct{ id, secret string }

// RetrieveWithCredContext implements credentials.Provider.
func (f *keyFiles) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return f.Retrieve()
}

// Retrieve implements credentials.Provider.
func (f *keyFiles) Retrieve() (credentials.Value, error) {
	id, err := secret.Read(f.id)
	if err != nil {
		return credentials.Value{}, fmt.Errorf("the file of the access key's id %w", err)
	}
	key, err := secret.Read(f.secret)
	if err != nil {
		return credentials.Value{}, fmt.Errorf("the file of the secret access key %w", err)
	}
	return credentials.Value{AccessKeyID: id, SecretAccessKey: key, SignerType: credentials.SignatureV4}, nil
}

// IsExpired implements credentials.Provider.
func (f *keyFiles) IsExpired() bool { return true }
