package gossip

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"strings"
	"sync/atomic"
)

// logWriter turns memberlist's tagged lines into records of a slog.Logger. A
// *log.Logger calls Write once for each line, so nothing is kept between calls.
type logWriter struct {
	to       *slog.Logger
	suspects func(process string) // told of each process that this node began to suspect
	quiet    atomic.Bool          // closing: what fails now fails because we close
}

func (w *logWriter) logger() *log.Logger { return log.New(w, "", 0) }

var tags = map[string]slog.Level{
	"DEBUG": slog.LevelDebug,
	"INFO":  slog.LevelInfo,
	"WARN":  slog.LevelWarn,
	"ERR":   slog.LevelError,
	"ERROR": slog.LevelError,
}

// ordinary lists lines that memberlist calls warnings or errors although they belong
// to the ordinary life of a fleet: a node that died or restarted cannot be reached or
// is taken for its former process, and what we refused was said by refusals already.
var ordinary = []string{
	"Got ping for unexpected node",
	"Failed fallback TCP ping",
	"Push/Pull with",
	ErrForeignFleet.Error(),
	ErrMeta.Error(),
}

func (w *logWriter) Write(line []byte) (int, error) {
	level, text := parseLine(string(bytes.TrimSpace(line)))
	if name, ok := suspected(text); ok {
		w.suspects(name)
	}
	if w.quiet.Load() {
		level = slog.LevelDebug
	}
	w.to.Log(context.Background(), level, text, "source", "memberlist")
	return len(line), nil
}

// parseLine splits "[WARN] memberlist: text". A line without a known tag counts as
// information.
func parseLine(line string) (slog.Level, string) {
	level, text := slog.LevelInfo, line
	if rest, ok := strings.CutPrefix(line, "["); ok {
		if tag, after, ok := strings.Cut(rest, "]"); ok {
			if l, known := tags[tag]; known {
				level, text = l, strings.TrimSpace(after)
			}
		}
	}
	text = strings.TrimPrefix(text, "memberlist: ")
	if level > slog.LevelDebug {
		for _, o := range ordinary {
			if strings.Contains(text, o) {
				return slog.LevelDebug, text
			}
		}
	}
	return level, text
}

// suspected reads the one place where memberlist tells that a probe went unanswered:
// its delegates are told of joins, updates and ends only, and the state in its list
// is not exported.
func suspected(text string) (process string, ok bool) {
	rest, ok := strings.CutPrefix(text, "Suspect ")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, " has failed, no acks received")
}
