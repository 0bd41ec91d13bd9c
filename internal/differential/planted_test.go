package differential

import (
	"slices"
	"testing"
)

// caught plays seeds until one fails.
func caught(t *testing.T, play func(seed int64) error) {
	t.Helper()
	for seed := int64(1); seed <= 500; seed++ {
		if err := play(seed); err != nil {
			t.Logf("caught by seed %d: %.200v", seed, err)
			return
		}
	}
	t.Fatal("nobody noticed the planted bug in 500 schedules")
}

// A comparison that cannot fail says nothing. Each test plants a bug in one side.

func TestPlantedLostEntryIsCaughtInLockStep(t *testing.T) {
	for _, side := range []int{0, 1} {
		caught(t, func(seed int64) error {
			_, err := playLockstep(seed, func(l *lockstep) { l.sides[side].skip = skipOne(l.sides[side]) })
			return err
		})
	}
}

// One that is lost before its client hears of it is sent again, and nothing is
// wrong; so this one is lost after.
func TestPlantedLostEntryIsCaughtInFreeRuns(t *testing.T) {
	for _, side := range []int{0, 1} {
		caught(t, func(seed int64) error {
			_, err := playFree(seed, func(sides [2]*free) {
				f := sides[side]
				f.onApply = func(e entry) {
					before := len(f.log)
					if f.committed(e); before == 2 && len(f.log) == 3 {
						f.log = append(f.log[:2], "lost")
					}
				}
			})
			return err
		})
	}
}

// skipOne leaves the third command out, at every member alike: within the side
// everything fits together.
func skipOne(w *world) func(uint64, entry) bool {
	commands, lost := 0, uint64(0)
	return func(id uint64, e entry) bool {
		if e.kind == command && lost == 0 {
			if commands++; commands == 3 {
				lost = e.index
			}
		}
		if e.index != lost {
			return false
		}
		w.applied[id] = e.index
		if at := int(e.index) - 2; at == len(w.agreed) {
			w.agreed = append(w.agreed, entry{})
		}
		return true
	}
}

func TestPlantedReorderingIsCaughtInLockStep(t *testing.T) {
	caught(t, func(seed int64) error {
		_, err := playLockstep(seed, func(l *lockstep) {
			var swap [2]string
			w := l.sides[0]
			w.onApply = func(e entry) {
				if e.kind != command {
					return
				}
				if swap[0] == "" {
					swap[0] = e.data
				} else if swap[1] == "" {
					swap[1] = e.data
					i := slices.IndexFunc(w.agreed, func(o entry) bool { return o.data == swap[0] })
					j := len(w.agreed) - 1
					w.agreed[i].data, w.agreed[j].data = w.agreed[j].data, w.agreed[i].data
				}
			}
		})
		return err
	})
}

func TestPlantedUnsyncedDiskIsCaught(t *testing.T) {
	caught(t, func(seed int64) error {
		_, err := playLockstep(seed, func(l *lockstep) { l.sides[0].forgetful = true })
		return err
	})
	caught(t, func(seed int64) error {
		_, err := playFree(seed, func(sides [2]*free) { sides[0].forgetful = true })
		return err
	})
}
