package consensus

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestValidateNamesWhatIsWrong(t *testing.T) {
	m := func(id MemberID) Member { return Member{ID: id, Node: uint64(id)} }
	for name, config := range map[string]Configuration{
		"unsorted":                   {Voters: []Member{m(2), m(1)}},
		"double":                     {Voters: []Member{m(1), m(1)}},
		"member 0":                   {Voters: []Member{m(0)}},
		"no voters":                  {Learners: []Member{m(1)}},
		"voter and learner":          {Voters: []Member{m(1)}, Learners: []Member{m(1)}},
		"two nodes":                  {Voters: []Member{{1, 1}}, Outgoing: []Member{{1, 2}}},
		"next learner not leaving":   {Voters: []Member{m(1)}, Outgoing: []Member{m(1)}, LearnersNext: []MemberID{1}},
		"next learners unsorted":     {Voters: []Member{m(1)}, Outgoing: []Member{m(2), m(3)}, LearnersNext: []MemberID{3, 2}},
		"next learner not a member":  {Voters: []Member{m(1)}, Outgoing: []Member{m(2)}, LearnersNext: []MemberID{3}},
		"outgoing voter and learner": {Voters: []Member{m(1)}, Outgoing: []Member{m(2)}, Learners: []Member{m(2)}},
	} {
		if config.Validate() == nil {
			t.Errorf("%s: %v is valid", name, config)
		}
	}
	if err := (&Configuration{}).Validate(); err != nil {
		t.Errorf("the zero configuration: %v", err)
	}
}

func TestImpossibleChanges(t *testing.T) {
	config := voters(1, 2)
	config.Learners = []Member{{ID: 3, Node: 3}}
	for name, ch := range map[string]Change{
		"nothing":           {},
		"known learner":     {AddLearners: []Member{{ID: 3}}},
		"known voter":       {AddLearners: []Member{{ID: 1}}},
		"no identifier":     {AddLearners: []Member{{}}},
		"promote voter":     {Promote: []MemberID{1}},
		"promote stranger":  {Promote: []MemberID{9}},
		"promote on adding": {AddLearners: []Member{{ID: 4}}, Promote: []MemberID{4}},
		"demote learner":    {Demote: []MemberID{3}},
		"remove stranger":   {Remove: []MemberID{9}},
		"named twice":       {Demote: []MemberID{1}, Remove: []MemberID{1}},
		"no voter left":     {Remove: []MemberID{1, 2}},
	} {
		if next, err := ch.apply(&config); !errors.Is(err, ErrInvalidChange) {
			t.Errorf("%s: %v, %v", name, next, err)
		}
	}
}

// A change leads from a valid configuration to valid ones, by steps of which
// each shares a majority with the next whatever majorities are taken.
func TestChangesKeepMajoritiesOverlapping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := voters(1)
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			var ch Change
			for id := MemberID(1); id <= 7; id++ {
				switch roll := rapid.IntRange(0, 5).Draw(t, "roll"); {
				case roll == 0 && !config.Contains(id):
					ch.AddLearners = append(ch.AddLearners, Member{ID: id, Node: uint64(id)})
				case roll < 3 && config.IsLearner(id):
					ch.Promote = append(ch.Promote, id)
				case roll == 3 && config.Contains(id):
					ch.Remove = append(ch.Remove, id)
				case roll == 4 && config.IsVoter(id):
					ch.Demote = append(ch.Demote, id)
				}
			}
			next, err := ch.apply(&config)
			if err != nil {
				continue
			}
			steps := []Configuration{config, next}
			if next.Joint() {
				steps = append(steps, next.left())
			} else if !slices.Equal(next.Voters, config.Voters) {
				t.Fatalf("voters changed in one step from %v to %v", config, next)
			}
			for i := range steps {
				if err := steps[i].Validate(); err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					overlap(t, &steps[i-1], &steps[i])
				}
			}
			config = steps[len(steps)-1]
			for _, id := range ch.Demote {
				if !config.IsLearner(id) {
					t.Fatalf("%v was demoted and is no learner in %v", id, config)
				}
			}
			for _, id := range ch.Remove {
				if config.Contains(id) {
					t.Fatalf("%v was removed and is in %v", id, config)
				}
			}
		}
	})
}

// overlap tries every two sets of members that are quorums of a and of b.
func overlap(t *rapid.T, a, b *Configuration) {
	isQuorum := func(config *Configuration, set uint) bool {
		for _, half := range [][]Member{config.Voters, config.Outgoing} {
			have := 0
			for _, m := range half {
				if set&(1<<m.ID) != 0 {
					have++
				}
			}
			if len(half) > 0 && have <= len(half)/2 {
				return false
			}
		}
		return true
	}
	for set := uint(0); set < 1<<8; set++ {
		if isQuorum(a, set) && isQuorum(b, ^set) {
			t.Fatalf("%v and %v can decide apart", a, b)
		}
	}
}

func TestMembersOfAConfiguration(t *testing.T) {
	config := Configuration{
		Voters: []Member{{1, 10}, {4, 40}}, Outgoing: []Member{{1, 10}, {2, 20}}, Learners: []Member{{3, 30}}, LearnersNext: []MemberID{2},
	}
	if got := config.All(); !slices.Equal(got, []Member{{1, 10}, {2, 20}, {3, 30}, {4, 40}}) {
		t.Errorf("All: %v", got)
	}
	if m, ok := config.Member(2); !ok || m.Node != 20 {
		t.Errorf("Member(2): %v %v", m, ok)
	}
	if _, ok := config.Member(9); ok || config.Contains(9) || config.IsVoter(3) || !config.IsLearner(3) {
		t.Error("wrong part for a member")
	}
	if got, want := config.String(), "(1 4)&(1 2) learners (3) next [2]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if clone := config.Clone(); !clone.Equal(&config) {
		t.Errorf("clone %v", clone)
	}
	left := config.left()
	if got, want := left.String(), "(1 4) learners (2 3)"; got != want {
		t.Errorf("left: %q, want %q", got, want)
	}
}
