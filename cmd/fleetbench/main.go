// Command fleetbench measures a real fleet: it starts processes of its own on
// loopback, each with its own data folder and with every sync done, drives them
// with closed-loop clients, cleans up, and prints one result.
//
// It measures what users get: commands go through sessions, so each is applied
// exactly once, and reads are linearizable.
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		if err := runChild(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "fleetbench: child:", err)
			os.Exit(1)
		}
		return
	}
	root := &cobra.Command{
		Use: "fleetbench", Short: "Measure a fleet of real processes on this machine",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(newLoadCommand("write", "Measure commands"), newLoadCommand("read", "Measure linearizable queries"))
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fleetbench:", err)
		os.Exit(1)
	}
}
