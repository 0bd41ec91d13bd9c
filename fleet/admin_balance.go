package fleet

import (
	"context"
	"errors"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
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
	m, ok := any(n.Node).(interface {
		Skew(context.Context) (view.Skew, error)
	})
	if !ok {
		return view.Skew{}, kinded{errors.New("fleet: this node cannot tell the skew"), admin.KindUnavailable, "ask a node of a newer version"}
	}
	v, err := m.Skew(ctx)
	return v, kind(err)
}

func (n adminNode) Explain(ctx context.Context, group string) (view.Explanation, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.Explanation{}, err
	}
	m, ok := any(n.Node).(interface {
		Explain(context.Context, string) (view.Explanation, error)
	})
	if !ok {
		return view.Explanation{}, kinded{errors.New("fleet: this node cannot explain groups"), admin.KindUnavailable, "ask a node of a newer version"}
	}
	v, err := m.Explain(ctx, group)
	return v, kind(err)
}

func (n adminNode) WhatIf(ctx context.Context, q view.WhatIf) (view.Outcome, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.Outcome{}, err
	}
	m, ok := any(n.Node).(interface {
		WhatIf(context.Context, view.WhatIf) (view.Outcome, error)
	})
	if !ok {
		return view.Outcome{}, kinded{errors.New("fleet: this node cannot tell what if"), admin.KindUnavailable, "ask a node of a newer version"}
	}
	v, err := m.WhatIf(ctx, q)
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
