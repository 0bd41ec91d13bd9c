package main

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// loggedMember is what a log holds of one member.
type loggedMember struct {
	Group     ident.GroupID  `json:"group_id"`
	Member    ident.MemberID `json:"member_id"`
	Term      uint64         `json:"term"`
	Vote      ident.MemberID `json:"vote"` // 0: none in this term
	Commit    uint64         `json:"commit"`
	Base      uint64         `json:"base"` // what a snapshot covers: the entries behind it are in the log
	BaseTerm  uint64         `json:"base_term"`
	LastIndex uint64         `json:"last_index"`
	Entries   int            `json:"entries"`
	Bytes     int64          `json:"bytes"` // of the entries' data
}

// memberFold brings one member up to date with the records of a log, oldest first.
type memberFold struct {
	loggedMember
	entries []entrySize // in the order of their index
}

type entrySize struct {
	index uint64
	bytes int
}

func byIndex(e entrySize, index uint64) int { return cmp.Compare(e.index, index) }

// foldLog reads a log to its end, or to where it is damaged, and returns the members
// that exist then, by group and member.
func foldLog(ctx context.Context, dir string, o wal.Options) ([]loggedMember, error) {
	folds := make(map[wal.Member]*memberFold)
	var failed error
	for r, err := range wal.Inspect(dir, o) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			failed = err
			break
		}
		switch r.Kind {
		case "void":
			continue // a copy that was out of date when its turn came
		case "delete":
			delete(folds, r.Member)
			continue
		}
		f := folds[r.Member]
		if f == nil {
			f = &memberFold{loggedMember: loggedMember{Group: ident.GroupID(r.Member.Group), Member: ident.MemberID(r.Member.ID)}}
			folds[r.Member] = f
		}
		f.take(&r)
	}
	members := make([]loggedMember, 0, len(folds))
	for f := range maps.Values(folds) {
		for _, e := range f.entries {
			f.Bytes += int64(e.bytes)
		}
		f.Entries = len(f.entries)
		members = append(members, f.loggedMember)
	}
	slices.SortFunc(members, func(a, b loggedMember) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Member, b.Member))
	})
	return members, failed
}

func (f *memberFold) take(r *wal.Record) {
	if r.HasState {
		f.Term, f.Vote, f.Commit = r.State.Term, ident.MemberID(r.State.Vote), r.State.Commit
	}
	switch r.Kind {
	case "append":
		if len(r.Entries) == 0 {
			return
		}
		// It replaces what was there from its first entry on.
		cut, _ := slices.BinarySearchFunc(f.entries, r.Entries[0].Index, byIndex)
		f.entries = append(f.entries[:cut], sizes(r.Entries)...)
		f.LastIndex = r.Entries[len(r.Entries)-1].Index
	case "reset":
		f.entries = nil
		f.Base, f.BaseTerm, f.LastIndex = r.Base, r.BaseTerm, r.Base
	case "compact", "meta":
		if r.Base > f.Base {
			cut, _ := slices.BinarySearchFunc(f.entries, r.Base+1, byIndex)
			f.entries = slices.Clone(f.entries[cut:])
			f.Base, f.BaseTerm, f.LastIndex = r.Base, r.BaseTerm, max(f.LastIndex, r.Base)
		}
	case "move":
		// Copies of entries whose first writing may lie in a segment that is gone.
		for _, e := range sizes(r.Entries) {
			if at, found := slices.BinarySearchFunc(f.entries, e.index, byIndex); !found {
				f.entries = slices.Insert(f.entries, at, e)
			}
			f.LastIndex = max(f.LastIndex, e.index)
		}
	}
}

func sizes(entries []wal.Entry) []entrySize {
	out := make([]entrySize, len(entries))
	for i, e := range entries {
		out[i] = entrySize{e.Index, len(e.Data)}
	}
	return out
}
