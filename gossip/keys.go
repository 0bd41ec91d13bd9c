package gossip

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/hashicorp/memberlist"
)

// To change the key of a running fleet: InstallKey on every node, then UseKey on
// every node, then RemoveKey of the old one on every node. Each step must be done
// everywhere before the next begins. Changes are not kept over a restart: change
// Config.Keys too.

func validateKey(key []byte) error {
	if err := memberlist.ValidateKey(key); err != nil {
		return fmt.Errorf("%w: it has %d bytes: want 16, 24 or 32", ErrKey, len(key))
	}
	return nil
}

// newKeyring is nil for no keys: gossip in clear text.
func newKeyring(keys [][]byte) (*memberlist.Keyring, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	own := make([][]byte, len(keys))
	for i, key := range keys {
		if err := validateKey(key); err != nil {
			return nil, fmt.Errorf("%w: Keys[%d]: %w", ErrInvalidConfig, i, err)
		}
		own[i] = bytes.Clone(key)
	}
	return memberlist.NewKeyring(own, own[0])
}

// Keys returns copies of the installed keys, the primary one, which encrypts, first.
// It is empty when gossip runs in clear text.
func (g *Gossip) Keys() [][]byte {
	if g.keyring == nil {
		return nil
	}
	g.keysMu.Lock()
	defer g.keysMu.Unlock()
	keys := slices.Clone(g.keyring.GetKeys())
	for i := range keys {
		keys[i] = bytes.Clone(keys[i])
	}
	return keys
}

// InstallKey makes what others encrypt with the key readable here. A key has 16, 24
// or 32 bytes. Installing a key again changes nothing. Errors wrap ErrKey or
// ErrNotEncrypted.
func (g *Gossip) InstallKey(key []byte) error {
	if g.keyring == nil {
		return fmt.Errorf("gossip: install key: %w: restart every node with Config.Keys", ErrNotEncrypted)
	}
	if err := validateKey(key); err != nil {
		return fmt.Errorf("gossip: install key: %w", err)
	}
	g.keysMu.Lock()
	defer g.keysMu.Unlock()
	return g.keyring.AddKey(bytes.Clone(key))
}

// UseKey encrypts with an installed key from now on.
func (g *Gossip) UseKey(key []byte) error {
	if g.keyring == nil {
		return fmt.Errorf("gossip: use key: %w: restart every node with Config.Keys", ErrNotEncrypted)
	}
	g.keysMu.Lock()
	defer g.keysMu.Unlock()
	if indexOf(g.keyring.GetKeys(), key) < 0 {
		return fmt.Errorf("gossip: use key: %w: it is not installed: install it on every node first", ErrKey)
	}
	return g.keyring.UseKey(key)
}

// RemoveKey makes what is encrypted with the key unreadable. The primary key cannot
// be removed.
func (g *Gossip) RemoveKey(key []byte) error {
	if g.keyring == nil {
		return fmt.Errorf("gossip: remove key: %w", ErrNotEncrypted)
	}
	g.keysMu.Lock()
	defer g.keysMu.Unlock()
	installed := g.keyring.GetKeys()
	at := indexOf(installed, key)
	switch {
	case at < 0:
		return fmt.Errorf("gossip: remove key: %w: it is not installed", ErrKey)
	case at == 0:
		return fmt.Errorf("gossip: remove key: %w: it is the primary key: use another one first", ErrKey)
	}
	if at != len(installed)-1 {
		// The ring removes a key by moving those behind it, in place, under packets
		// that are being decrypted with the same array; the last key moves nothing.
		// Using a key puts it in front in a new array, so using the others one after
		// the other, the primary last, leaves ours at the end.
		for _, other := range installed[at+1:] {
			if err := g.keyring.UseKey(other); err != nil {
				return fmt.Errorf("gossip: remove key: %w", err)
			}
		}
		if err := g.keyring.UseKey(installed[0]); err != nil {
			return fmt.Errorf("gossip: remove key: %w", err)
		}
	}
	if err := g.keyring.RemoveKey(key); err != nil {
		return fmt.Errorf("gossip: remove key: %w", err)
	}
	return nil
}

func indexOf(keys [][]byte, key []byte) int {
	return slices.IndexFunc(keys, func(k []byte) bool { return bytes.Equal(k, key) })
}
