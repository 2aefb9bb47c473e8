// What `make bench` runs. A module of its own, so that the Redis client stays out of the operator's.
module numberfleet.dev/numberfleet/hack/bench

go 1.26.0

replace numberfleet.dev/numberfleet => ../..
