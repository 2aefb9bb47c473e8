package counts

import "slices"

// userTable is what is known about users, by key, in parts: each has the users whose keys begin with the same bits. Without users it may
// have no part.
type userTable struct {
	shards []*shard // by the first depth bits of a key; a part of fewer is there several times
	depth  uint8
	dirty  bool // which parts there are is not as the last snapshot that was kept has it
}

// clear makes the table one of nobody, with one part.
func (t *userTable) clear(horizon int64) {
	*t = userTable{shards: []*shard{newShard(0, 0, horizon, nil)}, dirty: true}
}

// relieve splits a part whose arena has grown too large.
func (t *userTable) maybeSplit(p *shard) {
	if p.words > shardWords && p.shouldSplit() {
		t.split(p)
	}
}

// resolve is the key that stands for a user.
func (t *userTable) resolve(k key) key {
	user, _, _, _ := t.locate(k)
	return user
}

// locate is the key that stands for a user, the part it belongs to, and what find says of it there.
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

// insert adds the slot of a key that has none.
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

// split splits a part in two.
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
	// The indexes that begin with the part's prefix, one half each.
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

// all are the parts, each once.
func (t *userTable) all() []*shard {
	return slices.Compact(slices.Clone(t.shards))
}
