package wal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInspectAndVerifyReadWithoutChanging(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wal")
	l := open(t, dir, Options{})
	a, b := Member{2, 1}, Member{3, 4}
	must(t, submit(l, func(w *Batch) {
		w.Reset(a, 7, 2, State{3, 1, 7})
		w.Append(a, nil, entries(8, 2, 3, 5))
	}))
	must(t, submit(l, func(w *Batch) { w.Append(b, &State{1, 1, 0}, nil); w.Compact(a, 8, 3); w.Delete(b) }))
	closeLog(t, l)
	before := contents(t, dir)
	var got []string
	for r, err := range Inspect(dir, Options{}) {
		must(t, err)
		got = append(got, fmt.Sprintf("%d %s %v state=%v%v base=%d/%d entries=%d", r.Batch, r.Kind, r.Member, r.HasState, r.State, r.Base, r.BaseTerm, len(r.Entries)))
	}
	want := `1 reset {2 1} state=true{3 1 7} base=7/2 entries=0
1 append {2 1} state=false{0 0 0} base=0/0 entries=2
2 append {3 4} state=true{1 1 0} base=0/0 entries=0
2 compact {2 1} state=false{0 0 0} base=8/3 entries=0
2 delete {3 4} state=false{0 0 0} base=0/0 entries=0`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("records:\n%s\nwant:\n%s", s, want)
	}
	for range Inspect(dir, Options{}) {
		break // stopping early closes everything too
	}
	report, err := Verify(dir, Options{})
	must(t, err)
	if report.Records != 5 || report.Members != 1 || report.First != 1 || report.Last != 1 || report.Torn {
		t.Errorf("report: %+v", report)
	}
	if after := contents(t, dir); after != before {
		t.Error("reading changed the folder")
	}
	if _, err := Verify(t.TempDir(), Options{}); err == nil {
		t.Error("an empty folder was verified")
	}
}

func contents(t *testing.T, dir string) string {
	var all strings.Builder
	names, err := os.ReadDir(dir)
	must(t, err)
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(dir, n.Name()))
		must(t, err)
		all.WriteString(n.Name())
		all.Write(b)
	}
	return all.String()
}
