package simulate

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func seed(f *testing.F, folder string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "config", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
}

// Whatever is read as a fleet can be looked up, and its errors are a line.
func FuzzFleet(f *testing.F) {
	seed(f, "samples")
	f.Add([]byte("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: whatsapp.numberfleet.dev/v1alpha1, kind: PhoneNumber, metadata: {name: a}, spec: {phoneNumber: \"+15550100001\"}}"))
	f.Add([]byte("---\n---\n{}\n--- # x\n[]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		fleet, err := ReadFleet(bytes.NewReader(content))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
			return
		}
		for _, template := range fleet.Templates {
			if len(template.Names) == 0 {
				t.Error("a template has no name")
			}
		}
	})
}

// Whatever is read as a policy has tiers and a scope, and its errors are a line.
func FuzzPolicy(f *testing.F) {
	seed(f, "policies")
	f.Add([]byte("{apiVersion: whatsapp.numberfleet.dev/v1alpha1, kind: MessagingPolicy, metadata: {name: a}, spec: {scope: Number}}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		policy, err := ReadPolicy(content)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
			return
		}
		if policy.Policy == nil || policy.Scope == "" {
			t.Errorf("the policy is %+v", policy)
		}
	})
}

// Whatever is read as a pool has a selector, and its errors are a line.
func FuzzPool(f *testing.F) {
	seed(f, "samples")
	f.Add([]byte("{apiVersion: whatsapp.numberfleet.dev/v1alpha1, kind: NumberPool, metadata: {name: a}, spec: {selector: {matchLabels: {a: b}}}}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		pool, err := ReadPool(content)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
			return
		}
		if pool.Spec.Selector == nil {
			t.Errorf("the pool is %+v", pool)
		}
	})
}
