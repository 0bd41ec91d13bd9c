package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
)

func newCall(a *app) *cobra.Command {
	var commandID string
	cmd := &cobra.Command{
		Use:   "call GROUP OP [JSON]",
		Short: "Run a command of a group and print its result as JSON",
		Long: "call runs a command with a JSON argument, - for one that is read from stdin, and prints the result as JSON\n" +
			"and nothing else. When the outcome is unknown the exit code is 7.",
		Example:           "  fleetctl call orders add 1\n  fleetctl call stock put '{\"key\":\"a\",\"value\":\"b\"}'",
		Args:              arguments("GROUP", "OP", "[JSON]"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			argument, err := a.argument(args)
			if err != nil {
				return err
			}
			b, err := fetch(cmd.Context(), a, func(ctx context.Context, c *admin.Client) ([]byte, error) {
				return c.Call(ctx, args[0], args[1], argument, commandID)
			})
			return a.printResult(b, err)
		},
	}
	cmd.Flags().StringVar(&commandID, "command-id", "", "the id of a command whose outcome was unknown, to try it again safely")
	return cmd
}

const quoteJSON = `quote it for the shell, as in '{"key":"a"}' or '"text"'`

// argument returns the third of the arguments, from stdin if it is "-".
func (a *app) argument(args []string) ([]byte, error) {
	switch {
	case len(args) < 3:
		return nil, nil
	case args[2] != "-":
		if err := json.Unmarshal([]byte(args[2]), new(json.RawMessage)); err != nil {
			return nil, usagef(quoteJSON, "the argument is not JSON: %v", err)
		}
		return []byte(args[2]), nil
	}
	b, err := io.ReadAll(io.LimitReader(a.in, admin.MaxBodyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the argument from stdin: %w", err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, usagef("send JSON, or leave out the - for an operation without an argument", "stdin is empty")
	}
	if len(b) <= admin.MaxBodyBytes { // what is longer is refused for its length
		if err := json.Unmarshal(b, new(json.RawMessage)); err != nil {
			return nil, usagef("send one JSON value", "what stdin says is not JSON: %v", err)
		}
	}
	return b, nil
}

func (a *app) printResult(b []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\n", bytes.TrimSpace(b))
	return err
}
