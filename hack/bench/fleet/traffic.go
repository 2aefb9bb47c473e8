package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
)

// delivery is one message that reached a user.
type delivery struct {
	number, user int
	at           time.Time
}

type status struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	Timestamp string `json:"timestamp"`
	Recipient string `json:"recipient_id"`
}

// post sends deliveries as Meta would: one entry of a webhook for each number.
func (f *fleet) post(ctx context.Context, o *operator, deliveries []delivery) error {
	statuses := map[int][]status{}
	for _, d := range deliveries {
		f.messages++
		statuses[d.number] = append(statuses[d.number], status{
			ID: "wamid." + strconv.Itoa(f.messages), Status: "delivered", Timestamp: strconv.FormatInt(d.at.Unix(), 10),
			Recipient: fmt.Sprintf("1556%08d", d.user),
		})
	}
	changes := make([]any, 0, len(statuses))
	for number, of := range statuses {
		changes = append(changes, map[string]any{"field": "messages", "value": map[string]any{
			"messaging_product": "whatsapp", "metadata": map[string]any{"display_phone_number": digits(number)[1:]}, "statuses": of,
		}})
	}
	body, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{"id": "102290129340398", "changes": changes}}})
	if err != nil {
		return err
	}
	status, answer, err := o.PostWebhook(ctx, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("a webhook was answered with %d: %s", status, answer)
	}
	return err
}

// setDeadlines uses up the limit of ten of some numbers with users who leave the window one number after the other, from the
// first deadline on for as long as the traffic lasts.
func (f *fleet) setDeadlines(ctx context.Context, o *operator, first time.Time) error {
	const window = 24 * time.Hour
	var batch []delivery
	for i := range f.out.deadline {
		at := first.Add(f.plan.traffic * time.Duration(i) / time.Duration(f.out.deadline)).Add(-window)
		for user := range limit {
			batch = append(batch, delivery{number: i, user: user, at: at})
		}
		if len(batch) == 50*limit || i == f.out.deadline-1 {
			if err := f.post(ctx, o, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}

// send delivers to random users of the numbers without deadlines, every tenth of a second, until the end.
func (f *fleet) send(ctx context.Context, o *operator, end time.Time) error {
	const step = 100 * time.Millisecond
	for next := time.Now(); next.Before(end); next = next.Add(step) {
		if err := rig.Sleep(ctx, time.Until(next)); err != nil {
			return err
		}
		batch := make([]delivery, max(1, int(float64(f.plan.perSecond)*step.Seconds())))
		for i := range batch {
			batch[i] = delivery{number: f.out.deadline + f.random.IntN(f.out.size-f.out.deadline), user: f.random.IntN(100_000_000), at: time.Now()}
		}
		if err := f.post(ctx, o, batch); err != nil {
			return err
		}
	}
	return nil
}
