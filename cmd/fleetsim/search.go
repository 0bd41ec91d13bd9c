package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/internal/explore"
)

// chosenScopes reads --scope.
func chosenScopes(names string) ([]explore.Scope, error) {
	if names == "small" {
		return explore.Small(), nil
	}
	known := slices.Concat(explore.Small(), explore.Large())
	var chosen []explore.Scope
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(known, func(s explore.Scope) bool { return s.Name == name })
		if i < 0 {
			all := []string{"small"}
			for _, s := range known {
				all = append(all, s.Name)
			}
			return nil, fmt.Errorf("--scope is %q: give some of %s", name, strings.Join(all, ", "))
		}
		chosen = append(chosen, known[i])
	}
	return chosen, nil
}

// searched is what became of a search.
type searched struct {
	result explore.Result
	err    error
}

// runSearch searches scopes, one after the other, until one breaks a promise. A
// search that is interrupted is left: the program ends.
func runSearch(ctx context.Context, s *settings, stdout, stderr io.Writer) (report, bool, error) {
	began := time.Now()
	r := report{Violations: []string{}, Planted: plantedBug}
	for _, scope := range s.scopes {
		done := make(chan searched, 1)
		go func() {
			var found searched
			defer func() {
				if value := recover(); value != nil {
					found.result = explore.Result{Scope: scope.Name, Broken: fmt.Sprintf("%s: %v", noPanic, value)}
					tellPanic(stderr, value)
				}
				done <- found
			}()
			found.result, found.err = explore.Run(scope)
		}()
		select {
		case <-ctx.Done():
			return r, true, fmt.Errorf("scope %s: %w", scope.Name, context.Cause(ctx))
		case found := <-done:
			if found.err != nil {
				return r, true, found.err
			}
			result := found.result
			r.States += int64(result.States)
			r.Checked += int64(result.Transitions)
			if !s.json {
				fmt.Fprintln(stdout, result.String())
			}
			if result.Broken != "" {
				r.Violations = append(r.Violations, result.Broken)
				r.Replay = program() + " --scope " + scope.Name
				r.Seconds = time.Since(began).Seconds()
				return r, true, nil
			}
		}
	}
	r.Seconds = time.Since(began).Seconds()
	return r, false, nil
}
