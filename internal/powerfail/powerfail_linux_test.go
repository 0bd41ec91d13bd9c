package powerfail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

const enable = "RAFTFLEET_POWERFAIL"

// duration is how long all of it may take.
func duration(t *testing.T) time.Duration {
	value := os.Getenv(enable)
	if value == "" {
		t.Skip("needs root and cuts the power of a file system: run with " + enable + "=1")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a file system of its own")
	}
	for _, tool := range []string{"mkfs.ext4", "losetup"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s (packages e2fsprogs, mount): %v", tool, err)
		}
	}
	if d, err := time.ParseDuration(value); err == nil {
		return d
	}
	return 90 * time.Second
}

func firstSeed(t *testing.T) int64 {
	seed := time.Now().UnixNano()
	if text := os.Getenv("RAFTFLEET_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseInt(text, 10, 64)
		must(t, err)
	}
	t.Logf("RAFTFLEET_SEED=%d", seed)
	return seed
}

// bbolt, the log and the snapshots together: see hazard 48 in TESTING.md.
func TestHazard48_PowerFailure(t *testing.T) {
	half := duration(t) / 2
	p := newPlant(t, "^fast_commit")
	cycles, err := p.cycles(half)
	p.tell(t, cycles)
	if err != nil {
		t.Fatal(err)
	}
	if p.account.reports == 0 {
		t.Fatal("nothing was ever reported durable")
	}
}

// With fast commits, kernels have lost synced names, and left folders that name
// deleted files. Where e2fsck finds the file system itself damaged, that is told,
// and a new one is taken; loss on a sound file system is ours.
func TestHazard48_PowerFailureWithFastCommits(t *testing.T) {
	half := duration(t) / 2
	damaged := 0
	for start := time.Now(); time.Since(start) < half; {
		p := newPlant(t, "fast_commit")
		cycles, err := p.cycles(half - time.Since(start))
		p.tell(t, cycles)
		if err == nil {
			break
		}
		verdict := p.examine()
		if verdict == nil {
			t.Fatalf("on a file system that e2fsck finds sound: %v", err)
		}
		damaged++
		t.Logf("the kernel damaged the file system: %v\n%v", err, verdict)
		must(t, p.remove())
	}
	t.Logf("file systems damaged by the kernel itself: %d; a data folder does not belong on ext4 with fast_commit where this is not 0", damaged)
}

func (p *plant) tell(t *testing.T, cycles int) {
	t.Logf("%d power failures; reported durable and found: %d batches of the log, %d changes of the database", cycles, p.account.confirmed[0], p.account.confirmed[1])
}

// cycles fails the power again and again, for so long or a thousand times.
func (p *plant) cycles(long time.Duration) (cycles int, err error) {
	for start := time.Now(); time.Since(start) < long && cycles < 1000; cycles++ {
		if err := p.cycle(false); err != nil {
			return cycles, err
		}
		if err := p.check(); err != nil {
			return cycles, err
		}
	}
	return cycles, nil
}

// The control: a test that does not notice missing syncs is none.
func TestMissingSyncsAreNoticed(t *testing.T) {
	duration(t)
	p := newPlant(t, "^fast_commit")
	for cycle := range 50 {
		must(t, p.cycle(true))
		if err := p.check(); err != nil {
			t.Logf("noticed after %d power failures: %.300v", cycle+1, err)
			return
		}
	}
	t.Fatal("the log synced nothing, and nobody noticed in 50 power failures")
}

// plant is a volume, the child that uses it, and what is known of it.
type plant struct {
	*volume
	account *account
	rand    *rand.Rand
	seed    int64
}

func newPlant(t *testing.T, features string) *plant {
	seed := firstSeed(t)
	return &plant{volume: newVolume(t, features), account: newAccount(), rand: rand.New(rand.NewSource(seed)), seed: seed}
}

func (p *plant) folder() string { return filepath.Join(p.mount(), "data") }

// cycle lets a child work on the data folder, cuts the power at some moment, and
// turns it on again.
func (p *plant) cycle(noSync bool) error {
	env := []string{childFolder + "=" + p.folder(), fmt.Sprintf("%s=%d", childSeed, p.rand.Int63())}
	if noSync {
		env = append(env, childNoSync+"=1")
	}
	reports := p.account.reports + p.rand.Intn(300)
	early := p.rand.Intn(20) == 0 // while it opens the folder
	return p.runChild("TestChild", env, func(line string) (cut bool, err error) {
		if line == "opening" {
			return early, nil
		}
		err = p.account.hear(line)
		return p.account.reports >= reports, err
	})
}

// runChild runs a test as a child and hands over each line that it says, until it
// is told to cut the power, and to the end of what was said before that.
func (p *plant) runChild(test string, env []string, hear func(line string) (cut bool, err error)) error {
	child := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	child.Env = append(os.Environ(), env...)
	var complaints bytes.Buffer
	child.Stderr = &complaints
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	cut, err := p.listen(out, hear, child.Process.Kill)
	_ = child.Process.Kill()
	_ = child.Wait() // it was killed
	switch {
	case err != nil:
		return err
	case !cut:
		return fmt.Errorf("the child ended before its power was cut: %s", complaints.String())
	}
	return errors.Join(p.unmount(), p.powerOn())
}

// listen hears a child out and cuts its power on the way. What it said until then
// is still heard.
func (p *plant) listen(out io.Reader, hear func(line string) (cut bool, err error), kill func() error) (cut bool, err error) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line != "opening" && (len(line) < 2 || !strings.Contains("wWsS", line[:1]) || line[1] != ' ') {
			continue // what the test framework says
		}
		now, err := hear(line)
		if err != nil {
			return cut, err
		}
		if now && !cut {
			if err := p.powerOff(); err != nil {
				return false, err
			}
			_ = kill() // it may have ended by itself
			cut = true
		}
	}
	return cut, lines.Err()
}

// check opens what is left and holds it against the account.
func (p *plant) check() error {
	s, l, err := openFolder(p.folder(), wal.OSFS{})
	if err != nil {
		return err
	}
	var problems []error
	logs, folders, err := p.read(s, l)
	if err == nil {
		for w := range writers {
			problems = append(problems, p.account.logs[w].settle(contents{logs: logs[w]}), p.account.folders[w].settle(contents{folders: folders[w]}))
		}
		problems = append(problems, snapshotsReachLogs(logs, folders))
	}
	return errors.Join(append(problems, err, l.Close(), s.Close())...)
}

// snapshotsReachLogs: no log begins behind the snapshot that it goes on from.
func snapshotsReachLogs(logs [writers]map[uint64]logState, folders [writers]map[uint64]folderState) error {
	for w := range writers {
		for group, s := range logs[w] {
			if s.base > 1 && folders[w][group].snapIndex < s.base {
				return fmt.Errorf("the log of group %d begins behind %d, its snapshot is of %d", group, s.base, folders[w][group].snapIndex)
			}
		}
	}
	return nil
}

// read reads everything and checks every byte of it.
func (p *plant) read(s store.Store, l *wal.Log) (logs [writers]map[uint64]logState, folders [writers]map[uint64]folderState, err error) {
	for w := range writers {
		logs[w], folders[w] = map[uint64]logState{}, map[uint64]folderState{}
		value, err := s.Get(fmt.Sprint("value", w))
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return logs, folders, err
		default:
			var f folderState
			if _, err := fmt.Sscan(string(value), &f.value); err != nil {
				return logs, folders, err
			}
			folders[w][0] = f
		}
	}
	for _, m := range l.Members() {
		state, err := readLog(l, m)
		if err != nil {
			return logs, folders, err
		}
		logs[m.Group%writers][m.Group] = state
	}
	records, err := s.Members()
	if err != nil {
		return logs, folders, err
	}
	for _, r := range records {
		group := uint64(r.Key.Group)
		state, err := readFolder(s, r)
		if err != nil {
			return logs, folders, fmt.Errorf("folder of group %d: %w", group, err)
		}
		folders[group%writers][group] = state
	}
	return logs, folders, nil
}

func readLog(l *wal.Log, m wal.Member) (logState, error) {
	found, _ := l.Load(m)
	state := logState{base: found.Base, baseTerm: found.BaseTerm, state: found.State}
	for next := found.Base + 1; next <= found.Last; {
		entries, err := l.Entries(m, next, found.Last+1, 1<<20)
		if err != nil {
			return state, err
		}
		for _, e := range entries {
			if e.Index != next || !bytes.Equal(e.Data, entryContent(m.Group, e.Index, e.Term)) {
				return state, fmt.Errorf("log of group %d: entry %d is not what was written", m.Group, next)
			}
			state.terms = append(state.terms, e.Term)
			next++
		}
	}
	return state, nil
}

func readFolder(s store.Store, r store.MemberRecord) (state folderState, err error) {
	if r.Err != nil {
		return state, r.Err
	}
	group := uint64(r.Key.Group)
	if _, err := fmt.Sscanf(string(r.Record), "revision %d", &state.revision); err != nil {
		return state, err
	}
	if !bytes.HasSuffix(r.Record, content('p', group, state.revision, 0, 300)) {
		return state, fmt.Errorf("record %d is not what was written", state.revision)
	}
	snap, body, err := s.OpenSnapshot(r.Key)
	if errors.Is(err, store.ErrNotFound) {
		return state, nil
	} else if err != nil {
		return state, err
	}
	read, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return state, err
	}
	if !bytes.Equal(read, content('t', group, snap.Index, snap.Term, int(snap.Size))) {
		return state, fmt.Errorf("snapshot %d is not what was written", snap.Index)
	}
	state.snapIndex, state.snapTerm, state.snapN = snap.Index, snap.Term, uint64(snap.Size)
	return state, nil
}
