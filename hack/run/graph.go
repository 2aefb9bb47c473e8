package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

// graphAPI stands in for Meta's Graph API. It says what Meta has announced by no webhook since October 2025, of the accounts that
// run by its rules since then or that are read for other reasons; the operator finds it out by reading.
type graphAPI struct {
	*graphtest.Server
	clock    *fleetClock
	url      string
	folder   string          // of the access tokens
	settings config.GraphAPI // of the operator
	cycle    int             // at which the run began, from 0
	http     *http.Server
}

// startGraphAPI serves the accounts on loopback.
func startGraphAPI(o options, clock *fleetClock) (*graphAPI, error) {
	g := &graphAPI{Server: graphtest.New(clock), clock: clock, folder: filepath.Join(o.state, "graph")}
	g.cycle = int(clock.origin.Sub(clock.born) / cycle)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g.url = "http://" + listener.Addr().String()
	g.http = &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second}

	g.settings = config.GraphAPI{BaseURL: g.url, PeriodMinutes: periodMinutes(clock.speed)}
	for _, a := range metaAccounts {
		token, err := rig.Credential(g.folder, a.token)
		if err != nil {
			return nil, err
		}
		g.AddToken(token)
		g.AddBusiness(a.portfolio, a.name)
		g.Change(time.Time{}, a.portfolio, a.known)
		g.AddAccount(a.id, a.portfolio, a.name)
		for _, n := range a.numbers {
			g.AddPhoneNumber(n.id, a.id, n.display, n.name)
		}
		if a.read {
			g.settings.Accounts = append(g.settings.Accounts, config.Account{ID: a.id, TokenFile: g.tokenFile(a.token)})
		}
	}
	g.AddTemplate(lastMinute, travel, "last_minute", "en_US", "UTILITY")
	g.AddTemplate(loginCode, shopping, "login_code", "en_US", "AUTHENTICATION")
	g.AddTemplate(autumnSale, shopping, "autumn_sale", "en_US", "MARKETING")
	g.CountMessagesFrom(int(clock.origin.Sub(clock.born).Milliseconds()))
	// Values of the cycle before may still hold.
	for n := max(g.cycle-1, 0); n <= g.cycle; n++ {
		g.script(g.cycleStart(n))
	}
	go func() { _ = g.http.Serve(listener) }()
	return g, nil
}

// periodMinutes is how often the operator reads an account: every second or so of real time, within what the configuration allows.
func periodMinutes(speed float64) int { return min(max(int(speed/48), 5), 24*60) }

// token is the access token of the account that a number belongs to, as its file has it now.
func (g *graphAPI) token(number string) (string, error) {
	for _, a := range metaAccounts {
		if slices.ContainsFunc(a.numbers, func(n metaNumber) bool { return n.id == number }) {
			token, err := os.ReadFile(g.tokenFile(a.token))
			return string(token), err
		}
	}
	return "", fmt.Errorf("no account has the number %s", number)
}

func (g *graphAPI) tokenFile(name string) string { return filepath.Join(g.folder, name) }

func (g *graphAPI) stop() error { return g.http.Close() }

// run scripts each cycle as it begins, and lets tokens expire and be renewed.
func (g *graphAPI) run(ctx context.Context) error {
	for n := g.cycle; ; n++ {
		began := g.cycleStart(n)
		if n > g.cycle {
			if err := g.sleep(ctx, began); err != nil {
				return err
			}
			g.script(began)
		}
		if expires := began.Add(tokenExpires); expires.After(g.clock.origin) {
			if err := g.renew(ctx, expires); err != nil {
				return err
			}
		}
	}
}

func (g *graphAPI) cycleStart(cycles int) time.Time {
	return g.clock.born.Add(time.Duration(cycles) * cycle)
}

// script sets what the stand-in answers on a cycle, and when it fails.
func (g *graphAPI) script(began time.Time) {
	for _, s := range slices.Concat(statements, templateStatements) {
		g.Change(began.Add(s.after), s.of, s.fields)
	}
	for _, s := range healthStatements {
		g.ChangeHealth(began.Add(s.after), s.of, s.fields)
	}
	for _, t := range faults {
		f := t.fault
		f.From = began.Add(t.after)
		f.Until = f.From.Add(t.lasts)
		g.Fail(f)
	}
}

// renew lets the token of the first account expire at a time, and puts another one into its file later.
func (g *graphAPI) renew(ctx context.Context, expires time.Time) error {
	if err := g.sleep(ctx, expires); err != nil {
		return err
	}
	file := g.tokenFile(metaAccounts[0].token)
	was, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	g.ExpireToken(string(was))
	if err := g.sleep(ctx, expires.Add(tokenMissing)); err != nil {
		return err
	}
	renewed := rand.Text()
	g.AddToken(renewed)
	return os.WriteFile(file, []byte(renewed), 0o600)
}

// sleep waits until the fleet's time has come.
func (g *graphAPI) sleep(ctx context.Context, until time.Time) error {
	return rig.Sleep(ctx, g.clock.Wait(until))
}

// regain is the header with which Meta says that an account has no calls left, and for how long.
func regain(account string, minutes int) http.Header {
	return http.Header{"X-Business-Use-Case-Usage": {fmt.Sprintf(
		`{"%s":[{"type":"whatsapp_business_management","call_count":100,"total_cputime":25,"total_time":33,"estimated_time_to_regain_access":%d}]}`, account, minutes)}}
}
