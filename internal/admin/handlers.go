package admin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"unicode"
	"unicode/utf8"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// MaxGroupsListed is the greatest number of groups in one answer, and how many
// there are without a limit.
const MaxGroupsListed = 1000

// maxName bounds names of nodes, groups, types and operations, in bytes.
const maxName = 200

func checkName(what, s string) error {
	switch {
	case s == "":
		return newError(KindInvalid, "give it", what+" is missing")
	case len(s) > maxName:
		return newError(KindInvalid, fmt.Sprintf("use at most %d bytes", maxName), fmt.Sprintf("%s is %d bytes long", what, len(s)))
	case !utf8.ValidString(s):
		return newError(KindInvalid, "use UTF-8", fmt.Sprintf("%s %q is not UTF-8", what, s))
	}
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return newError(KindInvalid, "use printable characters", fmt.Sprintf("%s %q has a character that cannot be printed", what, s))
		}
	}
	return nil
}

func nodeOf(r *http.Request) (string, error) {
	name := r.PathValue("node")
	return name, checkName("the name of the node", name)
}

func groupOf(r *http.Request) (string, error) {
	name := r.PathValue("name")
	return name, checkName("the name of the group", name)
}

// request reads what most requests have: no parameters and, where to is not nil, a body.
func request(w http.ResponseWriter, r *http.Request, to any) error {
	if q := readQuery(r); q.err != nil {
		return q.err
	}
	if to == nil {
		return nil
	}
	b, err := readBody(w, r)
	if err != nil {
		return err
	}
	return decodeBody(b, to)
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	if err := request(w, r, nil); err != nil {
		return err
	}
	v, err := s.node.Status(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, fullStatus(v))
}

func (s *Server) listNodes(w http.ResponseWriter, r *http.Request) error {
	if err := request(w, r, nil); err != nil {
		return err
	}
	v, err := s.node.Status(r.Context())
	if err != nil {
		return err
	}
	if v.Joining != nil && len(v.Problems) > 0 { // it knows no nodes, which is not that there are none
		return newError(KindUnavailable, v.Problems[0].Remedy, v.Problems[0].Reason)
	}
	return writeJSON(w, fullStatus(v).Nodes)
}

func (s *Server) showNode(w http.ResponseWriter, r *http.Request) error {
	name, err := nodeOf(r)
	if err == nil {
		err = request(w, r, nil)
	}
	if err != nil {
		return err
	}
	v, err := s.node.NodeDetail(r.Context(), name)
	if err != nil {
		return err
	}
	v.Groups, v.Problems = full(v.Groups), full(v.Problems)
	return writeJSON(w, v)
}

func (s *Server) checkNode(w http.ResponseWriter, r *http.Request) error {
	name, err := nodeOf(r)
	if err == nil {
		err = request(w, r, nil)
	}
	if err != nil {
		return err
	}
	v, err := s.node.CheckNode(r.Context(), name)
	if err != nil {
		return err
	}
	v.Groups = full(v.Groups)
	return writeJSON(w, v)
}

func (s *Server) gossipMembers(w http.ResponseWriter, r *http.Request) error {
	if err := request(w, r, nil); err != nil {
		return err
	}
	v, err := s.node.GossipMembers(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, full(v))
}

func (s *Server) drainProgress(w http.ResponseWriter, r *http.Request) error {
	name, err := nodeOf(r)
	if err == nil {
		err = request(w, r, nil)
	}
	if err != nil {
		return err
	}
	v, err := s.node.DrainProgress(r.Context(), name)
	if err != nil {
		return err
	}
	return writeJSON(w, v)
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) error {
	name, err := nodeOf(r)
	if err == nil {
		err = request(w, r, &struct{}{})
	}
	if err != nil {
		return err
	}
	return s.done(w, r, s.node.Drain(r.Context(), name), "drain a node", "node", name)
}

func (s *Server) undrain(w http.ResponseWriter, r *http.Request) error {
	name, err := nodeOf(r)
	if err == nil {
		err = request(w, r, &struct{}{})
	}
	if err != nil {
		return err
	}
	return s.done(w, r, s.node.Undrain(r.Context(), name), "end the drain of a node", "node", name)
}

type forgetBody struct {
	Force bool `json:"force"`
}

func (s *Server) forget(w http.ResponseWriter, r *http.Request) error {
	var body forgetBody
	name, err := nodeOf(r)
	if err == nil {
		err = request(w, r, &body)
	}
	if err != nil {
		return err
	}
	return s.done(w, r, s.node.ForgetNode(r.Context(), name, body.Force), "forget a node", "node", name, "force", body.Force)
}

func (s *Server) listGroups(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "prefix", "after", "limit")
	limit := q.number("limit")
	if q.err != nil {
		return q.err
	}
	if limit == 0 || limit > MaxGroupsListed {
		limit = MaxGroupsListed
	}
	v, err := s.node.ListGroups(r.Context(), q.text("prefix"), q.text("after"), int(limit))
	if err != nil {
		return err
	}
	for i := range v {
		v[i].Members, v[i].Target = full(v[i].Members), full(v[i].Target)
	}
	return writeJSON(w, full(v))
}

func (s *Server) showGroup(w http.ResponseWriter, r *http.Request) error {
	name, err := groupOf(r)
	if err == nil {
		err = request(w, r, nil)
	}
	if err != nil {
		return err
	}
	v, err := s.node.GroupStatus(r.Context(), name)
	if err != nil {
		return err
	}
	v.Members, v.Target, v.Problems = full(v.Members), full(v.Target), full(v.Problems)
	return writeJSON(w, v)
}

type addBody struct {
	Type     string `json:"type"`
	Replicas int    `json:"replicas"`
	Restore  bool   `json:"restore"`
}

func (s *Server) addGroup(w http.ResponseWriter, r *http.Request) error {
	var body addBody
	name, err := groupOf(r)
	if err == nil {
		err = request(w, r, &body)
	}
	if err == nil && (body.Type != "" || !body.Restore) {
		err = checkName("type", body.Type)
	}
	if err == nil && (body.Replicas < 0 || body.Replicas == 0 && !body.Restore) {
		err = newError(KindInvalid, "use 1 or more, usually 3", fmt.Sprintf("replicas is %d", body.Replicas))
	}
	if err != nil {
		return err
	}
	err = s.node.AddGroup(r.Context(), name, body.Type, body.Replicas, body.Restore)
	return s.done(w, r, err, "add a group", "group", name, "type", body.Type, "replicas", body.Replicas, "restore", body.Restore)
}

func (s *Server) removeGroup(w http.ResponseWriter, r *http.Request) error {
	name, err := groupOf(r)
	if err != nil {
		return err
	}
	q := readQuery(r, "keep")
	keep := q.flag("keep")
	if q.err != nil {
		return q.err
	}
	return s.done(w, r, s.node.RemoveGroup(r.Context(), name, keep), "remove a group", "group", name, "keep", keep)
}

type transferBody struct {
	To string `json:"to"`
}

func (s *Server) transfer(w http.ResponseWriter, r *http.Request) error {
	var body transferBody
	name, err := groupOf(r)
	if err == nil {
		err = request(w, r, &body)
	}
	if err == nil {
		err = checkName("to", body.To)
	}
	if err != nil {
		return err
	}
	return s.done(w, r, s.node.TransferLeader(r.Context(), name, body.To), "transfer the leader of a group", "group", name, "to", body.To)
}

type recoverBody struct {
	Confirm string `json:"confirm"`
}

func (s *Server) recoverGroup(w http.ResponseWriter, r *http.Request) error {
	var body recoverBody
	name, err := groupOf(r)
	if err == nil {
		err = request(w, r, &body)
	}
	if err == nil && body.Confirm != name {
		err = newError(KindRefused, "set confirm to the name of the group once you accept that it may lose acknowledged commands", fmt.Sprintf("recovering group %q is not confirmed", name))
	}
	if err != nil {
		return err
	}
	return s.done(w, r, s.node.RecoverGroup(r.Context(), name, body.Confirm), "recover a group", "group", name)
}

func (s *Server) listArchives(w http.ResponseWriter, r *http.Request) error {
	if err := request(w, r, nil); err != nil {
		return err
	}
	v, err := s.node.Archives(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, full(v))
}

func (s *Server) dropArchive(w http.ResponseWriter, r *http.Request) error {
	name, err := groupOf(r)
	if err == nil {
		err = request(w, r, nil)
	}
	if err != nil {
		return err
	}
	return s.done(w, r, s.node.DropArchive(r.Context(), name), "drop an archive", "archive", name)
}

func (s *Server) operation(w http.ResponseWriter, r *http.Request) (group, op string, body []byte, err error) {
	if group, err = groupOf(r); err != nil {
		return
	}
	op = r.PathValue("op")
	if err = checkName("the operation", op); err != nil {
		return
	}
	if body, err = readBody(w, r); err != nil {
		return
	}
	body = bytes.TrimSpace(body) // nothing but blanks is no argument
	return group, op, body, checkJSON(body)
}

func (s *Server) call(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "command_id")
	if q.err != nil {
		return q.err
	}
	group, op, body, err := s.operation(w, r)
	if err != nil {
		return err
	}
	result, err := s.node.CallJSON(r.Context(), group, op, body, q.text("command_id"))
	if err != nil {
		return err
	}
	return writeRaw(w, orNull(result))
}

func (s *Server) query(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "local", "stale")
	local, stale := q.flag("local"), q.duration("stale")
	if local && stale > 0 {
		q.fail("choose one", "local and stale exclude each other")
	}
	if q.err != nil {
		return q.err
	}
	group, op, body, err := s.operation(w, r)
	if err != nil {
		return err
	}
	result, err := s.node.QueryJSON(r.Context(), group, op, body, local, stale)
	if err != nil {
		return err
	}
	return writeRaw(w, orNull(result))
}

// orNull keeps the promise that an answer is JSON where an operation has no result.
func orNull(b []byte) []byte {
	if len(b) == 0 {
		return []byte("null")
	}
	return b
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "after", "wait")
	after, wait := q.number("after"), q.flag("wait")
	if q.err != nil {
		return q.err
	}
	limit := readTimeout
	if wait {
		select {
		case s.waits <- struct{}{}:
			defer func() { <-s.waits }()
		default:
			return newError(KindOverloaded, "ask without wait, or later", fmt.Sprintf("%d callers wait for events already", cap(s.waits)))
		}
		limit = eventWait
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	v, err := s.node.Events(ctx, after, wait)
	// A wait that nothing came of is no failure: the caller waits again.
	over := wait && ctx.Err() != nil && r.Context().Err() == nil
	if err != nil && !over {
		return err
	}
	return writeJSON(w, full(v))
}

type health struct {
	OK bool `json:"ok"`
}

func (s *Server) live(w http.ResponseWriter, r *http.Request) error {
	return answerHealth(w, s.node.Live(), "restart the process")
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	return answerHealth(w, s.node.Ready(), "send new work to another node")
}

func answerHealth(w http.ResponseWriter, err error, remedy string) error {
	if err == nil {
		return writeJSON(w, health{OK: true})
	}
	return newError(KindUnhealthy, remedy, err.Error())
}

// full makes a list that is nil empty: in JSON it is then [] and not null.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func fullStatus(v view.Status) view.Status {
	v.Nodes, v.Problems, v.Catalogue.Voters = full(v.Nodes), full(v.Problems), full(v.Catalogue.Voters)
	if j := v.Joining; j != nil {
		j.Join, j.Errors = full(j.Join), full(j.Errors)
	}
	return v
}
