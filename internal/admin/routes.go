package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// endpoint answers one method of one path. What it returns as an error becomes
// the answer, so it must not have begun one.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// path is one path with its methods.
type path struct {
	pattern string
	methods map[string]endpoint
	open    bool          // health: neither token nor bound on the number of requests
	looks   bool          // changes nothing, whatever its method
	timeout time.Duration // for those that only look; zero = readTimeout, negative = none
}

// TimeoutHeader says how long a request may take, where that is less than the server
// allows.
const TimeoutHeader = "Raftfleet-Timeout"

func get(e endpoint) map[string]endpoint  { return map[string]endpoint{http.MethodGet: e} }
func post(e endpoint) map[string]endpoint { return map[string]endpoint{http.MethodPost: e} }

func (s *Server) paths() []path {
	all := []path{
		{pattern: "/v1/status", methods: get(s.status)},
		{pattern: "/v1/nodes", methods: get(s.listNodes)},
		{pattern: "/v1/nodes/{node}", methods: get(s.showNode)},
		{pattern: "/v1/nodes/{node}/check", methods: get(s.checkNode)},
		{pattern: "/v1/nodes/{node}/drain", methods: map[string]endpoint{http.MethodGet: s.drainProgress, http.MethodPost: s.drain}},
		{pattern: "/v1/nodes/{node}/undrain", methods: post(s.undrain)},
		{pattern: "/v1/nodes/{node}/forget", methods: post(s.forget)},
		{pattern: "/v1/gossip/members", methods: get(s.gossipMembers)},
		{pattern: "/v1/groups", methods: get(s.listGroups)},
		{pattern: "/v1/groups/{name}", methods: map[string]endpoint{http.MethodGet: s.showGroup, http.MethodPost: s.addGroup, http.MethodDelete: s.removeGroup}},
		{pattern: "/v1/groups/{name}/transfer", methods: post(s.transfer)},
		{pattern: "/v1/groups/{name}/recover", methods: post(s.recoverGroup)},
		{pattern: "/v1/groups/{name}/explain", methods: get(s.explain)},
		{pattern: "/v1/groups/{name}/call/{op}", methods: post(s.call)},
		{pattern: "/v1/groups/{name}/query/{op}", methods: post(s.query), looks: true},
		{pattern: "/v1/balance", methods: get(s.balance)},
		{pattern: "/v1/balance/plan", methods: get(s.balancePlan)},
		{pattern: "/v1/balance/moves", methods: get(s.balanceMoves)},
		{pattern: "/v1/balance/skew", methods: get(s.skew)},
		{pattern: "/v1/balance/whatif", methods: post(s.whatIf), looks: true},
		{pattern: "/v1/balance/pause", methods: post(s.pauseMoves)},
		{pattern: "/v1/balance/resume", methods: post(s.resumeMoves)},
		{pattern: "/v1/balance/limits", methods: map[string]endpoint{http.MethodGet: s.balanceLimits, http.MethodPost: s.setLimits}},
		{pattern: "/v1/archives", methods: get(s.listArchives)},
		{pattern: "/v1/archives/{name}", methods: map[string]endpoint{http.MethodDelete: s.dropArchive}},
		{pattern: "/v1/events", methods: get(s.events), timeout: -1},
		{pattern: "/livez", methods: get(s.live), open: true},
		{pattern: "/readyz", methods: get(s.ready), open: true},
		{pattern: "/metrics", methods: get(s.showMetrics)},
		{pattern: "/", methods: nil},
	}
	if s.options.Profiles {
		all = append(all,
			path{pattern: "/debug/pprof/{$}", methods: get(profileIndex)},
			path{pattern: "/debug/pprof/{profile}", methods: get(profileNamed), timeout: -1},
			path{pattern: "/debug/pprof/profile", methods: get(profileCPU), timeout: -1},
			path{pattern: "/debug/pprof/trace", methods: get(profileTrace), timeout: -1})
	}
	return all
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, p := range s.paths() {
		mux.Handle(p.pattern, s.serve(p))
	}
	return mux
}

// serve puts around a path what all of them have in common.
func (s *Server) serve(p path) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		w.Header().Set("Cache-Control", "no-store")
		answer := &answered{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				s.log.Error("the admin API failed to serve a request", "method", r.Method, "path", p.pattern, "panic", v, "stack", string(debug.Stack()))
				if answer.status != 0 {
					panic(http.ErrAbortHandler)
				}
				writeError(answer, newError(KindInternal, kinds[KindInternal].remedy, "the node failed to serve this request"))
			}
			s.metrics.observe(p.pattern, r.Method, answer.status, time.Since(began))
		}()
		err := s.dispatch(p, answer, r)
		if err == nil {
			return
		}
		e := asError(err, changesState(r.Method) && !p.looks)
		if changesState(r.Method) && !p.looks && e.Class == KindInternal {
			s.log.Warn("a change that was asked for through the admin API failed", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
		}
		writeError(answer, e)
	})
}

func (s *Server) dispatch(p path, w http.ResponseWriter, r *http.Request) error {
	if !p.open {
		if e := s.guard.check(r); e != nil {
			return e
		}
	}
	if p.methods == nil {
		return newError(KindNotFound, "the paths begin with /v1/; health is at /livez and /readyz", fmt.Sprintf("there is no path %s here", r.URL.Path))
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do := p.methods[method]
	if do == nil {
		var allowed []string
		for m := range p.methods {
			allowed = append(allowed, m)
		}
		slices.Sort(allowed)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return newError(KindInvalid, "use "+strings.Join(allowed, " or "), fmt.Sprintf("%s is not a method of %s", r.Method, p.pattern)).withStatus(http.StatusMethodNotAllowed)
	}
	if !p.open {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			return newError(KindOverloaded, kinds[KindOverloaded].remedy, fmt.Sprintf("the admin API serves %d requests already", cap(s.slots)))
		}
	}
	if p.timeout >= 0 {
		timeout := p.timeout
		switch {
		case changesState(r.Method) && !p.looks:
			timeout = changeTimeout
		case timeout == 0:
			timeout = readTimeout
		}
		if text := r.Header.Get(TimeoutHeader); text != "" {
			own, err := time.ParseDuration(text)
			if err != nil || own <= 0 {
				return newError(KindInvalid, "use a duration greater than zero such as 5s", fmt.Sprintf("%s is %q, which is no duration greater than zero", TimeoutHeader, text))
			}
			timeout = min(timeout, own)
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	return do(w, r)
}

// answered remembers what was answered.
type answered struct {
	http.ResponseWriter
	status int
}

func (a *answered) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answered) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// writeJSON encodes before it answers, so that a failure can still be told.
func writeJSON(w http.ResponseWriter, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("the answer cannot be written as JSON: %w", err)
	}
	return writeRaw(w, b.Bytes())
}

func writeRaw(w http.ResponseWriter, b []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	w.Write(b) // a caller who has gone needs no answer
	return nil
}

func writeError(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	status := e.Status
	if status == 0 {
		status = kinds[KindOf(e)].status
	}
	if status == 0 {
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(e)
}

// done answers a change that has nothing to tell.
func (s *Server) done(w http.ResponseWriter, r *http.Request, err error, what string, args ...any) error {
	if err != nil {
		return err
	}
	s.log.Info("changed through the admin API: "+what, append(args, "from", r.RemoteAddr)...)
	return writeJSON(w, struct{}{})
}
