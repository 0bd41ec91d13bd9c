package group

import (
	"testing"
	"time"
)

func TestLaterOptionsCount(t *testing.T) {
	id := CommandID{1, 2}
	for _, c := range []struct {
		opts []CallOption
		want CallOptions
		text string
	}{
		{nil, CallOptions{}, "linearizable"},
		{[]CallOption{nil, Local()}, CallOptions{Read: ReadLocal}, "local"},
		{[]CallOption{Local(), Stale(time.Second)}, CallOptions{Read: ReadStale, MaxStale: time.Second}, "stale"},
		{[]CallOption{Stale(time.Second), AnyMember()}, CallOptions{Read: ReadAnyMember}, "any-member"},
		{[]CallOption{Stale(0)}, CallOptions{Read: ReadAnyMember}, "any-member"},
		{[]CallOption{WithCommandID(id), Local()}, CallOptions{Read: ReadLocal, CommandID: id}, "local"},
	} {
		if got := ResolveOptions(c.opts); got != c.want || got.Read.String() != c.text {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
}
