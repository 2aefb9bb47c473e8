package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	secret  = "the app secret of the benchmark"
	path    = "/webhooks/whatsapp"
	numbers = 10      // that the statuses are about, each with as many users as the others
	users   = 1000000 // of all numbers together
)

// shape is what a POST looks like.
type shape struct {
	batch  int  // statuses in it
	scoped bool // each names its user twice: by phone number and by business-scoped id, as Meta does since 2026
}

// posts are requests that are ready to be sent: signed, and the same but for users, message ids and times. They lie one
// after the other in memory.
type posts struct {
	shape
	bytes  []byte
	length int // of one, in bytes
	n      int

	signature, body int   // where these begin in a request
	number          int   // where the digit of the number is
	statuses        []int // where the fields below begin
	one             status
}

// status is where in a status its fields are.
type status struct{ id, time, user, scoped int }

// Fields that are filled in, as wide as they are.
const (
	idField     = "IIIIIIIIIIIIIIII" // hexadecimal
	timeField   = "1790000000"
	userField   = "UUUUUUU" // digits
	scopedField = "SSSSSSS" // digits
)

// newPosts makes room for n requests.
func newPosts(of shape, n int) *posts {
	one := `{"id":"wamid.HBgLMTU1NTc3NzAwMDAVAgARGBI` + idField + `AA==","status":"delivered","timestamp":"` + timeField + `",` +
		`"recipient_id":"1555` + userField + `",`
	if of.scoped {
		one += `"recipient_user_id":"US.9834567890` + scopedField + `",`
	}
	one += `"conversation":{"id":"2a8d2c5f3f2be1c5c3d9b0a1e7f60412","origin":{"type":"marketing"}},` +
		`"pricing":{"billable":true,"pricing_model":"PMP","type":"regular","category":"marketing"}}`
	body := []byte(`{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp",` +
		`"metadata":{"display_phone_number":"15550100000","phone_number_id":"106540352242922"},"statuses":[`)
	number := bytes.Index(body, []byte("15550100000")) + len("15550100000") - 1
	p := &posts{shape: of, n: n}
	for i := range of.batch {
		if i > 0 {
			body = append(body, ',')
		}
		p.statuses = append(p.statuses, len(body))
		body = append(body, one...)
	}
	body = append(body, `]},"field":"messages"}]}]}`...)
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: facebookexternalua\r\nAccept: */*\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nX-Hub-Signature-256: sha256=", path, len(body))
	p.signature = len(head)
	head = append(head, bytes.Repeat([]byte{'0'}, 2*sha256.Size)...)
	head = append(head, "\r\n\r\n"...)
	p.body, p.number = len(head), len(head)+number
	request := slices.Concat(head, body)
	for i := range p.statuses {
		p.statuses[i] += p.body
	}
	p.one = status{
		id: strings.Index(one, idField), time: strings.Index(one, timeField), user: strings.Index(one, userField), scoped: strings.Index(one, scopedField),
	}
	p.length = len(request)
	p.bytes = bytes.Repeat(request, n)
	return p
}

// Len is how many there are.
func (p *posts) Len() int { return p.n }

// Request is one of them.
func (p *posts) Request(i int) []byte { return p.bytes[i*p.length : (i+1)*p.length] }

// sequence is the time and the ids of what is posted: all posts are about messages that are new, each second later than the one
// before it, so that every store has to write every status.
type sequence struct {
	start  int64  // Unix seconds
	nth    uint64 // status
	random *rand.Rand
}

// perSecond is how many statuses share a second: so few that next to no user has two in one.
const perSecond = 5000

// atRandom is where fill begins if it is to choose users at random.
const atRandom = -1

// fill makes all of the requests new ones, and signs them. They are about one user after the other, from the one at from on, or
// about random users.
func (p *posts) fill(l *sequence, from int) {
	var work sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		random := rand.New(rand.NewPCG(l.random.Uint64(), l.random.Uint64()))
		first, end := w*p.n/workers, (w+1)*p.n/workers
		work.Go(func() {
			mac := hmac.New(sha256.New, []byte(secret))
			var sum [sha256.Size]byte
			for i := first; i < end; i++ {
				request := p.Request(i)
				p.write(request, l, i, func(j int) int {
					if from == atRandom {
						return random.IntN(users / numbers)
					}
					return ((from/p.batch+i)/numbers*p.batch + j) % (users / numbers)
				})
				mac.Reset()
				_, _ = mac.Write(request[p.body:]) // never fails
				hex.Encode(request[p.signature:], mac.Sum(sum[:0]))
			}
		})
	}
	work.Wait()
	l.nth += uint64(p.n * p.batch)
}

// write writes the fields of the ith request, whose jth status is about a user among those of its number.
func (p *posts) write(request []byte, l *sequence, i int, user func(j int) int) {
	number := i % numbers
	request[p.number] = '0' + byte(number)
	for j, at := range p.statuses {
		nth := l.nth + uint64(i*p.batch+j)
		user := number*(users/numbers) + user(j)
		s := request[at:]
		hexadecimal(s[p.one.id:p.one.id+len(idField)], nth*0x9e3779b97f4a7c15)
		decimal(s[p.one.time:p.one.time+len(timeField)], uint64(l.start)+nth/perSecond)
		decimal(s[p.one.user:p.one.user+len(userField)], uint64(user))
		if p.scoped {
			decimal(s[p.one.scoped:p.one.scoped+len(scopedField)], uint64(user))
		}
	}
}

func decimal(to []byte, v uint64) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = '0' + byte(v%10)
		v /= 10
	}
}

func hexadecimal(to []byte, v uint64) {
	for i := range to {
		to[i] = "0123456789ABCDEF"[v>>(4*(len(to)-1-i))&15]
	}
}

// phoneNumbers are those that the posts are about, in E.164.
func phoneNumbers() []string {
	all := make([]string, numbers)
	for i := range all {
		all[i] = "+1555010000" + strconv.Itoa(i)
	}
	return all
}
