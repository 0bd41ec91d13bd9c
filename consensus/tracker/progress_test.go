package tracker

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestProbeSendsOneMessageAtATime(t *testing.T) {
	var p Progress
	p.Reset(0, 11)
	if p.Blocked(1, 1) {
		t.Fatal("a fresh probe is blocked")
	}
	p.Sent(5, 100)
	if !p.Blocked(8, 1000) || p.Next != 11 {
		t.Fatalf("after a probe: %+v", p)
	}
	if p.Rejected(9, 3) {
		t.Fatal("an answer to another probe counts")
	}
	if !p.Rejected(10, 3) || p.Next != 4 || p.Blocked(8, 1000) {
		t.Fatalf("after the refusal: %+v", p)
	}
}

// A follower whose disk lost what it had acknowledged refuses every probe: it is
// asked again when it shows a sign of life, not at the speed of the network.
func TestProbeThatCannotGetLowerWaits(t *testing.T) {
	var p Progress
	p.Reset(7, 8)
	p.Sent(1, 10)
	if p.Rejected(7, 5) || !p.Blocked(8, 1000) || p.Next != 8 {
		t.Fatalf("asks the same again at once: %+v", p)
	}
}

func TestReplicateFillsItsWindow(t *testing.T) {
	var p Progress
	p.Reset(0, 11)
	p.Acknowledged(10)
	p.BecomeReplicate()
	p.Sent(2, 60)
	p.Sent(2, 60)
	if p.Next != 15 || !p.Blocked(8, 100) || !p.Blocked(2, 1000) || p.Blocked(8, 1000) {
		t.Fatalf("after two messages: %+v", p)
	}
	if !p.Acknowledged(12) || p.Inflights.Count() != 1 || p.Blocked(2, 100) {
		t.Fatalf("after one answer: %+v", p)
	}
	if p.Acknowledged(11) {
		t.Fatal("an answer that comes late is no news")
	}
	if p.Rejected(12, 5) || p.Rejected(15, 5) {
		t.Fatal("a refusal of what is acknowledged, or was never sent, counts")
	}
	if !p.Rejected(14, 5) || p.State != Probe || p.Next != 13 {
		t.Fatalf("after a refusal: %+v", p)
	}
}

func TestSnapshot(t *testing.T) {
	var p Progress
	p.Reset(3, 4)
	p.BecomeSnapshot(20)
	if !p.Blocked(8, 1000) || p.Rejected(19, 5) {
		t.Fatalf("a snapshot is on its way: %+v", p)
	}
	failed := p
	failed.SnapshotFailed()
	if failed.Next != 4 || !failed.Blocked(8, 1000) {
		t.Fatalf("after failure: %+v", failed)
	}
	p.BecomeProbe()
	if p.Next != 21 || p.State != Probe {
		t.Fatalf("after success: %+v", p)
	}
}

// Whatever happens, Match < Next, and neither Match nor the window's account
// goes wrong.
func TestProgressKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Progress
		p.Reset(0, rapid.Uint64Range(1, 20).Draw(t, "next"))
		type message struct{ last, bytes uint64 }
		var out []message
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			match := p.Match
			index := rapid.Uint64Range(0, 40).Draw(t, "index")
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0:
				if !p.Blocked(4, 100) {
					count, bytes := rapid.IntRange(0, 5).Draw(t, "count"), rapid.Uint64Range(1, 50).Draw(t, "bytes")
					p.Sent(count, bytes)
					if p.State == Replicate && count > 0 {
						out = append(out, message{p.Next - 1, bytes})
					}
				}
			case 1:
				p.Acknowledged(index)
			case 2:
				p.Rejected(index, rapid.Uint64Range(0, 40).Draw(t, "hint"))
			case 3:
				p.BecomeProbe()
			case 4:
				p.BecomeReplicate()
			case 5:
				p.BecomeSnapshot(index)
			case 6:
				p.SnapshotFailed()
			}
			if p.State != Replicate || p.Inflights.Count() == 0 {
				out = nil
			}
			for len(out) > 0 && out[0].last <= p.Match {
				out = out[1:]
			}
			bytes := uint64(0)
			for _, m := range out {
				bytes += m.bytes
			}
			if p.Match >= p.Next || p.Match < match {
				t.Fatalf("match %d, next %d, match was %d", p.Match, p.Next, match)
			}
			if p.Inflights.Count() > 4 || p.State == Replicate && p.Inflights.Count() == len(out) && p.Inflights.Bytes() != bytes {
				t.Fatalf("window of %d messages and %d bytes, sent %v", p.Inflights.Count(), p.Inflights.Bytes(), out)
			}
		}
	})
}

func TestInflightsAgainstAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Inflights
		var list []inflight
		last := uint64(0)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "add") {
				last += rapid.Uint64Range(1, 5).Draw(t, "entries")
				m := inflight{last, rapid.Uint64Range(0, 100).Draw(t, "bytes")}
				w.Add(m.last, m.bytes)
				list = append(list, m)
			} else {
				index := rapid.Uint64Range(0, last+1).Draw(t, "index")
				w.Free(index)
				for len(list) > 0 && list[0].last <= index {
					list = list[1:]
				}
			}
			bytes := uint64(0)
			for _, m := range list {
				bytes += m.bytes
			}
			if w.Count() != len(list) || w.Bytes() != bytes {
				t.Fatalf("%d messages of %d bytes, want %d of %d", w.Count(), w.Bytes(), len(list), bytes)
			}
		}
	})
}

func TestNames(t *testing.T) {
	for state, want := range map[State]string{Probe: "probe", Replicate: "replicate", Snapshot: "snapshot"} {
		if state.String() != want {
			t.Errorf("%v, want %s", state, want)
		}
	}
}

func TestWindowIsToldAndCopied(t *testing.T) {
	var w Inflights
	for i := range uint64(12) {
		w.Add(i, 1)
	}
	w.Free(4)
	c := w.Clone()
	c.Free(8)
	var told []uint64
	for last := range w.All() {
		if told = append(told, last); last == 9 {
			break
		}
	}
	if want := []uint64{5, 6, 7, 8, 9}; !slices.Equal(told, want) || w.Count() != 7 || c.Count() != 3 {
		t.Errorf("told %v, want %v; %d left, %d in the copy", told, want, w.Count(), c.Count())
	}
	if w.Reset(); w.Count() != 0 || w.Bytes() != 0 {
		t.Errorf("%d messages of %d bytes after a reset", w.Count(), w.Bytes())
	}
}
