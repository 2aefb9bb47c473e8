package guard

import (
	"net/http"
	"strconv"

	"sigs.k8s.io/json"

	"numberfleet.dev/numberfleet/internal/meta"
)

// answer is what Meta says about a message.
type answer struct {
	message string // the id that it got; empty if it got none
	code    int64  // of Meta's error; zero where there is none
	nothing bool   // was sent, nor will be
}

// readAnswer reads an answer of Meta's. An answer of something in between, such as a proxy, says nothing.
func readAnswer(status int, content []byte) (a answer) {
	var is struct {
		Messages []struct {
			ID string `json:"id"`
		} `json:"messages"`
		Error *struct {
			Code scalar `json:"code"`
		} `json:"error"`
	}
	if json.UnmarshalCaseSensitivePreserveInts(content, &is) != nil {
		return answer{}
	}
	switch {
	case is.Error != nil:
		a.code, _ = strconv.ParseInt(string(is.Error.Code), 10, 64)
		a.nothing = nothingSent(status, a.code)
	case status == http.StatusOK && len(is.Messages) > 0:
		a.message = is.Messages[0].ID
	}
	return a
}

// refusesCaller says whether an error of Meta's is about who calls: the access token is not good (any more), or lacks a permission.
func refusesCaller(code int64) bool {
	switch code {
	case 10, 102, 104, 190, 131005:
		return true
	default:
		return code >= 200 && code < 300
	}
}

// nothingSent says whether an error of Meta's means that nothing was sent. Where something failed at Meta itself, the message may be on
// its way all the same; so it may where Meta does not document the code of a failure of its own.
func nothingSent(status int, code int64) bool {
	switch meta.ClassOf(code) {
	case meta.FailedAtMeta:
		return false
	case meta.FailedOther:
		return code > 0 && status >= http.StatusBadRequest && status < http.StatusInternalServerError
	default:
		return true
	}
}
