package wal

import (
	"errors"
	"fmt"
)

// admitted is what a record changed of the writer's view, to take it back.
type admitted struct {
	ml          *memberLog
	exists      bool
	base, last  uint64
	cuts, metas uint32
}

// admit checks that a batch continues the logs of its members, and keeps the
// writer's view of them. A batch that does not is refused as a whole.
func (l *Log) admit(b *Batch) error {
	l.undo = l.undo[:0]
	for i := range b.records {
		q := &b.records[i]
		ml := q.ml
		l.undo = append(l.undo, admitted{ml, ml.nextExists, ml.nextBase, ml.nextLast, ml.nextCuts, ml.nextMetas})
		if err := l.admitRecord(b, q, ml); err != nil {
			for j := len(l.undo) - 1; j >= 0; j-- {
				u := &l.undo[j]
				u.ml.nextExists, u.ml.nextBase, u.ml.nextLast = u.exists, u.base, u.last
				u.ml.nextCuts, u.ml.nextMetas = u.cuts, u.metas
			}
			return fmt.Errorf("%w: group %016x member %d: %w", ErrInvalid, ml.member.Group, ml.member.ID, err)
		}
	}
	return nil
}

var errUnknownMember = errors.New("the log does not hold this member; Reset begins one")

func (l *Log) admitRecord(b *Batch, q *queued, ml *memberLog) error {
	switch q.kind {
	case kindAppend:
		if q.count > 0 {
			switch {
			case q.first > ml.nextLast+1:
				return fmt.Errorf("entry %d leaves a gap behind entry %d", q.first, ml.nextLast)
			case q.first <= ml.nextBase:
				return fmt.Errorf("entry %d is behind the base %d", q.first, ml.nextBase)
			case q.first <= ml.nextLast:
				ml.nextCuts++
				l.shrunk = true
			}
			ml.nextLast = q.first + uint64(q.count) - 1
		}
		if q.hasState {
			ml.nextMetas++
		}
		ml.nextExists = true
	case kindReset:
		ml.nextExists, ml.nextBase, ml.nextLast = true, q.base, q.base
		ml.nextCuts++
		ml.nextMetas++
		l.shrunk = true
	case kindCompact:
		if !ml.nextExists {
			return errUnknownMember
		}
		if q.base > ml.nextBase {
			ml.nextBase, ml.nextLast = q.base, max(ml.nextLast, q.base)
			ml.nextCuts++
			ml.nextMetas++
			l.shrunk = true
		}
	case kindDelete:
		ml.nextExists, ml.nextBase, ml.nextLast = false, 0, 0
		ml.nextCuts++
		ml.nextMetas++
		l.shrunk = true
	case kindMove:
		if q.version != ml.nextCuts || !ml.nextExists {
			b.void(q)
		}
	case kindMeta:
		if q.version != ml.nextMetas || !ml.nextExists {
			b.void(q)
		}
	}
	return nil
}
