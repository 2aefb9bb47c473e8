package redis

import (
	"strconv"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Reserve is a script that decides as the gate does, with two sorted sets of a number: the users by when they were last messaged, and the
// users by when their reservation ends. It is the least that never exceeds a limit: without conversations, budgets, confirmations, or
// reservations that can be told apart.
//
// KEYS are UsedKey and HeldKey; ARGV are now, the begin of the window, the limit, when a reservation ends, and the users. The answer to each
// user is one of the constants below.
const Reserve = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])
local taken = redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2])
local limit = tonumber(ARGV[3])
local answers = {}
for i = 5, #ARGV do
  local answer = 0
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    answer = 1
  elseif redis.call('ZSCORE', KEYS[2], ARGV[i]) then
    answer = 2
  elseif taken < limit then
    redis.call('ZADD', KEYS[2], ARGV[4], ARGV[i])
    taken = taken + 1
    answer = 3
  end
  answers[i - 4] = answer
end
return answers`

// The answers of the script.
const (
	Refused = iota
	AlreadyCounted
	AlreadyHeld
	Reserved
)

// UsedKey and HeldKey are the keys of a number's sets. Braces keep them in one slot of a cluster.
func UsedKey(number string) string { return "used{" + number + "}" }

// HeldKey is that of the reservations.
func HeldKey(number string) string { return "held{" + number + "}" }

// Member is a user's name in a set.
func Member(user counts.UserKey) string { return strconv.FormatUint(uint64(user), 36) }
