package explore

import (
	"fmt"
	"slices"

	"github.com/raftfleet/raftfleet/consensus"
)

// path tells how the promise was broken, from the beginning.
func (x *search) path() []string {
	var numbers []uint32
	for n := x.brokenAt; n != 0; n = x.worlds.parent[n] {
		numbers = append(numbers, n)
	}
	slices.Reverse(numbers)
	var steps []string
	for _, n := range numbers {
		steps = append(steps, x.tell(int(x.worlds.actor[n]), x.worlds.by[n], &x.worlds.all[n]))
	}
	return append(steps, x.tell(x.brokenActor, x.brokenBy, &x.brokenWorld))
}

// tell describes a step and what it made of the member.
func (x *search) tell(actor int, a action, after *world) string {
	what := ""
	switch a.kind() {
	case deliver:
		what = x.messages[a.of()].String()
	case persist:
		what = "a write becomes durable"
	case timeout:
		what = "the election timer runs out"
	case beat:
		what = "a heartbeat is due"
	case command:
		what = "a command is proposed"
	case change:
		what = fmt.Sprintf("a change is asked for: %+v", x.scope.Changes[a.of()])
	case transfer:
		what = fmt.Sprintf("a transfer to %v is asked for", consensus.MemberID(a.of()))
	case read:
		what = fmt.Sprintf("read %d is asked for", a.of())
	case tick:
		what = "a tick passes"
	case wake:
		what = "its leader's node seems to be gone"
	case crash:
		what = "crash and restart"
	}
	return fmt.Sprintf("member %d: %s\n         => %v", actor+1, what, x.members[after.members[actor]])
}
