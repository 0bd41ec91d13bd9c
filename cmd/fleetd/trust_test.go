package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGossipKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# newest first\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nAQEBAQEBAQEBAQEBAQEBAQ==\n")
	keys, err := gossipKeys(file)
	if err != nil || len(keys) != 2 || !bytes.Equal(keys[0], make([]byte, 32)) || len(keys[1]) != 16 {
		t.Fatalf("two keys: %v, %v", keys, err)
	}
	for text, want := range map[string]string{"": "no key", "nonsense": "line 1", "QUJD": "line 1"} {
		write(text)
		if _, err := gossipKeys(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if keys, err := gossipKeys(""); keys != nil || err != nil {
		t.Errorf("no file: %v, %v", keys, err)
	}
}

func TestMutualTLSNeedsAllFiles(t *testing.T) {
	if c, err := mutualTLS("", "", ""); c != nil || err != nil {
		t.Errorf("no files: %v, %v", c, err)
	}
	if _, err := mutualTLS("cert.pem", "", ""); err == nil || !strings.Contains(err.Error(), "all three") {
		t.Errorf("one file: %v", err)
	}
	if _, err := mutualTLS("/nowhere/c", "/nowhere/k", "/nowhere/ca"); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
		t.Errorf("missing files: %v", err)
	}
}
