package explore_test

import (
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/mutants"
)

// planted says in which scope the search finds which bug.
var planted = []struct{ mutant, scope string }{
	{"change-before-own-commit", "changes"},
	{"campaign-with-committed-configuration", "changes"},
	{"vote-before-durable", "elections"},
	{"vote-of-old-term-counts", "all-messages"},
	{"old-term-committed-by-counting", "figure-8"},
	{"append-behind-another-log", "figure-8"},
	{"late-sync-of-truncated-entries", "replication"},
	{"truncated-entries-stay-durable", "replication"},
	{"leader-counts-unsynced", "replication"},
	{"follower-acknowledges-unsynced", "replication"},
	{"joint-election-by-incoming-alone", "change-crash"},
	{"joint-commit-by-incoming-alone", "changes"},
	{"joint-left-before-commit", "change-transfer"},
	{"joint-left-twice", "changes"},
	{"truncated-configuration-in-force", "changes"},
	{"change-without-the-former-quorum", "changes"},
	{"removed-member-disturbs", "pre-vote"},
	{"read-before-first-commit", "reads"},
	{"read-takes-the-first-index", "reads-behind"},
	{"pre-vote-resets-the-timer", "pre-vote-timers"},
	{"vote-request-resets-the-timer", "timers"},
	{"pre-vote-stops-a-transfer", "transfers"},
	{"wakes-to-a-dead-leader-in-silence", "sleep"},
}

// TestPlantedBugs: a search that does not find a bug that is there is no search.
func TestPlantedBugs(t *testing.T) {
	root, err := mutants.Root()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range planted {
		if i > 0 && (!*complete || raceEnabled) {
			break
		}
		t.Run(p.mutant, func(t *testing.T) {
			m, ok := mutants.Find(p.mutant)
			if !ok {
				t.Fatal("no such mutant")
			}
			caught, output, err := m.Test(t.Context(), root, t.TempDir(), "./internal/explore", "-complete", "-v", "-run", "^TestExhaustive$/^"+p.scope+"$")
			if err != nil {
				t.Fatal(err)
			}
			if !caught || !strings.Contains(output, "BROKEN") {
				t.Fatalf("hazard %d lives in scope %s:\n%s", m.Hazard, p.scope, output)
			}
			t.Logf("hazard %d: %s", m.Hazard, found(output))
		})
	}
}

// found returns the line that tells how much was searched and what was found.
func found(output string) string {
	for line := range strings.Lines(output) {
		if counts, broken, ok := strings.Cut(line, "checked after each"); ok {
			_, broken, _ = strings.Cut(broken, "BROKEN: ")
			return strings.TrimSpace(counts) + " " + strings.TrimSpace(broken)
		}
	}
	return output
}
