package consensus

import "testing"

// The tests of this file play the stories about hazards, one each.

func TestHazard01_ChangeBeforeOwnCommit(t *testing.T) {
	playStory(t, "hazard_01_change_before_own_commit")
}
func TestHazard03_JointLeftByNewLeader(t *testing.T) {
	playStory(t, "hazard_03_joint_left_by_new_leader")
}
func TestHazard04_TruncatedConfiguration(t *testing.T) {
	playStory(t, "hazard_04_truncated_configuration")
}
func TestHazard06_PromotedLearnerVotes(t *testing.T) {
	playStory(t, "hazard_06_promoted_learner_votes")
}
func TestHazard08_RemovedLeader(t *testing.T) { playStory(t, "hazard_08_removed_leader") }
func TestHazard08_RemovedMemberIsNoDanger(t *testing.T) {
	playStory(t, "hazard_08_removed_member_is_no_danger")
}
func TestHazard11_Figure8(t *testing.T)     { playStory(t, "hazard_11_figure_8") }
func TestHazard13_LateSync(t *testing.T)    { playStory(t, "hazard_13_late_sync") }
func TestHazard14_SingleVoter(t *testing.T) { playStory(t, "hazard_14_single_voter") }
func TestHazard16_ReadBeforeFirstCommit(t *testing.T) {
	playStory(t, "hazard_16_read_before_first_commit")
}
func TestHazard17_DelayedRound(t *testing.T)  { playStory(t, "hazard_17_delayed_round") }
func TestHazard19_Lease(t *testing.T)         { playStory(t, "hazard_19_lease") }
func TestHazard21_PreVote(t *testing.T)       { playStory(t, "hazard_21_pre_vote") }
func TestHazard25_StaleSnapshot(t *testing.T) { playStory(t, "hazard_25_stale_snapshot") }
func TestHazard44_Sleep(t *testing.T)         { playStory(t, "hazard_44_sleep") }
func TestHazard44_LearnerRestartsInASleepingGroup(t *testing.T) {
	playStory(t, "hazard_44_learner_restarts")
}
func TestHazard45_UncommittedTail(t *testing.T) { playStory(t, "hazard_45_uncommitted_tail") }
