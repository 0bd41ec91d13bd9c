// Command fleetd is a node of a fleet, with the built-in types counter and kv.
//
//	fleetd run --data DIR   runs a node until it is told to stop
//	fleetd demo             runs a whole fleet on this machine for a while
//	fleetd version          says which build this is
//
// It exits with 0 when it was told to stop, 1 when it could not go on, and 2 when
// it was asked for something that cannot be.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a fault of what was asked for, as opposed to one of what happened.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }

func execute(args []string, out, errs io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.Execute()
	if err == nil {
		return 0
	}
	fmt.Fprintf(errs, "fleetd: %s\n", oneLine(err))
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "fleetd",
		Short: "A node of a raftfleet, with the built-in types counter and kv",
		Long: "fleetd runs a node of a fleet that hosts thousands of replicated values.\n" +
			"To see what that is: fleetd demo. To run a node: fleetd run --data DIR.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q: see fleetd --help", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%s; see %s --help", parsing.ReplaceAllString(err.Error(), ""), cmd.CommandPath())}
	})
	root.AddCommand(newRunCommand(), newDemoCommand(), newVersionCommand())
	return root
}

// parsing is what the standard library says of a malformed flag, before the reason.
var parsing = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": `)

// noArguments is for commands that take flags alone.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments, and got %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}
