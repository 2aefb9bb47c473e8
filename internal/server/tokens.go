package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apiserver/pkg/authentication/authenticator"
)

// How often the API server is asked about tokens that were never good: anyone can send as many as they like.
const (
	reviewRate  = 10 // a second
	reviewBurst = 50

	knownTokens   = 4096      // at most
	knownTokenTTL = time.Hour // since it was last good
)

// ErrTooManyTokens says that too many unknown tokens came for the API server to be asked about one more.
var ErrTooManyTokens = errors.New("too many unknown tokens came; the API server is not asked about more at the moment")

// tokenReviews bounds the rate of reviews of unknown tokens. A token that was good lately is always reviewed: callers with rights are
// not held back by those without.
type tokenReviews struct {
	authenticator.Token

	limiter *rate.Limiter
	known   *utilcache.LRUExpireCache // by the token's hash
}

func newTokenReviews(of authenticator.Token) *tokenReviews {
	return &tokenReviews{Token: of, limiter: rate.NewLimiter(reviewRate, reviewBurst), known: utilcache.NewLRUExpireCache(knownTokens)}
}

// AuthenticateToken implements authenticator.Token.
func (r *tokenReviews) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	hash := sha256.Sum256([]byte(token))
	if _, known := r.known.Get(hash); !known && !r.limiter.Allow() {
		return nil, false, ErrTooManyTokens
	}
	response, ok, err := r.Token.AuthenticateToken(ctx, token)
	if err != nil {
		return nil, false, fmt.Errorf("review a token: %w", err)
	}
	if ok {
		r.known.Add(hash, struct{}{}, knownTokenTTL)
	}
	return response, ok, nil
}
