package counts

// aliasRings are the sets of keys that are one user. The keys of a set form a ring: each leads to the next one. A key that is in
// no ring is alone.
type aliasRings struct {
	table userTable // whose slots are aliases
}

func newAliasRings() aliasRings {
	var r aliasRings
	r.table.clear(0)
	return r
}

// has says whether a key is in a ring.
func (r *aliasRings) has(k key) bool {
	_, found := r.table.shard(k).find(k.rank())
	return found
}

// next is the key after another: itself if it is alone.
func (r *aliasRings) next(k key) key {
	p := r.table.shard(k)
	if i, found := p.find(k.rank()); found {
		return p.slots[i].alias()
	}
	return k
}

// keys appends all keys of a ring, beginning with the one that is given.
func (r *aliasRings) keys(k key, to []key) []key {
	to = append(to, k)
	for next := r.next(k); next != k; next = r.next(next) {
		to = append(to, next)
	}
	return to
}

// least is the least key of a ring.
func (r *aliasRings) least(k key) key {
	least := k
	for next := r.next(k); next != k; next = r.next(next) {
		least = min(least, next)
	}
	return least
}

// link makes the rings of two keys one, or one key a ring of its own.
func (r *aliasRings) link(a, b key) {
	if a == b && !r.has(a) {
		r.set(a, a)
	}
	for k := a; ; {
		if k == b {
			return
		}
		if k = r.next(k); k == a {
			break
		}
	}
	// Two rings become one when a key of each is followed by the one after the other.
	afterA, afterB := r.next(a), r.next(b)
	r.set(a, afterB)
	r.set(b, afterA)
}

func (r *aliasRings) set(k, next key) {
	p := r.table.shard(k)
	is := aliasSlot(k.rank(), next)
	if i, found := p.find(k.rank()); found {
		p.touch()
		p.slots[i] = is
		return
	}
	r.table.insert(k, is)
}

// remove removes a key whose whole ring is removed.
func (r *aliasRings) remove(k key) {
	p := r.table.shard(k)
	if i, found := p.find(k.rank()); found {
		p.touch()
		p.remove(i)
	}
}
