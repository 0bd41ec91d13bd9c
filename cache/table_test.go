package cache

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
	"pgregory.net/rapid"
)

func expect(t interface{ Fatalf(string, ...any) }, table *Table, name string, want Route) {
	got, ok := table.Get(name)
	if !ok || got != want {
		t.Fatalf("Get(%q) = %+v, %v; want %+v", name, got, ok, want)
	}
}

func TestGetOfUnknownName(t *testing.T) {
	if r, ok := New().Get("orders"); ok {
		t.Fatalf("found %+v", r)
	}
}

func TestPutKeepsTheNewest(t *testing.T) {
	known := Route{Group: 5, Leader: 2, Term: 7}
	for _, c := range []struct {
		why   string
		told  Route
		taken bool
	}{
		{"newer incarnation, lower term", Route{6, 3, 1}, true},
		{"older incarnation, higher term", Route{4, 3, 99}, false},
		{"newer term", Route{5, 3, 8}, true},
		{"newer term without a leader", Route{5, 0, 8}, true},
		{"older term", Route{5, 3, 6}, false},
		{"same term without a leader", Route{5, 0, 7}, false},
		{"the same", known, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			table := New()
			table.Put("orders", known)
			table.Put("orders", c.told)
			if c.taken {
				expect(t, table, "orders", c.told)
			} else {
				expect(t, table, "orders", known)
			}
		})
	}
	t.Run("same term with a leader after none", func(t *testing.T) {
		table := New()
		table.Put("orders", Route{5, 0, 7})
		table.Put("orders", known)
		expect(t, table, "orders", known)
	})
}

// A leader of a (group, term) is one node or not known, so any order of the same
// routes must end with the same one.
func TestNewestWinsInAnyOrder(t *testing.T) {
	routes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Route {
		r := Route{
			Group: ident.GroupID(rapid.Uint64Range(2, 5).Draw(t, "group")),
			Term:  rapid.Uint64Range(1, 5).Draw(t, "term"),
		}
		if rapid.Bool().Draw(t, "known") {
			r.Leader = ident.NodeID(uint64(r.Group)*100 + r.Term)
		}
		return r
	}), 1, 20)
	rapid.Check(t, func(t *rapid.T) {
		told := routes.Draw(t, "told")
		best := told[0]
		for _, r := range told[1:] {
			higher := r.Group > best.Group || r.Group == best.Group && r.Term > best.Term
			if higher || r.Group == best.Group && r.Term == best.Term && r.Leader != 0 {
				best = r
			}
		}
		for _, order := range [][]Route{told, rapid.Permutation(told).Draw(t, "order")} {
			table := New()
			for _, r := range order {
				table.Put("orders", r)
			}
			expect(t, table, "orders", best)
		}
	})
}

// Every operation against a plain map.
func TestTableAgainstModel(t *testing.T) {
	names := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(0, 300).Draw(t, "name")) })
	rapid.Check(t, func(t *rapid.T) {
		table, model := New(), map[string]Route{}
		if rapid.Bool().Draw(t, "one shard") {
			table = NewLimited(1000)
		}
		route := func(t *rapid.T) Route {
			return Route{ident.GroupID(rapid.IntRange(1, 3).Draw(t, "group")), ident.NodeID(rapid.IntRange(0, 3).Draw(t, "leader")), rapid.Uint64Range(1, 3).Draw(t, "term")}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				name, r := names.Draw(t, "name"), route(t)
				table.Put(name, r)
				if old, ok := model[name]; !ok || r.newer(old) {
					model[name] = r
				}
			},
			"fill": func(t *rapid.T) {
				for i := range 200 {
					name, r := fmt.Sprint(i), Route{1, 1, 1}
					table.Put(name, r)
					if old, ok := model[name]; !ok || r.newer(old) {
						model[name] = r
					}
				}
			},
			"drop": func(t *rapid.T) {
				name, r := names.Draw(t, "name"), route(t)
				table.Drop(name, r)
				if model[name] == r {
					delete(model, name)
				}
			},
			"drop present": func(t *rapid.T) {
				name := names.Draw(t, "name")
				table.Drop(name, model[name])
				delete(model, name)
			},
			"forget": func(t *rapid.T) {
				node := ident.NodeID(rapid.IntRange(0, 3).Draw(t, "node"))
				table.Forget(node)
				maps.DeleteFunc(model, func(_ string, r Route) bool { return r.Leader == node })
			},
			"": func(t *rapid.T) {
				if got := maps.Collect(table.All()); !maps.Equal(got, model) || table.Len() != len(model) {
					t.Fatalf("Len %d, All %v, want %v", table.Len(), got, model)
				}
				for name, r := range model {
					expect(t, table, name, r)
				}
			},
		})
	})
}

func TestLimitHolds(t *testing.T) {
	for _, limit := range []int{0, 1, 10, 5000} {
		table := NewLimited(limit)
		for i := range 3 * (limit + 10) {
			table.Put(fmt.Sprint(i), Route{2, 1, 1})
			if _, ok := table.Get(fmt.Sprint(i)); !ok {
				t.Fatalf("limit %d: the newest name was evicted", limit)
			}
			if n := table.Len(); n > max(limit, 1) {
				t.Fatalf("limit %d: %d names", limit, n)
			}
		}
		n := 0
		for range table.All() {
			n++
		}
		if n != table.Len() {
			t.Fatalf("limit %d: Len %d, All %d", limit, table.Len(), n)
		}
	}
}

func TestEvictionSparesWhatIsUsed(t *testing.T) {
	table := NewLimited(100)
	table.Put("busy", Route{2, 1, 1})
	for i := range 10_000 {
		if _, ok := table.Get("busy"); !ok {
			t.Fatalf("evicted after %d others", i)
		}
		table.Put(fmt.Sprint(i), Route{2, 1, 1})
	}
}

// Routes seen by a reader of one name only get newer, whatever goes on around it.
func TestReadersNeverSeeARouteGoBack(t *testing.T) {
	table := NewLimited(100_000)
	table.Put("orders", Route{2, 1, 1})
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			var last Route
			for {
				r, ok := table.Get("orders")
				if !ok || last.newer(r) {
					t.Errorf("%+v (found %v) after %+v", r, ok, last)
					return
				}
				last = r
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for i := range uint64(5000) {
				table.Put("orders", Route{2, ident.NodeID(w + 1), i})
				name := fmt.Sprint(w, i)
				table.Put(name, Route{2, 1, i})
				if i%3 == 0 {
					table.Drop(name, Route{2, 1, i})
				}
				if i%1000 == 0 {
					table.Forget(99)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if r, _ := table.Get("orders"); r.Term != 4999 {
		t.Fatalf("the newest route was lost: %+v", r)
	}
}

func TestAllStopsWhenTold(t *testing.T) {
	table := New()
	for i := range 100 {
		table.Put(fmt.Sprint(i), Route{2, 1, 1})
	}
	n := 0
	for range table.All() {
		if n++; n == 5 {
			break
		}
	}
	if n != 5 {
		t.Fatal(n)
	}
}

func TestGetDoesNotAllocate(t *testing.T) {
	table := New()
	table.Put("orders", Route{2, 1, 1})
	name := string([]byte("orders"))
	if n := testing.AllocsPerRun(100, func() { table.Get(name); table.Put(name, Route{2, 1, 1}) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func filled(n int) (*Table, []string) {
	table, names := New(), make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("group-%06d", i)
		table.Put(names[i], Route{ident.GroupID(i + 2), 1, 1})
	}
	return table, names
}

func BenchmarkGet(b *testing.B) {
	table, names := filled(10_000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			table.Get(names[i%len(names)])
		}
	})
}

func BenchmarkPutKnown(b *testing.B) {
	table, names := filled(10_000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			n := i % len(names)
			table.Put(names[n], Route{ident.GroupID(n + 2), 1, 1})
		}
	})
}

func BenchmarkPutNewer(b *testing.B) {
	table, names := filled(10_000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			n := i % len(names)
			table.Put(names[n], Route{ident.GroupID(n + 2), 1, uint64(i)})
		}
	})
}

func BenchmarkFill(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		filled(100_000)
	}
}
