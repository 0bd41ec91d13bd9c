package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
)

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, a *app, args []string) int {
	defer a.close()
	root := newRoot(a)
	root.SetArgs(negativeLast(args))
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errs)
	return a.report(ctx, root.ExecuteContext(ctx))
}

// negativeLast lets `call orders add -1` mean what it says: a negative number is no
// flag, so it goes to the end, behind the mark after which there are none.
func negativeLast(args []string) []string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9' {
			return slices.Concat(args[:i], args[i+1:], []string{"--", arg})
		}
	}
	return args
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "fleetctl",
		Short: "Look at a fleet and change it",
		Long: "fleetctl speaks to the admin API of one node of a fleet, whichever: all tell and do the same.\n" +
			"Nodes are named by name or id. The log commands ask no node: they read a folder of this machine.\n\n" +
			"Exit codes: 0 done, 1 error, 2 usage, 3 unreachable, 4 not found, 5 unhealthy or check failed,\n" +
			"6 refused, 7 outcome unknown, 130 interrupted.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              noSuchCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkFlags() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("see "+cmd.CommandPath()+" --help", "%v", err)
	})
	f := root.PersistentFlags()
	f.StringVar(&a.addr, "addr", "", "admin address of a node (default $FLEET_ADDR or "+admin.DefaultAddr+")")
	f.StringVarP(&a.output, "output", "o", outputTable, "table or json")
	f.BoolVar(&a.noHeaders, "no-headers", false, "leave out the line of headings")
	f.DurationVar(&a.timeout, "timeout", 30*time.Second, "how long one request may take")
	f.StringVar(&a.tokenFile, "token-file", "", "file with the token of the admin API (default $FLEET_TOKEN, the token itself)")
	f.StringVar(&a.ca, "ca", "", "file with the certificates that sign those of the nodes; speaks https")
	f.StringVar(&a.cert, "cert", "", "file with the client's certificate")
	f.StringVar(&a.key, "key", "", "file with the key of the client's certificate")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{outputTable, outputJSON}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		newStatus(a), newEvents(a), newDoctor(a), newVersion(a), newCompletion(a), newCall(a), newQuery(a),
		parent("node", "The nodes of the fleet", newNodeList(a), newNodeShow(a), newNodeDrain(a), newNodeUndrain(a), newNodeForget(a),
			newNodeCheck(a), newNodeWait(a)),
		parent("group", "The groups of the fleet", newGroupList(a), newGroupShow(a), newGroupMembers(a), newGroupAdd(a), newGroupRemove(a), newGroupTransfer(a), newGroupRecover(a)),
		newBalance(a),
		parent("archive", "The states that were kept of removed groups", newArchiveList(a), newArchiveRemove(a)),
		parent("gossip", "What the gossip of the asked node knows", newGossipMembers(a)),
		parent("log", "The log in a data folder, offline", newLogInspect(a), newLogVerify(a)),
	)
	return root
}

// parent is a command that only has others under it.
func parent(name, short string, under ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: noSuchCommand}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var names []string
		for _, c := range under {
			names = append(names, c.Name())
		}
		return usagef("it has "+strings.Join(names, ", "), "%s needs a command", cmd.CommandPath())
	}
	cmd.AddCommand(under...)
	return cmd
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	remedy := "see " + cmd.CommandPath() + " --help"
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		remedy = "do you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef(remedy, "%s has no command %q", cmd.CommandPath(), args[0])
}

// someArguments wants one or more of these.
func someArguments(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		remedy := "use " + strings.TrimSuffix(cmd.UseLine(), " [flags]")
		if len(args) == 0 {
			return usagef(remedy, "%s needs %s", cmd.CommandPath(), name)
		}
		if slices.Contains(args, "") {
			return usagef(remedy, "%s is empty", name)
		}
		return nil
	}
}

// arguments wants these; those in brackets may be left out.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		// The line as the help has it: it names the flags that are needed, too.
		remedy := "use " + strings.TrimSuffix(cmd.UseLine(), " [flags]")
		if len(args) > len(names) {
			return usagef(remedy, "%s does not take %q", cmd.CommandPath(), args[len(names)])
		}
		if len(args) < len(names) && !strings.HasPrefix(names[len(args)], "[") {
			return usagef(remedy, "%s needs %s", cmd.CommandPath(), names[len(args)])
		}
		for i, arg := range args {
			if arg == "" && !strings.HasPrefix(names[i], "[") {
				return usagef(remedy, "%s is empty", names[i])
			}
		}
		return nil
	}
}
