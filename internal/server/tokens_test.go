package server

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/pkg/authentication/user"
)

// Strangers who try thousands of tokens make the operator ask the API server some fifty times; those who may send are asked
// about all the same, once a cache.
func TestStrangersCostTheAPIServerLittle(t *testing.T) {
	asked := 0
	review := newTokenReviews(authenticator.TokenFunc(func(_ context.Context, token string) (*authenticator.Response, bool, error) {
		asked++
		if token != "good" {
			return nil, false, errors.New("invalid bearer token")
		}
		return &authenticator.Response{User: &user.DefaultInfo{Name: "forwarder"}}, true, nil
	}))
	cached := cache.New(review, false, tokenTTL, tokenTTL)
	authenticate := func(token string) error {
		_, ok, err := cached.AuthenticateToken(t.Context(), token)
		if ok != (token == "good" && err == nil) {
			t.Fatalf("%q is good: %v", token, ok)
		}
		return err
	}
	if err := authenticate("good"); err != nil {
		t.Fatal(err)
	}
	busy := 0
	for i := range 5000 {
		if err := authenticate(fmt.Sprint("guess ", i)); errors.Is(err, ErrTooManyTokens) {
			if busy++; !outage(err) {
				t.Fatal("a caller who is not asked about would be taken for a stranger")
			}
		}
	}
	if asked > 500 || busy < 4500 {
		t.Errorf("the API server was asked %d times, and %d were put off", asked, busy)
	}
	for range 1000 {
		if err := authenticate("good"); err != nil {
			t.Fatal(err)
		}
	}
	// Even one whose last answer is no longer kept.
	if _, ok, err := review.AuthenticateToken(t.Context(), "good"); !ok || err != nil {
		t.Errorf("who was good lately is put off: %v", err)
	}
}
