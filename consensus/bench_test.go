package consensus

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"
)

// trio is three members in memory with disks that are done at once and a
// network without delay.
type trio struct {
	cores [3]*Core
	out   [3]Output
}

func newTrio(tb testing.TB) *trio {
	t := &trio{}
	for i := range t.cores {
		core, err := New(Config{ID: MemberID(i + 1), Rand: func(int) int { return 0 }, CacheBytes: 1}, nil,
			Start{State: HardState{Term: 1, Commit: 1}, Snapshot: SnapshotMeta{Index: 1, Term: 1, Config: voters(1, 2, 3), ConfigIndex: 1}})
		if err != nil {
			tb.Fatal(err)
		}
		t.cores[i] = core
	}
	t.cores[0].Campaign()
	t.run()
	if t.cores[0].Role() != Leader {
		tb.Fatal("no leader")
	}
	return t
}

func (t *trio) run() {
	for busy := true; busy; {
		busy = false
		for i, core := range t.cores {
			if !core.HasOutput() {
				continue
			}
			busy = true
			o := &t.out[i]
			core.Output(o)
			for _, m := range o.Messages {
				t.cores[m.To-1].Step(m)
			}
			if o.Write.Ticket != 0 {
				core.Persisted(o.Write.Ticket)
			}
			if n := len(o.Committed); n > 0 {
				core.Applied(o.Committed[n-1].Index)
			}
		}
	}
}

// BenchmarkCommit proposes batches and brings each to commit on the leader
// through three members in memory. An operation is one command.
func BenchmarkCommit(b *testing.B) {
	for _, batch := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			t := newTrio(b)
			data := make([][]byte, batch)
			for i := range data {
				data[i] = make([]byte, 16)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += batch {
				last, _, err := t.cores[0].Propose(data...)
				if err != nil {
					b.Fatal(err)
				}
				t.run()
				if t.cores[0].Commit() < last {
					b.Fatal("not committed")
				}
				if n%4096 < batch {
					for _, core := range t.cores {
						config, index := core.ConfigurationAt(core.AppliedIndex())
						term, _ := core.log.term(core.AppliedIndex())
						core.Compact(SnapshotMeta{Index: core.AppliedIndex(), Term: term, Config: *config, ConfigIndex: index})
					}
				}
			}
		})
	}
}

// BenchmarkRead brings a batch of linearizable reads to their answers.
func BenchmarkRead(b *testing.B) {
	const batch = 16
	t := newTrio(b)
	b.ReportAllocs()
	for n := 0; n < b.N; n += batch {
		for i := range uint64(batch) {
			if err := t.cores[0].Read(i); err != nil {
				b.Fatal(err)
			}
		}
		t.run()
	}
}

func BenchmarkMessageCodec(b *testing.B) {
	for _, entries := range []int{0, 1, 64} {
		m := Message{Kind: MsgAppend, From: 1, To: 2, Term: 7, Index: 123456, LogTerm: 7, Commit: 123450, Context: 99}
		for i := range entries {
			m.Entries = append(m.Entries, Entry{Index: m.Index + 1 + uint64(i), Term: 7, Data: make([]byte, 16)})
		}
		encoded := AppendMessage(nil, &m)
		b.Run(fmt.Sprintf("encode/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			for b.Loop() {
				encoded = AppendMessage(encoded[:0], &m)
			}
		})
		b.Run(fmt.Sprintf("decode/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			var into Message
			for b.Loop() {
				if err := into.Decode(encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTick(b *testing.B) {
	t := newTrio(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, core := range t.cores {
			core.Tick(0)
		}
		t.run()
	}
}

// A member asleep with an empty log takes less than 1 KiB beside its configuration.
func TestMemoryAsleep(t *testing.T) {
	t.Logf("Core is %d bytes", unsafe.Sizeof(Core{}))
	const groups = 2000
	kept := make([]*trio, groups)
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	shared := voters(1, 2, 3)
	var shuttle [3]Output
	before := heap()
	for g := range kept {
		trio := &trio{out: shuttle}
		for i := range trio.cores {
			trio.cores[i], _ = New(Config{ID: MemberID(i + 1), Rand: func(int) int { return 0 }, SleepTicks: 5}, nil,
				Start{State: HardState{Term: 1, Commit: 1}, Snapshot: SnapshotMeta{Index: 1, Term: 1, Config: shared, ConfigIndex: 1}})
		}
		trio.cores[0].Campaign()
		trio.run()
		trio.cores[0].Propose([]byte("some work"))
		trio.run()
		for range 20 {
			for _, core := range trio.cores {
				core.Tick(0)
			}
			trio.run()
		}
		for _, core := range trio.cores {
			config, index := core.ConfigurationAt(core.AppliedIndex())
			term, _ := core.log.term(core.AppliedIndex())
			if err := core.Compact(SnapshotMeta{Index: core.AppliedIndex(), Term: term, Config: *config, ConfigIndex: index}); err != nil || !core.Asleep() {
				t.Fatal("not asleep", err)
			}
		}
		shuttle, trio.out = trio.out, [3]Output{}
		kept[g] = trio
	}
	const configuration = 3*16 + 16 + 96 // three members, the history, the struct
	outputs := uint64(unsafe.Sizeof(trio{}))
	each := (heap()-before-groups*outputs)/(3*groups) - configuration
	t.Logf("%d bytes a member", each)
	if each >= 1024 {
		t.Errorf("a sleeping member takes %d bytes, 1024 are allowed", each)
	}
	runtime.KeepAlive(kept)
}
