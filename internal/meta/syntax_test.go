package meta

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestOnlyJSONIsRead(t *testing.T) {
	for _, body := range []string{
		`{}`, ` [ ] `, `"é\u00e9\"\\\/\b\f\n\r\t"`, `[0,-0,1.5,-1.5e+10,1E-2]`, `{"a":{"b":[true,false,null]}}`, "\t1\r\n",
		`"12345678"`, `"1234567\""`, `"12345678\n12345678"`, strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	} {
		if values, err := checkSyntax([]byte(body)); err != nil || values < 1 {
			t.Errorf("%q: %v", body, err)
		}
	}
	for _, test := range []struct {
		body   string
		offset int
	}{
		{``, 0}, {`{`, 1}, {`{"a"}`, 4}, {`{"a":1,}`, 7}, {`[1,]`, 3}, {`[1 2]`, 3}, {`{a:1}`, 1}, {`NaN`, 0}, {`nul`, 0}, {`01`, 1}, {`1.`, 2},
		{`-`, 1}, {`+1`, 0}, {`.5`, 0}, {`1-2`, 1}, {`1e`, 2}, {`"`, 1}, {`"a`, 2}, {"\"a\n\"", 2}, {`"\x"`, 1}, {`"\u12g4"`, 1}, {`"\u12`, 1},
		{`{} {}`, 3}, {"\x00", 0}, {"\"1234567\x1f8\"", 8}, {strings.Repeat("[", maxDepth+1), maxDepth},
	} {
		_, err := checkSyntax([]byte(test.body))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != test.offset {
			t.Errorf("%q: got %v, want one at byte %d", test.body, err, test.offset)
		}
	}
}

// FuzzSyntax promises the same answer as encoding/json.
func FuzzSyntax(f *testing.F) {
	for _, seed := range []string{`{}`, `[1,-0.5e+3,"a\u00e9\n",true,false,null,{"b":[]}]`, `"12345678\"1234567"`, `"\ud800"`, `1-2`, `NaN`, "\"\x7f\xff\"", ` [ 1 , 2 ] `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		values, err := checkSyntax(body)
		if err == nil && values < 1 {
			t.Fatal("no value")
		}
		var many *TooManyError
		var syntax *SyntaxError
		if errors.As(err, &many) || errors.As(err, &syntax) && strings.Contains(syntax.Problem, "deep") {
			return
		}
		if valid := json.Valid(body); valid != (err == nil) {
			t.Fatalf("%q is valid: %v, but %v", body, valid, err)
		}
	})
}
