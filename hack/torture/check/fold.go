package check

// Fold is what a history shows of what happened up to an instant. A limit that is reached again and again is shown when it is reached
// first, and once there has been room for an hour. An event at the end of that hour comes before it.
func Fold(happened []Transition, now int64) []Transition {
	var told []Transition
	reached, room := false, int64(never)
	end := func(before int64) {
		if reached && room != never && room+hour < before {
			told = append(told, Transition{At: room + hour, Reason: "RestrictionLifted"})
			reached, room = false, never
		}
	}
	for _, t := range happened {
		end(t.At)
		switch t.Reason {
		case "Restricted":
			if !reached {
				told = append(told, t)
			}
			reached, room = true, never
		case "RestrictionLifted":
			room = t.At
		default:
			told = append(told, t)
		}
	}
	end(now + 1)
	return told
}
