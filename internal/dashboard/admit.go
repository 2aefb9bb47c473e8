package dashboard

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
)

// policy is what the page may load: its own files, no script or style in the page itself, and nothing from another host.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// admit lets in who is shown the page. Whoever runs programs on this machine can reach a port of loopback, and so can any web page in the
// user's browser: by another name for it, or from its own origin. Such requests are refused, and those without the token.
func (p *Page) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentPolicy)
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		switch origin := req.Header.Get("Origin"); {
		case !loopback(req.Host):
			http.Error(w, "The page is at 127.0.0.1 or localhost alone.", http.StatusMisdirectedRequest)
		case origin != "" && origin != "http://"+req.Host, !sameSite(req):
			http.Error(w, "Another site asks for the page.", http.StatusForbidden)
		case !p.known(w, req):
			http.Error(w, "Open the URL that `kubectl phonenumbers dashboard` printed.", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, req)
		}
	})
}

// loopback says whether a Host header names this machine. A name of DNS that leads here does not.
func loopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// sameSite says whether the browser, if it says anything, says that the page itself asks, or the user.
func sameSite(req *http.Request) bool {
	switch req.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	default: // a link from elsewhere may open the page, with the token
		return req.Header.Get("Sec-Fetch-Mode") == "navigate" && req.URL.Path == "/"
	}
}

// known says whether a request has the token: in the URL, as printed, or in the cookie that it is answered with.
func (p *Page) known(w http.ResponseWriter, req *http.Request) bool {
	same := func(token string) bool { return subtle.ConstantTimeCompare([]byte(token), []byte(p.token)) == 1 }
	// Cookies are the same for all ports of a host.
	_, port, _ := net.SplitHostPort(req.Host)
	name := "numberfleet-" + port
	if same(req.URL.Query().Get("token")) {
		http.SetCookie(w, &http.Cookie{Name: name, Value: p.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // loopback has no TLS
		return true
	}
	cookie, err := req.Cookie(name)
	return err == nil && same(cookie.Value)
}
