package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// Balance tells how far the fleet is from where it should be, and why nothing moves
// when nothing moves.
func (c *Client) Balance(ctx context.Context) (view.Balance, error) {
	return getJSON[view.Balance](ctx, c, nil, "v1", "balance")
}

// Plan lists what is wanted and not begun, at most limit changes or all when it is 0.
func (c *Client) Plan(ctx context.Context, limit int) ([]view.PlannedMove, error) {
	return getJSON[[]view.PlannedMove](ctx, c, upTo(limit), "v1", "balance", "plan")
}

// Moves lists what is on the move, the oldest first, at most limit groups or all when
// it is 0.
func (c *Client) Moves(ctx context.Context, limit int) ([]view.Move, error) {
	return getJSON[[]view.Move](ctx, c, upTo(limit), "v1", "balance", "moves")
}

func upTo(limit int) url.Values {
	if limit <= 0 {
		return nil
	}
	return url.Values{"limit": {strconv.Itoa(limit)}}
}

// Skew tells how evenly the fleet is loaded.
func (c *Client) Skew(ctx context.Context) (view.Skew, error) {
	return getJSON[view.Skew](ctx, c, nil, "v1", "balance", "skew")
}

// Explain tells why a group is where it is.
func (c *Client) Explain(ctx context.Context, group string) (view.Explanation, error) {
	return getJSON[view.Explanation](ctx, c, nil, "v1", "groups", group, "explain")
}

// WhatIf tells what the fleet would look like then. It changes nothing.
func (c *Client) WhatIf(ctx context.Context, q view.WhatIf) (view.Outcome, error) {
	b, err := json.Marshal(q)
	if err != nil {
		return view.Outcome{}, newError(KindInvalid, "", err.Error())
	}
	return askJSON[view.Outcome](ctx, c, operation{method: http.MethodPost, path: []string{"v1", "balance", "whatif"}, body: b})
}

// Pause keeps all moves from beginning, repairs too, until Resume. by says who, and
// reason why.
func (c *Client) Pause(ctx context.Context, by, reason string) error {
	return c.change(ctx, http.MethodPost, nil, pauseBody{by, reason}, "v1", "balance", "pause")
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context, by string) error {
	return c.change(ctx, http.MethodPost, nil, resumeBody{by}, "v1", "balance", "resume")
}

// Limits lists the limits of balancing.
func (c *Client) Limits(ctx context.Context) ([]view.BalanceLimit, error) {
	return getJSON[[]view.BalanceLimit](ctx, c, nil, "v1", "balance", "limits")
}

// SetLimits changes limits of balancing by name, all or none; an empty value takes one
// back to its default.
func (c *Client) SetLimits(ctx context.Context, values map[string]string) error {
	return c.change(ctx, http.MethodPost, nil, limitsBody{values}, "v1", "balance", "limits")
}
