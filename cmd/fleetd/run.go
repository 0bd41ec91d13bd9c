package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newRunCommand() *cobra.Command {
	given := defaultSettings()
	var file string
	cmd := &cobra.Command{
		Use:   "run --data DIR",
		Short: "Run a node until it is told to stop",
		Long: `Runs a node. The first node of a fleet is started without --join; all others
are given the gossip address of one or more nodes of the fleet.

Every flag can also be given as an environment variable (--purge-after as
FLEET_PURGE_AFTER) or as a key of the TOML file named by --config
(purge-after = "10m"). A flag counts before a variable, a variable before the
file.

SIGTERM or SIGINT stops the node: its members move to other nodes, for at most
--drain-timeout, then it ends. A second signal ends it without moving anything
more. Its data stays: started again it becomes active again.`,
		Example: `  fleetd run --data /var/lib/fleetd --name a --zone rack1 \
    --gossip 10.0.0.1:7946 --listen 10.0.0.1:7947
  fleetd run --data /var/lib/fleetd --name b --zone rack2 \
    --gossip 10.0.0.2:7946 --listen 10.0.0.2:7947 --join 10.0.0.1:7946`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := loadSettings(cmd.Flags(), os.LookupEnv, file)
			if err != nil {
				return err
			}
			signals := make(chan os.Signal, 4)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
			defer signal.Stop(signals)
			return run(s, newLogger(cmd.ErrOrStderr(), s.LogLevel, s.LogFormat), signals)
		},
	}
	given.bind(cmd.Flags())
	cmd.Flags().StringVar(&file, "config", "", "TOML file with settings")
	cmd.Flags().SortFlags = false
	return cmd
}

// stillLooking is how often a node that is not active yet says so.
const stillLooking = 15 * time.Second

// lookTimeout bounds how long a node that is not active is asked why.
const lookTimeout = time.Second

// whyNotActive is what the node itself tells, if it is on its way into a fleet.
func whyNotActive(ctx context.Context, node *fleet.Node) string {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if s, err := node.Status(ctx); err == nil && s.Joining != nil && len(s.Problems) > 0 {
		return s.Problems[0].Reason + ": " + s.Problems[0].Remedy
	}
	return "it waits until the fleet answers"
}

// run opens and activates a node and ends with it: nil when it was told to stop.
func run(s settings, log *slog.Logger, signals <-chan os.Signal) error {
	config, err := s.config(log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	node, err := fleet.Open(ctx, config)
	if err != nil {
		if errors.Is(err, admin.ErrExposed) {
			return usageError{fmt.Errorf("--admin %s can be reached from other machines: give --admin-token-file, or listen on 127.0.0.1", s.Admin)}
		}
		return err
	}
	log.Info("node started", "node", node.Name(), "id", node.ID(), "zone", s.Zone, "gossip", node.GossipAddr(), "listen", node.ListenAddr(), "admin", node.AdminAddr())
	activated := make(chan error, 1)
	go func() { activated <- node.Activate(ctx, s.Zone) }()
	ticker := time.NewTicker(stillLooking)
	defer ticker.Stop()
	for active := false; ; {
		select {
		case err := <-activated:
			if err != nil {
				return errors.Join(err, node.Close())
			}
			active = true
			ticker.Stop()
			log.Info("node is active", "zone", s.Zone)
			notify("READY=1\nSTATUS=active in zone " + s.Zone)
		case <-ticker.C:
			why := whyNotActive(ctx, node)
			log.Warn("node is not active yet: "+why, "zone", s.Zone)
			notify("STATUS=not active yet: " + why)
		case <-node.Done():
			return errors.Join(node.Err(), node.Close())
		case got := <-signals:
			notify("STOPPING=1")
			log.Info("stopping", "signal", got.String())
			cancel() // an activation that still waits
			if active && s.DrainTimeout > 0 {
				drain(node, time.Duration(s.DrainTimeout), signals, log)
			}
			if err := node.Close(); err != nil {
				return fmt.Errorf("stop: %w", err)
			}
			log.Info("stopped")
			return nil
		}
	}
}
