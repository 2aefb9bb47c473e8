package ingest

import (
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta"
)

// record turns updates into ledger records. They alias nothing of the updates.
func record(u *meta.Updates, hasher Hasher, batch *ledger.Batch) {
	for i := range u.Deliveries {
		d := &u.Deliveries[i]
		user, alias := keys(hasher, &d.User)
		message := d.MessageID
		if d.Group {
			// One message to a group is one message to each participant.
			message += "/" + d.User.Phone
			if d.User.Phone == "" {
				message += d.User.Scoped
			}
		}
		batch.Entries = append(batch.Entries, ledger.Entry{
			Number: d.Number, Kind: ledger.Delivered, User: user, Alias: alias, Message: hasher.Message(message), At: d.At,
		})
	}
	for i := range u.Received {
		m := &u.Received[i]
		user, alias := keys(hasher, &m.User)
		batch.Entries = append(batch.Entries, ledger.Entry{Number: m.Number, Kind: ledger.Received, User: user, Alias: alias, At: m.At})
	}
	for _, r := range u.Reports {
		batch.Reports = append(batch.Reports, ledger.Report{Number: r.Number, Kind: reportKinds[r.Kind], At: r.At, Value: r.Value, Reason: r.Event})
	}
}

var reportKinds = [...]ledger.ReportKind{
	meta.Quality:    ledger.QualityReport,
	meta.Limit:      ledger.LimitReport,
	meta.Connection: ledger.ConnectionReport,
}

// keys are the user's key and, where the update names the user twice, the other one.
func keys(hasher Hasher, user *meta.Identity) (key, alias ledger.UserKey) {
	switch {
	case user.Phone == "":
		return hasher.User(user.Scoped), 0
	case user.Scoped == "":
		return hasher.User(user.Phone), 0
	default:
		return hasher.User(user.Phone), hasher.User(user.Scoped)
	}
}

// unclaimed counts the records whose number known does not know.
func unclaimed(batch *ledger.Batch, known func(string) bool) int {
	if known == nil {
		return 0
	}
	// Most batches are about one number, or about one after the other.
	asked, last, n := "", false, 0
	claimed := func(number string) bool {
		if number != asked {
			asked, last = number, known(number)
		}
		return last
	}
	for i := range batch.Entries {
		if !claimed(batch.Entries[i].Number) {
			n++
		}
	}
	for i := range batch.Reports {
		if !claimed(batch.Reports[i].Number) {
			n++
		}
	}
	return n
}
