package gossip

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func TestWhoCouldNotBeJoinedIsRemembered(t *testing.T) {
	w := newWorld(t)
	var log lineLog
	c := w.config(1)
	c.Join = []string{"127.0.0.1:1", "nowhere.invalid:7946"}
	c.Logger = log.logger()
	alone := w.start(c)
	changed := func() bool { return len(alone.Unreached()) == 2 && log.count("could not join") >= 2 }
	for !changed() { // no event tells of a try; the next one comes within a second
		alone.rejoinRound()
	}
	first := alone.Unreached()[0]
	if first.Addr != "127.0.0.1:1" || first.At.IsZero() || !strings.Contains(first.Err.Error(), "connection refused") || strings.Contains(first.Err.Error(), "occurred") {
		t.Errorf("%+v", first)
	}
	for _, line := range log.lines {
		if strings.Contains(line, "could not join") && (strings.Contains(line, "occurred") || strings.Contains(line, `\n`)) {
			t.Errorf("not one readable line: %s", line)
		}
	}

	// Once somebody answers there, it is no trouble any more.
	c = w.config(2)
	c.Join = []string{alone.Addr()}
	joined := w.start(c)
	w.await("joined", func() bool { return allSee([]*Gossip{joined}, alone, joined) })
	if u := joined.Unreached(); len(u) != 0 {
		t.Errorf("%+v", u)
	}
}

func TestANodeOfAnotherFleetIsRememberedOnBothSides(t *testing.T) {
	w := newWorld(t)
	one := w.fleet(1, 1)[0]
	c := w.config(2, one)
	c.Meta.Fleet = 2
	two := w.start(c)
	for len(one.Strangers()) == 0 || len(two.Strangers()) == 0 || len(two.Unreached()) == 0 {
		two.rejoinRound()
	}
	for _, side := range []struct {
		g     *Gossip
		other *Gossip
		fleet ident.FleetID
	}{{one, two, 2}, {two, one, 1}} {
		s := side.g.Strangers()
		if len(s) != 1 || s[0].Fleet != side.fleet || s[0].Addr != side.other.Addr() || s[0].Name != side.other.Self().Name {
			t.Errorf("%+v", s)
		}
	}
	u := two.Unreached()[0]
	if !errors.Is(u.Err, ErrForeignFleet) || strings.Count(u.Err.Error(), "another fleet") != 1 || !strings.Contains(u.Err.Error(), ident.FleetID(1).String()) {
		t.Errorf("%v", u.Err)
	}
}

func TestStrangersAreBounded(t *testing.T) {
	trouble := newTrouble()
	for i := range 3 * strangerLimit {
		trouble.refused(fmt.Sprint("10.0.0.1:", i), Meta{})
	}
	if n := len(trouble.strangers); n != strangerLimit {
		t.Errorf("%d strangers are kept", n)
	}
}

func TestErrorsOfMemberlistOnOneLine(t *testing.T) {
	cause := errors.New("2 errors occurred:\n\t* Failed to join 127.0.0.1:1: dial tcp: refused\n\t* it is late\n\n")
	err := plain(cause)
	if got, want := err.Error(), "dial tcp: refused; it is late"; got != want || !errors.Is(err, cause) {
		t.Errorf("%q, want %q", got, want)
	}
}
