package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/raftfleet/raftfleet/internal/harness"
)

// churnRows are the lines of the table, with a column for each phase.
var churnRows = []struct {
	name  string
	value func(harness.Phase) string
}{
	{"balanced after, s", func(p harness.Phase) string {
		switch {
		case p.Error != "":
			return "not"
		case p.Held != "":
			return fmt.Sprintf("held %.1f", p.Seconds)
		}
		return fmt.Sprintf("%.1f", p.Seconds)
	}},
	{"writes a second", func(p harness.Phase) string { return fmt.Sprintf("%.0f", p.Goodput) }},
	{"half of them within, ms", func(p harness.Phase) string { return fmt.Sprintf("%.1f", 1000*p.P50) }},
	{"99 % of them within, ms", func(p harness.Phase) string { return fmt.Sprintf("%.1f", 1000*p.P99) }},
	{"errors", func(p harness.Phase) string { return fmt.Sprint(p.Failed) }},
	{"refused and done anew", func(p harness.Phase) string { return fmt.Sprint(p.Retried) }},
	{"of unknown outcome", func(p harness.Phase) string { return fmt.Sprint(p.Unknown) }},
	{"longest gap of a group, s", func(p harness.Phase) string { return fmt.Sprintf("%.2f", p.Gap) }},
	{"  in election timeouts", func(p harness.Phase) string { return fmt.Sprintf("%.2f", p.Gap/electionTimeout.Seconds()) }},
	{"  of 99 % of the groups, s", func(p harness.Phase) string { return fmt.Sprintf("%.2f", p.GapP99) }},
	{"  of which measuring, s, up to", func(p harness.Phase) string { return fmt.Sprintf("%.2f", p.Late) }},
	{"members moved", func(p harness.Phase) string { return fmt.Sprint(p.Moved) }},
	{"  the least possible", func(p harness.Phase) string { return fmt.Sprint(p.Least) }},
	{"  moved / least", func(p harness.Phase) string {
		if p.Least == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", float64(p.Moved)/float64(p.Least))
	}},
	{"members, max / average", func(p harness.Phase) string { return fmt.Sprintf("%.3f", p.MembersMax) }},
	{"leaders, max / average", func(p harness.Phase) string { return fmt.Sprintf("%.3f", p.LeadersMax) }},
	{"members, max / share", func(p harness.Phase) string { return orDash(p.MembersShare) }},
	{"leaders, max / share", func(p harness.Phase) string { return orDash(p.LeadersShare) }},
}

func orDash(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", v)
}

func (r churnResult) table(w io.Writer) error {
	fmt.Fprintf(w, "churn: %d nodes in %d zones, %d groups of %d, %.0f writes a second due\n\n", r.Nodes, r.Zones, r.Groups, r.Replicas, r.Rate)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, value func(harness.Phase) string) {
		fmt.Fprintf(t, "  %-31s\t", name)
		for _, p := range r.Phases {
			fmt.Fprintf(t, "%s\t", value(p))
		}
		fmt.Fprintln(t)
	}
	line("", func(p harness.Phase) string { return p.Name })
	for _, row := range churnRows {
		line(row.name, row.value)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, p := range r.Phases {
		nodes := ""
		if len(p.Nodes) > 0 {
			nodes = " (" + strings.Join(p.Nodes, ", ") + ")"
		}
		what := p.State + ": " + p.Why
		if p.Held != "" {
			what = "the brake holds: " + p.Held
		}
		if p.Error != "" {
			what = "IT DID NOT END AS IT SHOULD: " + p.Error
		}
		fmt.Fprintf(w, "  %s%s: %s\n", p.Name, nodes, what)
		if p.GapGroup != "" {
			fmt.Fprintf(w, "    the longest gap was that of %s, from %s on\n", p.GapGroup, p.GapFrom.Format("15:04:05.000"))
		}
	}
	verdict := "all of them are accounted for"
	if !r.Accounted {
		verdict = "NOT ACCOUNTED FOR"
	}
	_, err := fmt.Fprintf(w, "\n  %d writes acknowledged, %d of unknown outcome of which %d were applied, counted %d: %s\n  the longest gap is %.2f election timeouts\n",
		r.Acknowledged, r.Unknown, r.Applied, r.Counted, verdict, r.GapRatio)
	return err
}
