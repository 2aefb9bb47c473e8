package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/internal/identity"
)

// NodeAnalytics is what Meta tells of the messages of an account.
const NodeAnalytics Node = "analytics of the account"

// Deliveries is how many messages of a phone number of the account were delivered in [from, to), templates and others, as Meta's page
// "analytics" tells. The figures are approximate, and reach back a year. The number is in digits as Meta displays it; from and to are
// half hours. It takes one call.
func (c *Client) Deliveries(ctx context.Context, account, number string, from, to time.Time) (int64, error) {
	if !identity.IsMetaID(account) || !identity.IsMetaID(number) {
		return 0, &Error{Kind: Permanent, What: NodeAnalytics.of(account), cause: errID}
	}
	body, err := c.call(ctx, NodeAnalytics, account, "", url.Values{"fields": {fmt.Sprintf(
		"analytics.start(%d).end(%d).granularity(HALF_HOUR).phone_numbers([%q]).product_types([0,2])", from.Unix(), to.Unix(), number)}})
	if err != nil {
		return 0, err
	}
	delivered, err := readDeliveries(body, account, number, from, to)
	if err != nil {
		return 0, malformed(NodeAnalytics, account, err)
	}
	return delivered, nil
}

// readDeliveries sums up the half hours of an answer. What is about other numbers too is no answer.
func readDeliveries(body []byte, account, number string, from, to time.Time) (int64, error) {
	var answer struct {
		ID        json.RawMessage `json:"id"`
		Analytics *struct {
			PhoneNumbers []json.RawMessage `json:"phone_numbers"`
			DataPoints   []struct {
				Start, End, Delivered json.Number
			} `json:"data_points"`
		} `json:"analytics"`
	}
	// The decoder's errors may quote the body.
	if json.Unmarshal(body, &answer) != nil || answer.Analytics == nil {
		return 0, errShape
	}
	if id, ok := scalar(answer.ID); ok && id != account {
		return 0, errors.New("the answer is about something else")
	}
	for _, raw := range answer.Analytics.PhoneNumbers {
		if of, ok := scalar(raw); !ok || strings.TrimPrefix(of, "+") != number {
			return 0, errors.New("the answer is about another phone number")
		}
	}
	sum := int64(0)
	for _, point := range answer.Analytics.DataPoints {
		start, startErr := seconds(point.Start)
		end, endErr := seconds(point.End)
		delivered, err := strconv.ParseInt(point.Delivered.String(), 10, 64)
		if errors.Join(startErr, endErr, err) != nil || delivered < 0 || delivered > mostDelivered {
			return 0, errShape
		}
		if start >= from.Unix() && end <= to.Unix() {
			sum += delivered
		}
	}
	return sum, nil
}

// mostDelivered is far more than a number can send in half an hour.
const mostDelivered = 1 << 40

func seconds(n json.Number) (int64, error) { return strconv.ParseInt(n.String(), 10, 64) }
