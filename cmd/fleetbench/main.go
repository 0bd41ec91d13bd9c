// Command fleetbench measures a real fleet: it starts processes of its own on
// loopback, each a node in a zone of its own with its own data folder and with
// every sync done, gives them work, and prints one result.
//
//	fleetbench write      commands a second, latency, CPU and memory
//	fleetbench read       the same of linearizable queries
//	fleetbench idle       what groups cost that have nothing to do
//	fleetbench start      how fast groups are added, and how soon a restarted node serves
//	fleetbench failover   how long groups do not answer when a process is killed
//	fleetbench placement  how evenly groups are placed and how much moves, without processes
//	fleetbench churn      what clients notice while nodes join, drain, die and return, and how soon the fleet is balanced
//
// It measures what users get: commands go through sessions, so that each is applied
// exactly once, reads are linearizable, and settings are the defaults.
//
// The result goes to standard output, as a table or with --json as exactly one
// object whose names are stable; what it is doing goes to standard error. Everything
// is bounded by --deadline. Whichever way it ends, its processes end with it and
// their folders are removed.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		if err := runChild(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "fleetbench: child:", err)
			os.Exit(1)
		}
		return
	}
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fleetbench:", err)
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use: "fleetbench", Short: "Measure a fleet of real processes on this machine",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(
		newLoadCommand("write", "Measure commands"),
		newLoadCommand("read", "Measure linearizable queries"),
		newIdleCommand(), newStartCommand(), newFailoverCommand(), newPlacementCommand(), newChurnCommand(),
	)
	return root
}
