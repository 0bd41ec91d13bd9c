package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// disarm leaves of all commands what reads their command line.
func disarm(cmd *cobra.Command) {
	if cmd.RunE != nil && !cmd.HasSubCommands() {
		cmd.RunE = func(*cobra.Command, []string) error { return nil }
	}
	cmd.ValidArgsFunction = nil
	for _, under := range cmd.Commands() {
		disarm(under)
	}
}

// FuzzCommandLine reads anything as a command line, one argument a line: it is
// understood, or refused with exit code 2 and a reason.
func FuzzCommandLine(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	for name, line := range map[string]string{
		"empty": "", "status": "status", "call": "call orders add -1", "call-json": `call orders put {"k":1} --output=json`,
		"add": "group add orders --type counter --replicas 3", "remove": "group rm orders --keep -y", "unknown-command": "grup ls",
		"unknown-flag": "status --colour red", "flag-without-value": "status --addr", "flag-torn": "status --outp json",
		"huge-number": "group add g --type t --replicas 99999999999999999999", "too-many-arguments": "group show a b c",
		"too-few-arguments": "group show", "output-unknown": "status -o yaml", "timeout-below-zero": "status --timeout -3s",
		"cert-without-key": "status --cert c.pem", "marks": "-- -- call -- -1 --", "dash": "call g op -", "help": "help group add",
		"long-name": "group show " + strings.Repeat("g", 2000), "not-utf8": "group show \xff", "empty-name": "group show  ",
	} {
		seeds.Add(name, strings.ReplaceAll(line, " ", "\n"))
	}
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\n")
		for _, arg := range args {
			if strings.HasPrefix(arg, cobra.ShellCompRequestCmd) {
				t.Skip("asks a node")
			}
		}
		var out, errs bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, errs: &errs, env: func(string) string { return "" }}
		root := newRoot(a)
		disarm(root)
		root.SetArgs(negativeLast(args))
		root.SetOut(&out)
		root.SetErr(&errs)
		code := a.report(context.Background(), root.ExecuteContext(context.Background()))
		if code != exitDone && code != exitUsage && code != exitError || code != exitDone && errs.Len() == 0 {
			t.Fatalf("%q: exit code %d, %q", args, code, errs.String())
		}
	})
}

// FuzzTLSFiles damages one of the files that --ca, --cert and --key name.
func FuzzTLSFiles(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Files()
	fuzzseeds.Keep(f, seeds)
	certificate, key := fuzzseeds.Certificate(f)
	sound := [][]byte{certificate, key, certificate}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, which uint8, at uint16, change []byte, cut bool) {
		var names []string
		for i, b := range sound {
			if i == int(which)%len(sound) {
				b = fuzzseeds.Damage(b, at, change, cut)
			}
			names = append(names, filepath.Join(dir, []string{"cert", "key", "ca"}[i]))
			if err := os.WriteFile(names[i], b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a := &app{cert: names[0], key: names[1], ca: names[2]}
		c, err := a.tls(true)
		switch {
		case err != nil && (!strings.Contains(err.Error(), "--c") || admin.RemedyOf(err) == ""):
			t.Fatalf("the error names no flag or no remedy: %v", err)
		case err == nil && (len(c.Certificates) != 1 || c.RootCAs == nil):
			t.Fatalf("TLS lacks something: %+v", c)
		}
	})
}
