package main

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// The kinds of values that settings have beyond the plain ones. Each is a flag's
// value and, as text, a value of the configuration file.

// addresses is a list that may be given as one text with commas, or repeatedly.
type addresses []string

func (a *addresses) String() string { return strings.Join(*a, ",") }
func (a *addresses) Type() string   { return "host:port,…" }

// Set adds the addresses in the text.
func (a *addresses) Set(text string) error {
	for _, s := range strings.Split(text, ",") {
		if s = strings.TrimSpace(s); s != "" {
			*a = append(*a, s)
		}
	}
	return nil
}

type duration time.Duration

func (d duration) String() string { return time.Duration(d).String() }
func (d *duration) Type() string  { return "duration" }

// Set reads a duration.
func (d *duration) Set(text string) error {
	v, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return fmt.Errorf("want a duration such as 500ms, 30s or 10m")
	case v < 0:
		return fmt.Errorf("a duration cannot be negative: want one such as 500ms, 30s or 10m")
	}
	*d = duration(v)
	return nil
}

// UnmarshalText is Set.
func (d *duration) UnmarshalText(b []byte) error { return d.Set(string(b)) }

type logLevel slog.Level

func (l logLevel) String() string { return strings.ToLower(slog.Level(l).String()) }
func (l *logLevel) Type() string  { return "level" }

// Set reads one of the four levels.
func (l *logLevel) Set(text string) error {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(text, level.String()) {
			*l = logLevel(level)
			return nil
		}
	}
	return fmt.Errorf("want debug, info, warn or error")
}

// UnmarshalText is Set.
func (l *logLevel) UnmarshalText(b []byte) error { return l.Set(string(b)) }

type logFormat string

func (f logFormat) String() string { return string(f) }
func (f *logFormat) Type() string  { return "format" }

// Set reads one of the two formats.
func (f *logFormat) Set(text string) error {
	if text != "console" && text != "json" {
		return fmt.Errorf("want console or json")
	}
	*f = logFormat(text)
	return nil
}

// UnmarshalText is Set.
func (f *logFormat) UnmarshalText(b []byte) error { return f.Set(string(b)) }
