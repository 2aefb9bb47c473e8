package counts

import (
	"encoding/binary"
	"errors"
	"slices"
)

// userTable is a table of slots by key, in shards that double as the table grows, as in extendible hashing. The table of a number
// without users has no shard.
type userTable struct {
	shards  []*shard // by the first depth bits of a key; a shard of less depth is there several times
	depth   uint8
	dirty   bool // which shards there are has changed since the last snapshot that was kept
	dropped bool // all shards that it had were replaced since then
}

// clear makes the table empty, with one shard.
func (t *userTable) clear(horizon int64) {
	*t = userTable{shards: []*shard{newShard(0, 0, horizon, nil)}, dirty: true, dropped: t.dropped || t.shards != nil}
}

// maybeSplit splits a shard that has grown too large.
func (t *userTable) maybeSplit(p *shard) {
	if p.shouldSplit() {
		t.split(p)
	}
}

// resolve returns the key that stands for a user: it follows aliases.
func (t *userTable) resolve(k key) key {
	if t.shards == nil {
		return k
	}
	user, _, _, _ := t.locate(k)
	return user
}

// locate is resolve, and returns the shard of the key and what find says there.
func (t *userTable) locate(k key) (user key, p *shard, i int, found bool) {
	for {
		p = t.shard(k)
		i, found = p.find(k.rank())
		if !found || !p.slots[i].isAlias() || p.slots[i].alias() >= k {
			return k, p, i, found
		}
		k = p.slots[i].alias()
	}
}

func (t *userTable) shard(k key) *shard { return t.shards[k>>(keyBits-t.depth)] }

// insert inserts the slot of a key that has none.
func (t *userTable) insert(k key, is slot) {
	for {
		p := t.shard(k)
		if p.shouldSplit() {
			t.split(p)
			continue
		}
		p.touch()
		if !p.full() {
			if i, _ := p.find(k.rank()); p.insert(i, is) {
				return
			}
		}
		p.grow()
	}
}

// split splits a shard in two.
func (t *userTable) split(p *shard) {
	p.touch()
	low, high := p.split()
	if p.depth == t.depth {
		doubled := make([]*shard, 2*len(t.shards))
		for i := range doubled {
			doubled[i] = t.shards[i/2]
		}
		t.shards = doubled
		t.depth++
	}
	// The indexes that begin with the shard's prefix, one half each.
	n := 1 << (t.depth - p.depth)
	first := int(p.prefix) * n
	for i := range n {
		if i < n/2 {
			t.shards[first+i] = low
		} else {
			t.shards[first+i] = high
		}
	}
	t.dirty = true
}

// all returns the shards, each once.
func (t *userTable) all() []*shard {
	return slices.Compact(slices.Clone(t.shards))
}

// appendShards appends the list of shards to a row.
func (t *userTable) appendShards(row []byte) []byte {
	all := t.all()
	row = binary.AppendUvarint(row, uint64(len(all)))
	for _, p := range all {
		row = binary.AppendUvarint(append(row, p.depth), uint64(p.prefix))
	}
	return row
}

// decodeShards reads the list of shards. Together they must cover all keys: each begins where the one before it ends.
func (t *userTable) decodeShards(r *reader, generations bool) {
	var shards []*shard
	var end key
	for range r.Count(2) {
		p := &shard{depth: r.Byte(), prefix: key(r.Uvarint())}
		if generations {
			r.Uvarint() // when the shard was saved
		}
		if r.Err() != nil || p.depth > mostDepth || p.prefix>>p.depth != 0 || p.start() != end {
			r.Fail(errors.New("its parts do not share out the keys"))
			return
		}
		end = p.end()
		t.depth = max(t.depth, p.depth)
		shards = append(shards, p)
	}
	if len(shards) > 0 && end != 1<<keyBits {
		r.Fail(errors.New("its parts do not share out the keys"))
		return
	}
	for _, p := range shards {
		for range 1 << (t.depth - p.depth) {
			t.shards = append(t.shards, p)
		}
	}
}
