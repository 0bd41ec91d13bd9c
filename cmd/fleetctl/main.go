// Command fleetctl looks at a fleet and changes it. It speaks to the admin API of
// one node, whichever: all of them tell and do the same.
//
//	fleetctl status             the fleet, its nodes and its problems
//	fleetctl node ls|show|drain|undrain|forget|check|wait
//	fleetctl group ls|show|members|add|rm|transfer|recover
//	fleetctl balance status|plan|moves|skew|explain|whatif|pause|resume|limits
//	fleetctl archive ls|rm
//	fleetctl gossip members
//	fleetctl call  GROUP OP [JSON]
//	fleetctl query GROUP OP [JSON]
//	fleetctl log inspect|verify DIR      offline, of a node that does not run
//	fleetctl events [-f] | doctor | version | completion
//
// What was asked for goes to stdout, everything else to stderr. Tables are for
// people on a terminal; elsewhere they are separated by tabs, and -o json has the
// documented, stable fields of the admin API.
//
// Exit codes: 0 done, 1 error, 2 usage, 3 unreachable, 4 not found, 5 unhealthy or
// check failed, 6 refused, 7 outcome unknown, 130 interrupted.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends what runs; a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, &app{
		in: os.Stdin, out: os.Stdout, errs: os.Stderr,
		inTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		outTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		env:         os.Getenv,
		poll:        time.Second,
	}, os.Args[1:]))
}
