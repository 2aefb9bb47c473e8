package plan

import (
	"math"
	"time"
)

// What a schedule may have at most, so that it ends.
const (
	MaxDays     = 366
	MaxMessages = 5_000_000
)

// Schedule says when messages are sent: to so many users on each day of a range, spread evenly over some hours of the day.
type Schedule struct {
	Start       time.Time // of day 1
	First, Last int       // days, from 1
	Users       int64     // on the first of these days
	Grow        float64   // percent a day, compounding
	Most        int64     // users a day; zero for no bound
	From, To    time.Duration
}

// users is how many users are to be messaged on a day.
func (s *Schedule) users(day int) int64 {
	if day < s.First || day > s.Last {
		return 0
	}
	users := math.Round(float64(s.Users) * math.Pow(1+s.Grow/100, float64(day-s.First)))
	if s.Most > 0 {
		users = min(users, float64(s.Most))
	}
	return int64(min(users, MaxMessages+1))
}

// startOf is the beginning of a day.
func (s *Schedule) startOf(day int) time.Time { return dayAfter(s.Start, day-1) }

func dayAfter(start time.Time, days int) time.Time {
	return start.Add(time.Duration(days) * 24 * time.Hour)
}

// Slots iterates over the instants at which a schedule sends one message each. A copy goes on by itself.
type Slots struct {
	Day  int // of the schedule
	At   time.Time
	Done bool // whether there are no more: Day and At mean nothing then

	schedule *Schedule
	slot, of int64 // of the day
}

// Slots begins with the first slot. The schedule must not change while the slots are in use.
func (s *Schedule) Slots() Slots {
	slots := Slots{Day: s.First - 1, schedule: s}
	slots.Next()
	return slots
}

// Next goes on to the next slot.
func (s *Slots) Next() {
	for s.slot++; s.slot >= s.of; {
		if s.Day++; s.Day > s.schedule.Last {
			s.Done = true
			return
		}
		s.slot, s.of = 0, s.schedule.users(s.Day)
	}
	hours := s.schedule.To - s.schedule.From
	into := time.Duration(hours.Seconds()*float64(s.slot)/float64(s.of)) * time.Second
	s.At = s.schedule.startOf(s.Day).Add(s.schedule.From + into)
}

// SkipTo goes on to the first slot that is not before an instant.
func (s *Slots) SkipTo(instant time.Time) {
	for !s.Done && s.At.Before(instant) {
		// The slot before the first is found by its share of the day's hours, less two for rounding.
		hours := s.schedule.To - s.schedule.From
		into := instant.Sub(s.schedule.startOf(s.Day).Add(s.schedule.From)).Seconds() / hours.Seconds()
		s.slot = max(s.slot, min(int64(into*float64(s.of))-2, s.of-1))
		s.Next()
	}
}
