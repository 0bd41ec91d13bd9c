package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/builtin"
)

// settings are what a node can be told. Each is a flag, an environment variable
// (FLEET_ and the flag's name in capitals) and a key of the configuration file
// (the flag's name), and the first of these that is given counts.
type settings struct {
	Name            string    `toml:"name"`
	Zone            string    `toml:"zone"`
	Data            string    `toml:"data"`
	InMemory        bool      `toml:"in-memory"`
	Gossip          string    `toml:"gossip"`
	Listen          string    `toml:"listen"`
	Admin           string    `toml:"admin"`
	AdvertiseGossip string    `toml:"advertise-gossip"`
	AdvertiseListen string    `toml:"advertise-listen"`
	AdminTokenFile  string    `toml:"admin-token-file"`
	TLSCert         string    `toml:"tls-cert"`
	TLSKey          string    `toml:"tls-key"`
	TLSCA           string    `toml:"tls-ca"`
	GossipKeysFile  string    `toml:"gossip-keys-file"`
	Join            addresses `toml:"join"`
	Founders        int       `toml:"founders"`
	Weight          int       `toml:"weight"`
	PurgeAfter      duration  `toml:"purge-after"`
	Settle          duration  `toml:"settle"`
	Local           bool      `toml:"local"`
	DrainTimeout    duration  `toml:"drain-timeout"`
	LogLevel        logLevel  `toml:"log-level"`
	LogFormat       logFormat `toml:"log-format"`
}

func defaultSettings() settings {
	return settings{
		Zone: "default", Gossip: "127.0.0.1:7946", Listen: "127.0.0.1:7947", Admin: admin.DefaultAddr, Weight: 1,
		PurgeAfter: duration(10 * time.Minute), DrainTimeout: duration(30 * time.Second),
		LogLevel: logLevel(slog.LevelInfo), LogFormat: "console",
	}
}

// bind makes a flag of every setting; what the settings hold is the default.
func (s *settings) bind(f *pflag.FlagSet) {
	f.StringVar(&s.Name, "name", s.Name, "what people call the node (default: the host's name)")
	f.StringVar(&s.Zone, "zone", s.Zone, "failure domain: members of a group are spread over zones")
	f.StringVar(&s.Data, "data", s.Data, "folder of this node's data; made if missing")
	f.BoolVar(&s.InMemory, "in-memory", s.InMemory, "keep nothing on disk: a restart is another node")
	f.StringVar(&s.Gossip, "gossip", s.Gossip, "where gossip listens, UDP and TCP")
	f.StringVar(&s.Listen, "listen", s.Listen, "where other nodes connect")
	f.StringVar(&s.Admin, "admin", s.Admin, "where the admin API listens; empty: nowhere")
	f.StringVar(&s.AdvertiseGossip, "advertise-gossip", s.AdvertiseGossip, "gossip address that others are told, if another")
	f.StringVar(&s.AdvertiseListen, "advertise-listen", s.AdvertiseListen, "listen address that others are told, if another")
	f.StringVar(&s.AdminTokenFile, "admin-token-file", s.AdminTokenFile, "file with the token that the admin API asks for; needed beyond loopback")
	f.StringVar(&s.TLSCert, "tls-cert", s.TLSCert, "certificate that this node shows other nodes, PEM; valid for its listen address")
	f.StringVar(&s.TLSKey, "tls-key", s.TLSKey, "key of --tls-cert, PEM")
	f.StringVar(&s.TLSCA, "tls-ca", s.TLSCA, "authority whose certificates other nodes must show, PEM")
	f.StringVar(&s.GossipKeysFile, "gossip-keys-file", s.GossipKeysFile, "file with the keys that encrypt gossip, base64, one a line, the first for sending")
	f.Var(&s.Join, "join", "gossip addresses of the fleet's nodes, comma separated or repeated; without any, a fresh node founds a fleet")
	f.IntVar(&s.Founders, "founders", s.Founders, "found a fleet once this many fresh nodes see each other; the same on all of them")
	f.IntVar(&s.Weight, "weight", s.Weight, "share of members relative to other nodes")
	f.Var(&s.PurgeAfter, "purge-after", "how long a node is gone before its members are replaced")
	f.Var(&s.Settle, "settle", "how long nodes must be quiet before members are balanced; 0s: the default")
	f.Lookup("settle").DefValue = "30s, with --local 2s" // as fleet.Config takes zero
	f.BoolVar(&s.Local, "local", s.Local, "short timings of gossip and balancing, for nodes on one machine")
	f.Var(&s.DrainTimeout, "drain-timeout", "how long a stop may wait until members have left; 0s: do not drain")
	f.Var(&s.LogLevel, "log-level", "debug, info, warn or error")
	f.Var(&s.LogFormat, "log-format", "console or json")
}

// environmentName is the variable for a flag.
func environmentName(flag string) string {
	return "FLEET_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// loadSettings reads the file, then the environment, then the flags that were
// given; each overrides what came before.
func loadSettings(given *pflag.FlagSet, environment func(string) (string, bool), file string) (settings, error) {
	s := defaultSettings()
	if file == "" {
		file, _ = environment("FLEET_CONFIG")
	}
	if file != "" {
		if err := s.readFile(file); err != nil {
			return s, usageError{err}
		}
	}
	flags := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	s.bind(flags)
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		variable := environmentName(f.Name)
		if value, ok := environment(variable); ok {
			if err := replace(f, value); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s is %q: %w", variable, value, err))
			}
		}
		if from := given.Lookup(f.Name); from != nil && from.Changed {
			if err := replace(f, from.Value.String()); err != nil {
				errs = append(errs, fmt.Errorf("--%s is %q: %w", f.Name, from.Value, err))
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		return s, usageError{err}
	}
	return s, nil
}

// replace sets a flag to one value, whatever it was before.
func replace(f *pflag.Flag, value string) error {
	if list, ok := f.Value.(*addresses); ok {
		*list = nil
	}
	err := f.Value.Set(value)
	switch {
	case err == nil:
		return nil
	case f.Value.Type() == "int":
		return errors.New("want a number")
	case f.Value.Type() == "bool":
		return errors.New("want true or false")
	}
	return err
}

// readFile reads the configuration file. A key that is not known is an error: a
// misspelt one must not go unnoticed.
func (s *settings) readFile(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("configuration file: %w: check --config", err)
	}
	err = toml.NewDecoder(strings.NewReader(string(b))).DisallowUnknownFields().Decode(s)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var errs []error
		for _, e := range unknown.Errors {
			row, _ := e.Position()
			errs = append(errs, fmt.Errorf("%s:%d: there is no setting %q: see fleetd run --help for those that exist", name, row, strings.Join(e.Key(), ".")))
		}
		return errors.Join(errs...)
	}
	var malformed *toml.DecodeError
	if errors.As(err, &malformed) {
		row, _ := malformed.Position()
		what := strings.TrimPrefix(malformed.Error(), "toml: ")
		if key := strings.Join(malformed.Key(), "."); key != "" {
			if strings.Contains(what, "cannot decode") { // the rest speaks of Go
				what = "the value is of the wrong kind: see fleetd run --help"
			}
			what = key + ": " + what
		}
		return fmt.Errorf("%s:%d: %s", name, row, what)
	}
	if err != nil {
		return fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return nil
}

// config turns the settings into those of a node.
func (s *settings) config(log *slog.Logger) (fleet.Config, error) {
	c := fleet.Config{
		DataDir: s.Data, InMemory: s.InMemory, Name: s.Name, Types: builtin.Types(), Join: s.Join, Founders: s.Founders,
		Gossip: s.Gossip, Listen: s.Listen, AdvertiseGossip: s.AdvertiseGossip, AdvertiseListen: s.AdvertiseListen,
		Admin: s.Admin, Weight: s.Weight, PurgeAfter: time.Duration(s.PurgeAfter), Settle: time.Duration(s.Settle),
		Local: s.Local, Logger: log,
	}
	switch {
	case s.Data == "" && !s.InMemory:
		return c, usageError{errors.New("there is nowhere to keep data: give --data DIR, or --in-memory to keep nothing")}
	case s.Data != "" && s.InMemory:
		return c, usageError{fmt.Errorf("--data %s and --in-memory exclude each other: give one", s.Data)}
	case s.Weight < 1:
		return c, usageError{fmt.Errorf("--weight is %d: give 1 to 1000", s.Weight)}
	case s.PurgeAfter <= 0:
		return c, usageError{fmt.Errorf("--purge-after is %s: give more than 0s, best minutes: a node that restarts must not be replaced", s.PurgeAfter)}
	case s.Settle < 0:
		return c, usageError{fmt.Errorf("--settle is %s: give more than 0s, or 0s for the default", s.Settle)}
	case s.DrainTimeout < 0:
		return c, usageError{fmt.Errorf("--drain-timeout is %s: give 0s or more", s.DrainTimeout)}
	}
	if err := fleet.CheckZone(s.Zone); err != nil {
		return c, usageError{errors.New("--" + strings.TrimPrefix(err.Error(), "fleet: "))}
	}
	if s.AdminTokenFile != "" {
		token, err := os.ReadFile(s.AdminTokenFile)
		if err != nil {
			return c, usageError{fmt.Errorf("admin token: %w: check --admin-token-file", err)}
		}
		c.AdminToken = strings.TrimSpace(string(token))
		if c.AdminToken == "" {
			return c, usageError{fmt.Errorf("the admin token in %s is empty: write one line into it", s.AdminTokenFile)}
		}
	}
	var err error
	if c.TLS, err = mutualTLS(s.TLSCert, s.TLSKey, s.TLSCA); err != nil {
		return c, usageError{err}
	}
	if c.Keys, err = gossipKeys(s.GossipKeysFile); err != nil {
		return c, usageError{err}
	}
	if err := c.Validate(); err != nil {
		return c, usageError{err}
	}
	return c, nil
}
