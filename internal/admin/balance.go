package admin

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/raftfleet/raftfleet/fleet/view"
)

const (
	// maxNote bounds who pauses the moves, and why, in bytes.
	maxNote = 500
	// maxWeight is the greatest weight of a node.
	maxWeight = 1000
	// maxWhatIf bounds the nodes and zones that one question is about.
	maxWhatIf = 1000
	// maxLimits bounds the limits that one request changes.
	maxLimits = 100
)

// checkNote is for text of people, which may be left out.
func checkNote(what, s string) error {
	switch {
	case len(s) > maxNote:
		return newError(KindInvalid, fmt.Sprintf("use at most %d bytes", maxNote), fmt.Sprintf("%s is %d bytes long", what, len(s)))
	case !utf8.ValidString(s):
		return newError(KindInvalid, "use UTF-8", fmt.Sprintf("%s %q is not UTF-8", what, s))
	}
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return newError(KindInvalid, "use printable characters, on one line", fmt.Sprintf("%s %q has a character that cannot be printed", what, s))
		}
	}
	return nil
}

func (s *Server) balance(w http.ResponseWriter, r *http.Request) error {
	if err := request(w, r, nil); err != nil {
		return err
	}
	v, err := s.node.Balance(r.Context())
	if err != nil {
		return err
	}
	v.Queue, v.Holds, v.Problems = full(v.Queue), full(v.Holds), full(v.Problems)
	return writeJSON(w, v)
}

// limitOf reads how many are wanted at most, 0 for all.
func limitOf(r *http.Request) (int, error) {
	q := readQuery(r, "limit")
	n := q.number("limit")
	const most = 1 << 30
	return int(min(n, most)), q.err
}

func (s *Server) balancePlan(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	v, err := s.node.Plan(r.Context(), limit)
	if err != nil {
		return err
	}
	return writeJSON(w, fullPlan(v))
}

func fullPlan(v []view.PlannedMove) []view.PlannedMove {
	for i := range v {
		v[i].From, v[i].To = full(v[i].From), full(v[i].To)
	}
	return full(v)
}

func (s *Server) balanceMoves(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	v, err := s.node.Moves(r.Context(), limit)
	if err != nil {
		return err
	}
	for i := range v {
		v[i].From, v[i].To = full(v[i].From), full(v[i].To)
	}
	return writeJSON(w, full(v))
}

func (s *Server) skew(w http.ResponseWriter, r *http.Request) error {
	if err := request(w, r, nil); err != nil {
		return err
	}
	v, err := s.node.Skew(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, fullSkew(v))
}

func fullSkew(v view.Skew) view.Skew {
	v.Nodes, v.Zones, v.Problems = full(v.Nodes), full(v.Zones), full(v.Problems)
	return v
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	name, err := groupOf(r)
	if err == nil {
		err = request(w, r, nil)
	}
	if err != nil {
		return err
	}
	v, err := s.node.Explain(r.Context(), name)
	if err != nil {
		return err
	}
	v.Members, v.Target, v.Candidates = full(v.Members), full(v.Target), full(v.Candidates)
	return writeJSON(w, v)
}

func (s *Server) whatIf(w http.ResponseWriter, r *http.Request) error {
	var body view.WhatIf
	err := request(w, r, &body)
	if err == nil {
		err = checkWhatIf(&body)
	}
	if err != nil {
		return err
	}
	v, err := s.node.WhatIf(r.Context(), body)
	if err != nil {
		return err
	}
	v.Moves, v.Problems = fullPlan(v.Moves), full(v.Problems)
	v.LoseQuorum, v.LoseSpread = full(v.LoseQuorum), full(v.LoseSpread)
	v.Before, v.After = fullSkew(v.Before), fullSkew(v.After)
	return writeJSON(w, v)
}

// checkWhatIf refuses a question that asks nothing or cannot be, and fills in what was
// left out of nodes to come.
func checkWhatIf(q *view.WhatIf) error {
	asked := len(q.Remove) + len(q.Drain) + len(q.ZoneDown) + len(q.Weights)
	for _, list := range []struct {
		what  string
		names []string
	}{{"a node of remove", q.Remove}, {"a node of drain", q.Drain}, {"a zone of zone_down", q.ZoneDown}, {"a node of weights", slices.Sorted(maps.Keys(q.Weights))}} {
		for _, name := range list.names {
			if err := checkName(list.what, name); err != nil {
				return err
			}
		}
	}
	checkWeight := func(of string, weight int) error {
		if weight < 1 || weight > maxWeight {
			return newError(KindInvalid, fmt.Sprintf("use 1 to %d", maxWeight), fmt.Sprintf("the weight of %s is %d", of, weight))
		}
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(q.Weights)) {
		if err := checkWeight("node "+name, q.Weights[name]); err != nil {
			return err
		}
	}
	for i := range q.Add {
		n := &q.Add[i]
		if n.Weight == 0 {
			n.Weight = 1
		}
		if n.Count == 0 {
			n.Count = 1
		}
		err := checkName("the zone of a node to add", n.Zone)
		if err == nil {
			err = checkWeight("a node to add in zone "+n.Zone, n.Weight)
		}
		if err == nil && (n.Count < 1 || n.Count > maxWhatIf) {
			err = newError(KindInvalid, fmt.Sprintf("use 1 to %d", maxWhatIf), fmt.Sprintf("the count of nodes to add in zone %s is %d", n.Zone, n.Count))
		}
		if err != nil {
			return err
		}
		asked += n.Count
	}
	switch {
	case asked == 0:
		return newError(KindInvalid, "name what would be different: remove, drain, zone_down, add or weights", "nothing is asked")
	case asked > maxWhatIf:
		return newError(KindInvalid, fmt.Sprintf("ask about at most %d at a time", maxWhatIf), fmt.Sprintf("%d nodes and zones are asked about", asked))
	}
	return nil
}

type pauseBody struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}

func (s *Server) pauseMoves(w http.ResponseWriter, r *http.Request) error {
	var body pauseBody
	err := request(w, r, &body)
	if err == nil {
		err = checkNote("by", body.By)
	}
	if err == nil {
		err = checkNote("reason", body.Reason)
	}
	if err != nil {
		return err
	}
	return s.done(w, r, s.node.Pause(r.Context(), body.By, body.Reason), "pause moves", "by", body.By, "reason", body.Reason)
}

type resumeBody struct {
	By string `json:"by"`
}

func (s *Server) resumeMoves(w http.ResponseWriter, r *http.Request) error {
	var body resumeBody
	err := request(w, r, &body)
	if err == nil {
		err = checkNote("by", body.By)
	}
	if err != nil {
		return err
	}
	return s.done(w, r, s.node.Resume(r.Context(), body.By), "resume moves", "by", body.By)
}

func (s *Server) balanceLimits(w http.ResponseWriter, r *http.Request) error {
	if err := request(w, r, nil); err != nil {
		return err
	}
	v, err := s.node.Limits(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, full(v))
}

type limitsBody struct {
	Values map[string]string `json:"values"`
}

func (s *Server) setLimits(w http.ResponseWriter, r *http.Request) error {
	var body limitsBody
	err := request(w, r, &body)
	switch {
	case err != nil:
		return err
	case len(body.Values) == 0:
		return newError(KindInvalid, `give them as {"values": {"moves": "8"}}; an empty value takes one back to its default`, "values has no limit to set")
	case len(body.Values) > maxLimits:
		return newError(KindInvalid, fmt.Sprintf("use at most %d", maxLimits), fmt.Sprintf("values has %d limits", len(body.Values)))
	}
	for _, name := range slices.Sorted(maps.Keys(body.Values)) {
		if err := checkName("the name of a limit", name); err != nil {
			return err
		}
		if err := checkNote("the value of "+name, body.Values[name]); err != nil {
			return err
		}
	}
	return s.done(w, r, s.node.SetLimits(r.Context(), body.Values), "set limits of balancing", "values", body.Values)
}
