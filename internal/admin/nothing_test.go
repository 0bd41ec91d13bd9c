package admin

import (
	"context"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// nothing is a node of an empty fleet that agrees to everything.
type nothing struct{}

func (nothing) Status(context.Context) (v view.Status, err error)                         { return }
func (nothing) NodeDetail(context.Context, string) (v view.NodeDetail, err error)         { return }
func (nothing) CheckNode(context.Context, string) (v view.NodeCheck, err error)           { return }
func (nothing) GossipMembers(context.Context) (v []view.GossipMember, err error)          { return }
func (nothing) Drain(context.Context, string) error                                       { return nil }
func (nothing) Undrain(context.Context, string) error                                     { return nil }
func (nothing) DrainProgress(context.Context, string) (v view.DrainProgress, err error)   { return }
func (nothing) ForgetNode(context.Context, string, bool) error                            { return nil }
func (nothing) ListGroups(context.Context, string, string, int) (v []view.Group, e error) { return }
func (nothing) GroupStatus(context.Context, string) (v view.GroupStatus, err error)       { return }
func (nothing) AddGroup(context.Context, string, string, int, bool) error                 { return nil }
func (nothing) RemoveGroup(context.Context, string, bool) error                           { return nil }
func (nothing) TransferLeader(context.Context, string, string) error                      { return nil }
func (nothing) RecoverGroup(context.Context, string, string) error                        { return nil }
func (nothing) Balance(context.Context) (v view.Balance, err error)                       { return }
func (nothing) Plan(context.Context, int) (v []view.PlannedMove, err error)               { return }
func (nothing) Moves(context.Context, int) (v []view.Move, err error)                     { return }
func (nothing) Skew(context.Context) (v view.Skew, err error)                             { return }
func (nothing) Explain(context.Context, string) (v view.Explanation, err error)           { return }
func (nothing) WhatIf(context.Context, view.WhatIf) (v view.Outcome, err error)           { return }
func (nothing) Pause(context.Context, string, string) error                               { return nil }
func (nothing) Resume(context.Context, string) error                                      { return nil }
func (nothing) Limits(context.Context) (v []view.BalanceLimit, err error)                 { return }
func (nothing) SetLimits(context.Context, map[string]string) error                        { return nil }
func (nothing) Archives(context.Context) (v []view.Archive, err error)                    { return }
func (nothing) DropArchive(context.Context, string) error                                 { return nil }
func (nothing) CallJSON(_ context.Context, _, _ string, b []byte, _ string) ([]byte, error) {
	return b, nil
}
func (nothing) QueryJSON(_ context.Context, _, _ string, b []byte, _ bool, _ time.Duration) ([]byte, error) {
	return b, nil
}
func (nothing) Events(context.Context, uint64, bool) ([]view.Event, error) { return nil, nil }
func (nothing) Ready() error                                               { return nil }
func (nothing) Live() error                                                { return nil }
