package main

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// newLogger logs to w, in colour where that is a terminal and NO_COLOR is not set.
func newLogger(w io.Writer, level logLevel, format logFormat) *slog.Logger {
	if format == "console" {
		file, ok := w.(*os.File)
		colour := ok && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == ""
		w = zerolog.ConsoleWriter{Out: w, NoColor: !colour, TimeFormat: "15:04:05.000"}
	}
	levels := map[slog.Level]zerolog.Level{
		slog.LevelDebug: zerolog.DebugLevel, slog.LevelInfo: zerolog.InfoLevel,
		slog.LevelWarn: zerolog.WarnLevel, slog.LevelError: zerolog.ErrorLevel,
	}
	zerolog.TimeFieldFormat = time.RFC3339Nano
	return slog.New(zerolog.NewSlogHandler(zerolog.New(w).Level(levels[slog.Level(level)]).With().Timestamp().Logger()))
}

// oneLine is an error on one line, as the last word of a process, in the words of
// the command line.
func oneLine(err error) string {
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	return inFlags.Replace(strings.TrimPrefix(text, "fleet: "))
}

// inFlags names the flags that stand for the fields of a node's configuration.
var inFlags = strings.NewReplacer(
	"Config.AdvertiseGossip", "--advertise-gossip", "Config.AdvertiseListen", "--advertise-listen",
	"Config.DataDir", "--data", "Config.InMemory", "--in-memory", "Config.Name", "--name", "Config.Join", "--join",
	"Config.Founders", "--founders", "Config.Gossip", "--gossip", "Config.Listen", "--listen", "Config.Admin", "--admin",
	"Config.Weight", "--weight", "Config.PurgeAfter", "--purge-after", "Config.Settle", "--settle",
)
