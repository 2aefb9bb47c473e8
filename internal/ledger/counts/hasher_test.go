package counts

import "testing"

// Keys are comparable under one secret only, and its fingerprint says which it is.
func TestAFingerprintTellsSecretsApart(t *testing.T) {
	one, other := NewHasher([16]byte{1}), NewHasher([16]byte{2})
	if one.Fingerprint() != NewHasher([16]byte{1}).Fingerprint() || one.Fingerprint() == other.Fingerprint() || len(one.Fingerprint()) != 32 {
		t.Errorf("the fingerprints are %s and %s", one.Fingerprint(), other.Fingerprint())
	}
}
