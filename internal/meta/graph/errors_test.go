package graph

import (
	"fmt"
	"strings"
	"testing"
)

const secret = "EAAtestTOKENtestTOKENtestTOKENtestTOKEN0123456789"

func TestEveryRefusalIsOfAKind(t *testing.T) {
	for _, test := range []struct {
		status int
		error  string
		want   Kind
	}{
		{400, `"code":4,"type":"OAuthException","is_transient":true`, RateLimited},
		{400, `"code":80007`, RateLimited},
		{400, `"code":80008`, RateLimited},
		{400, `"code":130429`, RateLimited},
		{400, `"code":17`, RateLimited},
		{400, `"code":32`, RateLimited},
		{400, `"code":613`, RateLimited},
		{429, `"code":100`, RateLimited},
		{429, ``, RateLimited},
		{400, `"code":190,"error_subcode":463`, Token},
		{400, `"code":"190"`, Token},
		{401, `"code":0,"type":"AuthException"`, Token},
		{401, ``, Token},
		{400, `"code":102`, Token},
		{400, `"code":104`, Token},
		{400, `"type":"OAuthException"`, Token},
		{500, `"type":"OAuthException"`, Temporary},
		{403, `"code":10`, Permission},
		{403, `"code":200`, Permission},
		{400, `"code":299`, Permission},
		{500, `"code":3`, Permission},
		{403, `"code":131005`, Permission},
		{400, `"code":33`, NotFound},
		{400, `"code":803`, NotFound},
		{400, `"code":100,"error_subcode":33`, NotFound},
		{400, `"code":100,"type":"GraphMethodException","message":"Object with ID '1001' does not exist"`, NotFound},
		{400, `"code":100,"type":"GraphMethodException","message":"An appsecret_proof is needed"`, Permanent},
		{400, `"code":100,"error_subcode":2018001`, Permanent},
		{400, `"code":100`, Permanent},
		{404, `"code":2500`, Permanent},
		{400, `"code":-1`, Temporary},
		{500, `"code":"-1","type":"OAuthException"`, Temporary},
		{400, `"code":-2`, Permanent},
		{400, `"code":1`, Temporary},
		{500, `"code":1`, Temporary},
		{503, `"code":2`, Temporary},
		{400, `"code":100,"is_transient":true`, Temporary},
		{500, `"code":131000`, Temporary},
		{500, `"code":131016`, Temporary},
		{503, `"code":133004`, Temporary},
		{502, `"code":555`, Temporary},
		{500, ``, Temporary},
		{408, ``, Temporary},
		{403, ``, Permission},
		{404, ``, NotFound},
		{400, ``, Permanent},
		{403, `"code":368`, Permanent},
		{403, `"code":131031`, Permanent},
		{400, `"code":131059`, Permanent},
	} {
		e, transient := parseError([]byte(`{"error":{`+test.error+`}}`), secret)
		if e == nil {
			t.Fatalf("%s is no refusal", test.error)
		}
		e.HTTPStatus = test.status
		if e.classify(transient); e.Kind != test.want {
			t.Errorf("HTTP %d, %s: got %s, want %s", test.status, test.error, e.Kind, test.want)
		}
	}
}

func TestARefusalIsRead(t *testing.T) {
	e, transient := parseError([]byte(`{"error":{"message":"(#130429) Rate limit hit","type":"OAuthException","code":130429,"error_subcode":"2494055",
		"error_data":{"messaging_product":"whatsapp","details":"Too many calls"},"is_transient":true,"error_user_title":"x","fbtrace_id":"AbC123"}}`), secret)
	if e == nil || !transient || e.Code != 130429 || e.Subcode != 2494055 || e.Type != "OAuthException" || e.Message != "(#130429) Rate limit hit" || e.Details != "Too many calls" {
		t.Errorf("got %+v, %v", e, transient)
	}
	for _, body := range []string{``, `{}`, `{"error":null}`, `{"error":"no"}`, `{"error":[]}`, `<html>502</html>`, `{"id":"1001"}`} {
		if e, _ := parseError([]byte(body), secret); e != nil {
			t.Errorf("%s is no refusal, but was read as %+v", body, e)
		}
	}
	if e, _ := parseError([]byte(`{"error":{"code":{},"message":[],"error_data":"x"}}`), secret); e == nil || *e != (Error{}) {
		t.Errorf("shapes that are not known: got %+v", e)
	}
}

func TestNothingOfATokenOrANumberIsShown(t *testing.T) {
	for _, message := range []string{
		"Malformed access token " + secret,
		"Malformed access token " + secret[:20] + "...",
		"Bad token ..." + secret[len(secret)-15:],
		"See https://graph.example/next?access_token=EAAanotherTOKENanotherTOKENanotherTOKENanother",
		"The number +1 555-000-1111 is gone",
		"The number +15550001111 is gone",
	} {
		for _, code := range []int{10, 100, 190, 368} {
			e, transient := parseError(fmt.Appendf(nil, `{"error":{"code":%d,"message":%q,"error_data":{"details":%q}}}`, code, message, message), secret)
			e.What = "phone number 1001"
			e.HTTPStatus = 400
			e.classify(transient)
			for _, shown := range []string{e.Error(), e.Message, e.Details, fmt.Sprintf("%+v", *e)} {
				if strings.Contains(shown, "TOKEN") || strings.Contains(shown, secret[len(secret)-12:]) || strings.Contains(shown, "555") {
					t.Errorf("code %d, %s: shows %s", code, message, shown)
				}
			}
		}
	}
	if got := clean("(#200) Object with ID '106540352242922' needs whatsapp_business_management", secret); got != "(#200) Object with ID '106540352242922' needs whatsapp_business_management" {
		t.Errorf("what is no secret was changed: %s", got)
	}
}

func TestARefusedTokenKeepsNoMessage(t *testing.T) {
	e, transient := parseError([]byte(`{"error":{"code":190,"message":"Expired at 10:31:07","error_data":{"details":"at 10:31:07"}}}`), secret)
	if e.classify(transient); e.Message != "" || e.Details != "" {
		t.Errorf("got %+v", e)
	}
}

func TestErrorsAreSentences(t *testing.T) {
	const what = "phone number 1001"
	for want, e := range map[string]*Error{
		"phone number 1001: the access token has expired (HTTP 401, code 190, subcode 463)":                         {Kind: Token, HTTPStatus: 401, Code: 190, Subcode: 463},
		"phone number 1001: Meta refuses the access token (HTTP 401, code 190, subcode 460)":                        {Kind: Token, HTTPStatus: 401, Code: 190, Subcode: 460},
		"phone number 1001: the access token lacks a permission (HTTP 403, code 200): Requires it":                  {Kind: Permission, HTTPStatus: 403, Code: 200, Message: "Requires it"},
		"phone number 1001: it does not exist, or the access token may not see it (HTTP 400, code 100, subcode 33)": {Kind: NotFound, HTTPStatus: 400, Code: 100, Subcode: 33, Message: "Object"},
		"phone number 1001: Meta refuses further calls for now (HTTP 400, code 80008)":                              {Kind: RateLimited, HTTPStatus: 400, Code: 80008},
		"phone number 1001: the calls that Meta allows to the account are used up for now":                          {Kind: RateLimited, Held: true},
		"phone number 1001: Meta's Graph API does not answer properly for now (HTTP 500, code 2)":                   {Kind: Temporary, HTTPStatus: 500, Code: 2, Message: "at 10:31:07"},
		"phone number 1001: Meta refuses the call (HTTP 403, code 368): The account is restricted: since some day":  {Kind: Permanent, HTTPStatus: 403, Code: 368, Message: "The account is restricted", Details: "since some day"},
		"phone number 1001: the answer has another shape than documented":                                           {Kind: Permanent, HTTPStatus: 200, cause: errShape},
	} {
		if e.What = what; e.Error() != want {
			t.Errorf("got  %s\nwant %s", e.Error(), want)
		}
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add([]byte(`{"error":{"message":"Malformed access token `+secret+`","type":"OAuthException","code":190,"error_subcode":463,"is_transient":false,"fbtrace_id":"A"}}`), 400)
	f.Add([]byte(`{"error":{"message":"x","error_data":{"details":"`+secret[:30]+`"},"code":"1e3"}}`), 500)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		e, transient := parseError(body, secret)
		if e == nil {
			return
		}
		e.HTTPStatus = status
		e.classify(transient)
		if e.Kind.String() == "" || e.Code < 0 {
			t.Fatalf("%+v", e)
		}
		for _, shown := range []string{e.Error(), e.Message, e.Details} {
			for i := range len(secret) - shortestSecret {
				if strings.Contains(shown, secret[i:i+shortestSecret]) {
					t.Fatalf("shows %s", shown)
				}
			}
			if len(shown) > 4096 {
				t.Fatalf("%d bytes", len(shown))
			}
		}
	})
}
