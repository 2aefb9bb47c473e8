package check

// Told is what is told of what happened up to an instant. Of a limit that is reached again and again it is told when it is reached
// first, and once there has been room for an hour. An event at the end of the hour comes before it.
func Told(happened []Transition, now int64) []Transition {
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
