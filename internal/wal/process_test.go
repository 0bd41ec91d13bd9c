package wal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

const childDir = "WAL_TEST_CHILD_DIR"

// TestKilledProcessLosesNothingThatItReported kills real processes that write to
// real files, at any moment.
func TestKilledProcessLosesNothingThatItReported(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		writeForEver(t, dir)
		return
	}
	dir := filepath.Join(t.TempDir(), "wal")
	m := Member{2, 1}
	for life := range 8 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledProcessLosesNothingThatItReported$")
		child.Env = append(os.Environ(), childDir+"="+dir)
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		reported := uint64(0)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if v, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
				reported = v
			}
			if n == 5+life*17 {
				must(t, child.Process.Kill())
			}
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		l := open(t, dir, Options{})
		r, ok := l.Load(m)
		if !ok || r.Last < reported {
			t.Fatalf("life %d: entry %d was reported durable, the log ends with %d", life, reported, r.Last)
		}
		got, err := l.Entries(m, r.Base+1, r.Last+1, 1<<40)
		must(t, err)
		for _, e := range got {
			if string(e.Data) != string(content(m, e.Index, e.Term, len(e.Data))) {
				t.Fatalf("entry %d is not what was written", e.Index)
			}
		}
		closeLog(t, l)
	}
}

func writeForEver(t *testing.T, dir string) {
	l := open(t, dir, Options{})
	m := Member{2, 1}
	r, _ := l.Load(m)
	done := make(chan struct{}, 8)
	n := 0
	for i := r.Last + 1; ; i++ {
		b := l.NewBatch()
		b.Append(m, nil, []Entry{{Index: i, Term: 1, Data: content(m, i, 1, int(i*7919%5000))}})
		if i%10 == 0 {
			b.Compact(m, i-5, 1)
		}
		must(t, l.Submit(b, true, func(err error) {
			if err == nil {
				fmt.Println(i)
			}
			done <- struct{}{}
		}))
		if n++; n > 4 { // a few in flight
			<-done
		}
	}
}
