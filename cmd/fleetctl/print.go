package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
)

// grid is a table before it is known who reads it.
type grid struct {
	header []string
	rows   [][]string
	spare  bool // leave out, on a terminal, columns that say nothing in any row
}

// telling returns the grid without columns in which every cell is empty or 0.
func (g *grid) telling() *grid {
	out := &grid{rows: make([][]string, len(g.rows))}
	for i, h := range g.header {
		if len(g.rows) > 0 && !slices.ContainsFunc(g.rows, func(r []string) bool { return r[i] != "" && r[i] != "0" }) {
			continue
		}
		out.header = append(out.header, h)
		for j, r := range g.rows {
			out.rows[j] = append(out.rows[j], r[i])
		}
	}
	return out
}

func (g *grid) add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = oneLine(fmt.Sprint(c))
	}
	g.rows = append(g.rows, row)
}

// printGrid draws the grid on a terminal, and separates it by tabs elsewhere.
func (a *app) printGrid(g *grid) error {
	if a.outTerminal {
		if g.spare {
			g = g.telling()
		}
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.Style().Options = table.OptionsNoBordersAndSeparators
		t.Style().Format.Header = 0
		if !a.noHeaders {
			t.AppendHeader(cells(g.header, nil))
		}
		for _, r := range g.rows {
			row := cells(r, a.paint)
			if g.header[0] == "FACT" { // the name of a fact is no state, even if it reads like one
				row[0] = r[0]
			}
			t.AppendRow(row)
		}
		_, err := fmt.Fprintln(a.out, t.Render())
		return err
	}
	var b strings.Builder
	if !a.noHeaders {
		b.WriteString(strings.Join(g.header, "\t") + "\n")
	}
	for _, r := range g.rows {
		b.WriteString(strings.Join(r, "\t") + "\n")
	}
	_, err := fmt.Fprint(a.out, b.String())
	return err
}

func cells(row []string, paint func(string) string) table.Row {
	out := make(table.Row, len(row))
	for i, c := range row {
		switch {
		case c == "":
			c = "-"
		case paint != nil:
			c = paint(c)
		}
		out[i] = c
	}
	return out
}

// tones are the words that deserve a colour wherever they stand alone.
var tones = map[string]string{
	"active": "32", "leader": "32", "ok": "32", "alive": "32", "balanced": "32", "even": "32",
	"joining": "33", "draining": "33", "learner": "33", "outgoing": "33", "suspect": "33",
	"moving": "33", "waiting": "33", "uneven": "33",
	"inactive": "90",
	"dead":     "31", "failed": "31", "unresponsive": "31", "no leader": "31",
	"paused": "31", "held": "31", "stuck": "31", "short": "31", "beware": "31",
}

func (a *app) paint(s string) string {
	tone, ok := tones[s]
	if !ok || a.env("NO_COLOR") != "" || a.env("TERM") == "dumb" {
		return s
	}
	return "\x1b[" + tone + "m" + s + "\x1b[0m"
}

func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// oneLine keeps text from the fleet from being taken for tabs, lines or commands to
// the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
