package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// checkUsage wants an error of settings to be one that ends with exit code 2 and says
// something.
func checkUsage(t *testing.T, err error) {
	t.Helper()
	if usage := (usageError{}); err != nil && (!errors.As(err, &usage) || oneLine(err) == "") {
		t.Fatalf("%T is not a mistake of whoever started the program: %v", err, err)
	}
}

// withoutFiles lets no setting name a file that would be read.
func withoutFiles(s settings) *settings {
	s.AdminTokenFile, s.TLSCert, s.TLSKey, s.TLSCA, s.GossipKeysFile = "", "", "", "", ""
	return &s
}

// FuzzSettings reads anything as flags, one a line, and as a variable: what passes
// means the same when each setting is given once more as it prints itself.
func FuzzSettings(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Add("empty", "", "", "")
	seeds.Add("whole", "--data\n/var/lib/fleetd\n--name=a\n--zone\nrack1\n--join\n10.0.0.1:7946,10.0.0.2:7946\n--join=10.0.0.3:7946\n--local", "FLEET_PURGE_AFTER", "10m")
	seeds.Add("flag-without-value", "--data", "", "")
	seeds.Add("flag-torn", "--in-memory\n--purge-aft\n5m", "", "")
	seeds.Add("unknown-flag", "--colour=red", "", "")
	seeds.Add("duration-without-unit", "--in-memory\n--settle=5", "", "")
	seeds.Add("duration-below-zero", "--in-memory\n--settle=-5s", "", "")
	seeds.Add("huge-duration", "--in-memory\n--purge-after=9223372036854775807h", "", "")
	seeds.Add("huge-number", "--in-memory\n--weight=99999999999999999999", "", "")
	seeds.Add("number-with-a-base", "--in-memory\n--weight=0x10", "", "")
	seeds.Add("port-out-of-range", "--in-memory\n--gossip=127.0.0.1:65536", "", "")
	seeds.Add("zone-not-utf8", "--in-memory\n--zone=\xff", "", "")
	seeds.Add("long-name", "--in-memory\n--name="+strings.Repeat("n", 1000), "", "")
	seeds.Add("variable-not-a-flag's", "--in-memory", "FLEET_COLOUR", "red")
	seeds.Add("variable-malformed", "--in-memory", "FLEET_LOCAL", "perhaps")
	seeds.Add("variable-empty", "--in-memory", "FLEET_ADMIN", "")
	seeds.Add("list-of-nothing", "--in-memory\n--join=,, ,", "FLEET_JOIN", ",")
	fuzzseeds.Keep(f, seeds)
	logger := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, flags, variable, value string) {
		if variable == "FLEET_CONFIG" {
			t.Skip("reads a file")
		}
		given := pflag.NewFlagSet("run", pflag.ContinueOnError)
		given.SetOutput(io.Discard)
		s := defaultSettings()
		s.bind(given)
		if given.Parse(strings.Split(flags, "\n")) != nil {
			return
		}
		none := func(string) (string, bool) { return "", false }
		s, err := loadSettings(given, func(name string) (string, bool) { return value, name == variable }, "")
		checkUsage(t, err)
		if err != nil {
			return
		}
		_, err = withoutFiles(s).config(logger)
		checkUsage(t, err)

		again := defaultSettings()
		repeated := pflag.NewFlagSet("again", pflag.ContinueOnError)
		again.bind(repeated)
		printed := pflag.NewFlagSet("printed", pflag.ContinueOnError)
		s.bind(printed)
		printed.VisitAll(func(flag *pflag.Flag) {
			if err := repeated.Set(flag.Name, flag.Value.String()); err != nil {
				t.Fatalf("--%s prints itself as %q, which is refused: %v", flag.Name, flag.Value, err)
			}
		})
		if again, err = loadSettings(repeated, none, ""); err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%+v became %+v, %v", s, again, err)
		}
	})
}

// FuzzConfigurationFile reads anything as the configuration file: an error names it.
func FuzzConfigurationFile(f *testing.F) {
	example, err := os.ReadFile("dist/fleetd.toml")
	if err != nil {
		f.Fatal(err)
	}
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("some-settings", []byte("name = 'n1'\njoin = ['10.0.0.1:7946', '10.0.0.2:7946']\nweight = 3\npurge-after = \"1h\"\nlocal = true\n"))
	seeds.Add("empty", []byte{})
	seeds.Add("unknown-key", []byte("colour = 'red'\n"))
	seeds.Add("unknown-table", []byte("[node]\nname = 'n1'\n"))
	seeds.Add("key-twice", []byte("name = 'a'\nname = 'b'\n"))
	seeds.Add("value-of-another-kind", []byte("weight = 'heavy'\njoin = 3\n"))
	seeds.Add("huge-number", []byte("weight = 99999999999999999999\n"))
	seeds.Add("not-utf8", []byte("name = '\xff'\n"))
	seeds.Add("nested-deep", append([]byte("join = "), bytes.Repeat([]byte("["), 1000)...))
	seeds.Add("dates-and-floats", []byte("name = 1979-05-27T07:32:00Z\nweight = 1e3\nsettle = inf\n"))
	fuzzseeds.Keep(f, seeds)
	f.Add(example)
	file := filepath.Join(f.TempDir(), "fleetd.toml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		given := pflag.NewFlagSet("run", pflag.ContinueOnError)
		own := defaultSettings()
		own.bind(given)
		s, err := loadSettings(given, func(string) (string, bool) { return "", false }, file)
		checkUsage(t, err)
		if err != nil {
			if !strings.Contains(err.Error(), file) {
				t.Fatalf("the error does not name the file: %v", err)
			}
			return
		}
		_, err = withoutFiles(s).config(slog.New(slog.DiscardHandler))
		checkUsage(t, err)
	})
}

// FuzzGossipKeys: what passes for keys are some, of a length that there is.
func FuzzGossipKeys(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("two-keys", []byte("# newest first\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nAQEBAQEBAQEBAQEBAQEBAQ==\n"))
	seeds.Add("empty", []byte{})
	seeds.Add("comments-alone", []byte("# none\n\n#\n"))
	seeds.Add("short-key", []byte("QUJD\n"))
	seeds.Add("long-key", append(bytes.Repeat([]byte("QUJD"), 300), '\n'))
	seeds.Add("no-base64", []byte("-----BEGIN\n"))
	seeds.Add("ends-of-another-system", []byte("AQEBAQEBAQEBAQEBAQEBAQ==\r\nAQEBAQEBAQEBAQEBAQEBAQ==\r\n"))
	fuzzseeds.Keep(f, seeds)
	file := filepath.Join(f.TempDir(), "keys")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := gossipKeys(file)
		if (err == nil) != (len(keys) > 0) || err != nil && !strings.Contains(err.Error(), file) {
			t.Fatalf("%q gives %d keys, %v", text, len(keys), err)
		}
		for _, key := range keys {
			if n := len(key); n != 16 && n != 24 && n != 32 {
				t.Fatalf("%q gives a key of %d bytes", text, n)
			}
		}
	})
}

// FuzzTLSFiles damages one of the three files: either TLS is configured with all that
// it needs, or the error names a flag.
func FuzzTLSFiles(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Files()
	fuzzseeds.Keep(f, seeds)
	certificate, key := fuzzseeds.Certificate(f)
	sound := [][]byte{certificate, key, certificate}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, which uint8, at uint16, change []byte, cut bool) {
		var names []string
		for i, b := range sound {
			if i == int(which)%len(sound) {
				b = fuzzseeds.Damage(b, at, change, cut)
			}
			names = append(names, filepath.Join(dir, []string{"cert", "key", "ca"}[i]))
			if err := os.WriteFile(names[i], b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := mutualTLS(names[0], names[1], names[2])
		switch {
		case err != nil && !strings.Contains(err.Error(), "--tls-"):
			t.Fatalf("the error names no flag: %v", err)
		case err == nil && (len(c.Certificates) != 1 || c.Certificates[0].PrivateKey == nil || c.RootCAs == nil || c.ClientCAs == nil):
			t.Fatalf("TLS lacks something: %+v", c)
		}
	})
}
