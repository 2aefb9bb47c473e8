// A file system that forgets what was not synced. A module of its own, so that its dependencies stay out of the operator's.
module numberfleet.dev/numberfleet/hack/lazyfs

go 1.26.0

require github.com/hanwen/go-fuse/v2 v2.12.1

require golang.org/x/sys v0.28.0 // indirect
