package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// load reads settings from flags, an environment and the text of a file.
func load(t *testing.T, flags []string, environment map[string]string, file string) (settings, error) {
	t.Helper()
	name := ""
	if file != "" {
		name = filepath.Join(t.TempDir(), "fleetd.toml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	given := pflag.NewFlagSet("test", pflag.ContinueOnError)
	s := defaultSettings()
	s.bind(given)
	if err := given.Parse(flags); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) { v, ok := environment[name]; return v, ok }
	return loadSettings(given, lookup, name)
}

func TestAFlagCountsBeforeAVariableBeforeTheFile(t *testing.T) {
	s, err := load(t,
		[]string{"--name", "flag", "--join", "a:1", "--join", "b:2,c:3"},
		map[string]string{"FLEET_NAME": "variable", "FLEET_ZONE": "variable", "FLEET_JOIN": "x:9", "FLEET_DRAIN_TIMEOUT": "5s"},
		"name = 'file'\nzone = 'file'\nweight = 3\npurge-after = '1h'\nlocal = true\njoin = ['y:8', 'z:7']\nlog-format = 'json'\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "flag" || s.Zone != "variable" || s.Weight != 3 || !s.Local || s.LogFormat != "json" {
		t.Errorf("got name %q, zone %q, weight %d, local %v, log format %q", s.Name, s.Zone, s.Weight, s.Local, s.LogFormat)
	}
	if time.Duration(s.PurgeAfter) != time.Hour || time.Duration(s.DrainTimeout) != 5*time.Second {
		t.Errorf("got purge after %s and drain timeout %s", s.PurgeAfter, s.DrainTimeout)
	}
	if !slices.Equal(s.Join, []string{"a:1", "b:2", "c:3"}) {
		t.Errorf("got join %q: what is given by flags must replace, not add to, what came before", s.Join)
	}
	if s.Listen != defaultSettings().Listen {
		t.Errorf("got listen %q, which nobody set", s.Listen)
	}
}

func TestEverySettingIsAKeyOfTheFile(t *testing.T) {
	var file strings.Builder
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	s := defaultSettings()
	s.bind(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		value := "'" + f.Value.String() + "'"
		switch f.Value.Type() {
		case "int", "bool":
			value = f.Value.String()
		case s.Join.Type():
			value = "['h:1']"
		}
		file.WriteString(f.Name + " = " + value + "\n")
	})
	if _, err := load(t, nil, nil, file.String()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsWrongIsNamedWithItsPlace(t *testing.T) {
	tests := []struct {
		what        string
		environment map[string]string
		file        string
		want        []string
	}{
		{"an unknown key", nil, "name = 'a'\npurge_after = '1m'\n", []string{"fleetd.toml:2", `"purge_after"`}},
		{"a table", nil, "\n[node]\nname = 'a'\n", []string{"fleetd.toml:2", `"node"`}},
		{"a negative duration", nil, "settle = '-1s'\n", []string{"fleetd.toml:1", "settle", "negative"}},
		{"a bad duration", nil, "settle = 'soon'\n", []string{"fleetd.toml:1", "settle", "500ms"}},
		{"a value of the wrong kind", nil, "weight = 'heavy'\n", []string{"fleetd.toml:1", "weight", "wrong kind"}},
		{"bad syntax", nil, "name = 'a'\nzone\n", []string{"fleetd.toml:2"}},
		{"a bad variable", map[string]string{"FLEET_WEIGHT": "heavy"}, "", []string{"FLEET_WEIGHT", `"heavy"`, "number"}},
		{"a bad level", map[string]string{"FLEET_LOG_LEVEL": "loud"}, "", []string{"FLEET_LOG_LEVEL", "debug, info, warn or error"}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			_, err := load(t, nil, test.environment, test.file)
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestSettingsThatCannotBeAreUsageErrors(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string][]string{
		"--data":              nil,
		"exclude each other":  {"--data", "x", "--in-memory"},
		"--weight":            {"--in-memory", "--weight", "0"},
		"--gossip":            {"--in-memory", "--gossip", "nowhere"},
		"--founders":          {"--in-memory", "--founders", "-1"},
		"admin token":         {"--in-memory", "--admin-token-file", "/nowhere/at/all"},
		`--join is "h"`:       {"--in-memory", "--join", "g:1,h"},
		"--join is \"h:0\"":   {"--in-memory", "--join", "h:0"},
		"--listen":            {"--in-memory", "--listen", "127.0.0.1:99999"},
		"--admin is":          {"--in-memory", "--admin", "127.0.0.1:many"},
		"--purge-after is 0s": {"--in-memory", "--purge-after", "0s"},
		`--zone "a b"`:        {"--in-memory", "--zone", "a b"},
		"is empty":            {"--in-memory", "--admin-token-file", empty},
	}
	for want, flags := range tests {
		s, err := load(t, flags, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.config(slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%q was taken", flags)
			continue
		}
		if _, usage := err.(usageError); !usage || !strings.Contains(oneLine(err), want) {
			t.Errorf("%q: %q is no usage error that says %q", flags, oneLine(err), want)
		}
	}
}

func TestWithoutASettingTheNodeDecidesHowLongItWaitsForQuiet(t *testing.T) {
	for _, test := range []struct {
		flags []string
		want  time.Duration
	}{
		{nil, 0},
		{[]string{"--settle", "0s"}, 0},
		{[]string{"--settle", "0s", "--local"}, 0},
		{[]string{"--settle", "1m"}, time.Minute},
	} {
		s, err := load(t, append([]string{"--in-memory"}, test.flags...), nil, "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.config(slog.New(slog.DiscardHandler))
		if err != nil || c.Settle != test.want {
			t.Errorf("%q: the node is told %s (%v), not %s", test.flags, c.Settle, err, test.want)
		}
	}
	if _, err := load(t, nil, map[string]string{"FLEET_SETTLE": "-1s"}, ""); err == nil || !strings.Contains(err.Error(), "negative") {
		t.Errorf("a negative one: %v", err)
	}
	s := settings{InMemory: true, Weight: 1, PurgeAfter: 1, Settle: -1}
	if _, err := s.config(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "--settle is -1ns") {
		t.Errorf("a negative one: %v", err)
	}
	var help strings.Builder
	if code := execute([]string{"run", "--help"}, &help, io.Discard); code != 0 || !strings.Contains(help.String(), "0s: the default (default 30s, with --local 2s)") {
		t.Errorf("exit %d, %s", code, help.String())
	}
}

func TestExitCodes(t *testing.T) {
	tests := []struct {
		args []string
		want int
	}{
		{[]string{"version"}, 0},
		{[]string{"run", "--help"}, 0},
		{[]string{"walk"}, exitUsage},
		{[]string{"run"}, exitUsage},
		{[]string{"run", "--weigth", "1"}, exitUsage},
		{[]string{"run", "now"}, exitUsage},
		{[]string{"run", "--config", "/nowhere/at/all"}, exitUsage},
		{[]string{"run", "--in-memory", "--join", "h"}, exitUsage},
		{[]string{"run", "--in-memory", "--purge-after", "-1s"}, exitUsage},
		{[]string{"demo", "--nodes", "2", "--zones", "3"}, exitUsage},
		{[]string{"demo", "--for", "1ms"}, exitUsage},
		{[]string{"run", "--in-memory", "--admin", "0.0.0.0:0", "--gossip", "127.0.0.1:0", "--listen", "127.0.0.1:0"}, exitUsage},
	}
	for _, test := range tests {
		var errs strings.Builder
		if got := execute(test.args, io.Discard, &errs); got != test.want {
			t.Errorf("fleetd %s: exit %d, not %d: %s", strings.Join(test.args, " "), got, test.want, errs.String())
		}
		if test.want != 0 && strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("fleetd %s: %q is not one line", strings.Join(test.args, " "), errs.String())
		}
	}
}

func TestTheExampleFileIsRight(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("dist", "fleetd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := load(t, []string{"--in-memory"}, nil, string(b))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.config(slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}
