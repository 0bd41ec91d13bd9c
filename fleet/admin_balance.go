package fleet

import (
	"context"

	"github.com/raftfleet/raftfleet/fleet/view"
)

func (n adminNode) Balance(ctx context.Context) (view.Balance, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.Balance{}, err
	}
	v, err := n.Node.Balance(ctx)
	return v, kind(err)
}

func (n adminNode) Plan(ctx context.Context, limit int) ([]view.PlannedMove, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return nil, err
	}
	v, err := n.Node.Plan(ctx, limit)
	return v, kind(err)
}

func (n adminNode) Moves(ctx context.Context, limit int) ([]view.Move, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return nil, err
	}
	v, err := n.Node.Moves(ctx, limit)
	return v, kind(err)
}

func (n adminNode) Skew(ctx context.Context) (view.Skew, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.Skew{}, err
	}
	v, err := n.Node.Skew(ctx)
	return v, kind(err)
}

func (n adminNode) Explain(ctx context.Context, group string) (view.Explanation, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.Explanation{}, err
	}
	v, err := n.Node.Explain(ctx, group)
	return v, kind(err)
}

func (n adminNode) WhatIf(ctx context.Context, q view.WhatIf) (view.Outcome, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.Outcome{}, err
	}
	v, err := n.Node.WhatIf(ctx, q)
	return v, kind(err)
}

func (n adminNode) Pause(ctx context.Context, by, reason string) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	return kind(n.Node.Pause(ctx, by, reason))
}

func (n adminNode) Resume(ctx context.Context, by string) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	return kind(n.Node.Resume(ctx, by))
}

func (n adminNode) Limits(ctx context.Context) ([]view.BalanceLimit, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return nil, err
	}
	v, err := n.Node.Limits(ctx)
	return v, kind(err)
}

func (n adminNode) SetLimits(ctx context.Context, values map[string]string) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	return kind(n.Node.SetLimits(ctx, values))
}
