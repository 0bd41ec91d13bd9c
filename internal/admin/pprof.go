package admin

import (
	"fmt"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"
	"time"
)

// Profiles are served from runtime/pprof and not from net/http/pprof, which would
// also put them on the default mux of the program that embeds a node.

const maxProfile = 5 * time.Minute

func profileNamed(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("profile")
	q := readQuery(r, "debug", "gc")
	debug := q.number("debug")
	if q.err != nil {
		return q.err
	}
	p := pprof.Lookup(name)
	if p == nil {
		return newError(KindNotFound, "known are: profile, trace, "+strings.Join(profileNames(), ", "), fmt.Sprintf("there is no profile %q", name))
	}
	binaryHeader(w, debug > 0)
	if err := p.WriteTo(w, int(min(debug, 2))); err != nil {
		panic(http.ErrAbortHandler) // the answer has begun: all that is left is to break it off
	}
	return nil
}

func profileNames() []string {
	var names []string
	for _, p := range pprof.Profiles() {
		names = append(names, p.Name())
	}
	slices.Sort(names)
	return names
}

func profileIndex(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, append([]string{"profile", "trace"}, profileNames()...))
}

func profileCPU(w http.ResponseWriter, r *http.Request) error {
	return record(w, r, 30*time.Second, func() error { return pprof.StartCPUProfile(w) }, pprof.StopCPUProfile)
}

func profileTrace(w http.ResponseWriter, r *http.Request) error {
	return record(w, r, time.Second, func() error { return trace.Start(w) }, trace.Stop)
}

// record runs one of the recorders, of which the process has one each.
func record(w http.ResponseWriter, r *http.Request, length time.Duration, start func() error, stop func()) error {
	q := readQuery(r, "seconds")
	if s := q.number("seconds"); s > 0 {
		length = time.Duration(min(s, uint64(maxProfile/time.Second))) * time.Second
	}
	if q.err != nil {
		return q.err
	}
	binaryHeader(w, false)
	if err := start(); err != nil {
		return newError(KindOverloaded, "wait until the other recording ends", fmt.Sprintf("recording could not start: %v", err))
	}
	defer stop()
	end := time.NewTimer(length)
	defer end.Stop()
	select {
	case <-end.C:
	case <-r.Context().Done():
	}
	return nil
}

func binaryHeader(w http.ResponseWriter, text bool) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "application/octet-stream")
	if text {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
}
