package gate

import (
	"fmt"
	"math/rand/v2"
)

// requests are of the API, ready to be sent, each about random users of one number.
type requests [][]byte

// Len is how many there are.
func (r requests) Len() int { return len(r) }

// Request is one of them.
func (r requests) Request(i int) []byte { return r[i] }

// newRequests makes requests for one reservation each, or for a batch of them, until they take up so much memory.
func newRequests(random *rand.Rand, batch, bytes int) (r requests) {
	var body []byte
	for size := 0; size < bytes; size += len(r[len(r)-1]) {
		of := len(r) % alone.numbers
		body = body[:0]
		if batch == 1 {
			body = appendReservation(body, random, of)
		} else {
			body = append(body, `{"reservations":[`...)
			for i := range batch {
				if i > 0 {
					body = append(body, ',')
				}
				body = appendReservation(body, random, of)
			}
			body = append(body, `]}`...)
		}
		r = append(r, post("/v1/reservations", body))
	}
	return r
}

func appendReservation(body []byte, random *rand.Rand, of int) []byte {
	return fmt.Appendf(body, `{"number":%q,"user":"+%s","category":"Marketing","ttl":%q}`, number(of), alone.userOf(of, random.IntN(alone.users)), ttl)
}

// newPoolRequests makes requests for one reservation each, until they take up so much memory: of pools, and of the numbers for the same users.
func newPoolRequests(random *rand.Rand, bytes int) (ofPools, ofNumbers requests) {
	for size := 0; size < bytes; size += len(ofPools[len(ofPools)-1]) {
		i := random.IntN(pools.numbers)
		user := pools.userOf(i, random.IntN(pools.users))
		ofPools = append(ofPools, post("/v1/reservations", fmt.Appendf(nil,
			`{"pool":%q,"namespace":%q,"user":"+%s","category":"Marketing","ttl":%q}`, pools.poolOf(i), namespace, user, ttl)))
		ofNumbers = append(ofNumbers, post("/v1/reservations", fmt.Appendf(nil,
			`{"number":%q,"namespace":%q,"user":"+%s","category":"Marketing","ttl":%q}`, number(i), namespace, user, ttl)))
	}
	return ofPools, ofNumbers
}

// newMessages makes messages to random users, as an SDK sends them, until they take up so much memory.
func newMessages(random *rand.Rand, bytes int) (r requests) {
	for size := 0; size < bytes; size += len(r[len(r)-1]) {
		of := len(r) % alone.numbers
		r = append(r, post("/v27.0/"+numberID(of)+"/messages", fmt.Appendf(nil,
			`{"messaging_product":"whatsapp","recipient_type":"individual","to":%q,"type":"template","template":{"name":"order_shipped",`+
				`"language":{"code":"en_US"},"components":[{"type":"body","parameters":[{"type":"text","text":"Ada"},{"type":"text","text":"Tuesday"}]}]}}`,
			alone.userOf(of, random.IntN(alone.users)))))
	}
	return r
}

func post(path string, body []byte) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, token, len(body), body)
}
